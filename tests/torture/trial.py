"""A wave moved, killed, resumed and judged. Trials share the servers; each has a wave and mailboxes of its own."""

from __future__ import annotations

import itertools
import smtplib
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence

from tests.lab import corpus
from tests.lab.proxy import DelayProxy
from tests.lab.scene import Scene, hash_of
from tests.lab.wire import Literal, mailbox
from tests.torture.judge import GOING_BACK, IN_STEP, Evidence, Tally, Work, gather, judge
from tests.torture.runner import Ended, Runner

FOLDERS = corpus.FOLDERS[:4]
PER_FOLDER = 4
AGAIN = 6  # further runs that a killed command may take to end well
NOTHING_TO_TAKE_BACK = 6  # exit code of `wave rollback` where nothing was cut over
SETTINGS = {
    "cutover": {"catch_up_quiet": "0s", "drain_timeout": "10s"},
    "canary": {"deadline": "60s"},
    "lease": {"ttl": "3s"},
}
SLOW = 1.0  # seconds that bytes take to a slow target


class Ground:
    """The servers and the runner on which trials are made, and mailboxes for them.

    slow: the target is reached through a wire that can be slow (`kill_slowly`).
    """

    def __init__(self, scene: Scene, tally: Tally | None = None, slow: bool = False) -> None:
        self.scene = scene
        self.proxy = DelayProxy((scene.new.host, scene.new.imap_port)).start() if slow else None
        scene.write_config(SETTINGS)
        if self.proxy:
            place = {"host": self.proxy.host, "port": self.proxy.port}
            # a lease must outlive the exchanges that take it
            scene.write_config({"servers": {"new": {"imap": place}}, "lease": {"ttl": "60s"}})
        self.runner = Runner(scene.workspace, scene.environment())
        self._addresses: Iterator[str] = iter(scene.addresses)
        self.tally = tally or Tally()

    def trial(self, work: Work, mailboxes: int = 1) -> Trial:
        return Trial(self, work, tuple(itertools.islice(self._addresses, mailboxes)))

    def close(self) -> None:
        self.runner.close()
        if self.proxy:
            self.proxy.stop()

    def __enter__(self) -> Ground:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class Trial:
    """`work` on a wave of fresh mailboxes. Use `reference` for a run without a kill, or one of the `kill_` methods.

    pass: until the mailbox is in step. mirror: the same once more, after people deleted and moved mail. cutover: all
    the way. rollback: of a mailbox that was cut over before.
    retreat: a cutover is killed, and instead of being resumed it is rolled back.
    """

    def __init__(self, ground: Ground, work: Work, addresses: tuple[str, ...]) -> None:
        self.ground, self.scene, self.work, self.addresses = ground, ground.scene, work, addresses
        self.wave = addresses[0].partition("@")[0]
        self.tokens: dict[str, list[str]] = {address: [] for address in addresses}
        self._run, self._roll_back = (("wave", verb, self.wave, "--yes") for verb in ("run", "rollback"))
        self._prepare()

    @property
    def command(self) -> tuple[str, ...]:
        """What is killed."""
        until = ("--until", "synced") if self.work in IN_STEP else ()
        return self._roll_back if self.work == "rollback" else (*self._run, *until)

    @property
    def again(self) -> tuple[str, ...]:
        """What is run after a kill."""
        return self._roll_back if self.work in GOING_BACK else self.command

    def _prepare(self) -> None:
        for address in self.addresses:
            with self.scene.old.connect(address) as connection:
                corpus.fill(connection, corpus.plan(hash_of(address), FOLDERS, PER_FOLDER))
        self.scene.write_wave(self.wave, self.addresses)
        self.send()
        self.settle()
        self.before = self.gather()
        if self.work == "mirror":
            passed = self.ground.runner.run(*self.command)
            assert passed.code == 0, passed.output
            self._use_source()
            self.before = self.gather()
        if self.work == "rollback":
            cutover = self.ground.runner.run(*self._run)
            assert cutover.code == 0, cutover.output
            self.turn_back()

    def turn_back(self) -> None:
        """From a cutover that is through to its rollback: more mail comes, and the user works on the target."""
        self.work = "rollback"
        self.send()
        self._use_target()
        self.settle()
        self.before = self.gather()

    def _use_target(self) -> None:
        """What users do on the new server: file a mail of their own, and flag one that was copied."""
        for address in self.addresses:
            own = Literal(f"Subject: note to self\r\n\r\n{self._token(address)}\r\n".encode())
            with self.scene.new.connect(address) as connection:
                connection.command(b"APPEND", b"INBOX", b"(\\Seen)", own)
                connection.command(b"SELECT", b"INBOX")
                connection.command(b"UID STORE", b"1", b"+FLAGS (\\Answered work)")

    def _use_source(self) -> None:
        """What people do on the old server meanwhile: delete mail for good, and file some elsewhere."""
        for address in self.addresses:
            with self.scene.old.connect(address) as connection:
                for folder in FOLDERS:
                    connection.command(b"SELECT", mailbox(folder))
                    connection.command(b"UID STORE", b"2", b"+FLAGS (\\Deleted)")
                    connection.command(b"UID EXPUNGE", b"2")
                connection.command(b"UID MOVE", b"1", b"INBOX")

    def send(self) -> None:
        """A mail to each mailbox through every ingress; each is accepted, and so may be neither lost nor doubled."""
        for router, address in itertools.product(self.scene.routers.values(), self.addresses):
            token = self._token(address)
            message = f"Subject: late mail\r\nMessage-ID: <{token}@outside.test>\r\n\r\n{token}\r\n"
            with smtplib.SMTP(router.host, router.port, timeout=20) as server:
                server.sendmail("sender@outside.test", [address], message)

    def _token(self, address: str) -> str:
        self.tokens[address].append(f"lab-token-{uuid.uuid4().hex}")
        return self.tokens[address][-1]

    def settle(self) -> None:
        """All queues empty, and whatever a killed run had sent executed by the server."""
        while self.ground.proxy and self.ground.proxy.in_flight:
            time.sleep(0.05)
        self.scene.wait_until_delivered()

    def gather(self) -> dict[str, Evidence]:
        return {address: gather(self.scene, address, self.addresses) for address in self.addresses}

    def reference(self) -> Ended:
        """The run without a kill, judged like the others; its points are those at which others can be killed."""
        ended = self.ground.runner.run(*self.command)
        assert ended.code == 0, ended.output
        self.resume(ended, f"{self.work}, no kill")
        return ended

    def kill_at(self, *points: int | str) -> None:
        """Killed at the first point, run again and killed at the next, ...; mail sent, resumed, judged."""
        ended, story = self.ground.runner.run(*self.command, kill_at=points[0]), []
        for point in (*points[1:], 0):
            story.append(f"{len(ended.points)} ({ended.points[-1] if ended.points else 'start'})")
            if not ended.killed or not point:
                break
            self.ground.tally.kills += 1
            ended = self.ground.runner.run(*self.again, kill_at=point)
        self.resume(ended, f"{self.work} killed at {', then at '.join(story)}")

    def kill_randomly(self, moments: Sequence[float]) -> float | None:
        """Killed again and again, each time after so many seconds, and restarted at once.

        How long the first run took, where it ended before it could be killed.
        """
        story = f"{self.work} killed after {', '.join(f'{moment:.3f}' for moment in moments)} s"
        first = ended = self.ground.runner.run(*self.command, kill_after=moments[0])
        for moment in moments[1:]:
            if not ended.killed:
                break
            self.ground.tally.kills += 1
            ended = self.ground.runner.run(*self.again, kill_after=moment)
        self.resume(ended, story)
        return None if first.killed else first.seconds

    def kill_slowly(self, point: int) -> None:
        """Killed while the wire to the target is slow, so that what was sent lands after the run that resumes looks."""
        assert self.ground.proxy is not None
        self.ground.proxy.delay_up = SLOW
        ended = self.ground.runner.run(*self.command, kill_at=point)
        self.ground.proxy.delay_up = 0.0
        label = ended.points[-1] if ended.points else "start"
        self.resume(ended, f"{self.work} killed at {point} ({label}) behind a slow wire")

    def resume(self, ended: Ended, story: str) -> None:
        """Mail is sent after the kill, and the command is run until it ends well, which should be at once."""
        self.ground.tally.kills += ended.killed
        if ended.killed:
            self.send()
        elif self.work == "retreat":
            ended = self.ground.runner.run(*self.again)
        for _ in range(AGAIN):
            if ended.code == 0:
                return self._judge_all(story)
            ended = self._run_again(self.ground.tally.stumbled, story)
            if self.work == "retreat" and ended.code == NOTHING_TO_TAKE_BACK:
                self.work = "cutover"  # as its remedy says: run on
        self.ground.tally.stuck.append(f"{self.wave}: {story}: never ended well")

    def _judge_all(self, story: str) -> None:
        """After a retreat, the wave can be brought in step again, and is judged once more."""
        self.judge(story)
        if self.work == "retreat":
            self.work = "pass"
            self.judge(f"{story}, then in step again")

    def _run_again(self, faults: list[str], story: str) -> Ended:
        ended = self.ground.runner.run(*self.again)
        if ended.code and not (self.work == "retreat" and ended.code == NOTHING_TO_TAKE_BACK):
            faults.append(f"{self.wave}: {story}: exit {ended.code} after {ended.seconds:.1f} s: {ended.output}")
        return ended

    def judge(self, story: str) -> None:
        """Once queues are empty, a further run changes nothing (but the first may have late mail to carry)."""
        tally = self.ground.tally
        self.settle()
        found = self.gather()
        for restless in ([], tally.restless):
            before = found
            self._run_again(tally.stuck, f"{story}: a further run")
            found = self.gather()
            if _shapes(found) == _shapes(before):
                break
            restless.append(f"{self.wave}: {story}: a further run changed something")
        tally.trials += 1
        for address in self.addresses:
            where = f"{address}: {story}: "
            judge(tally, where, self.work, self.before[address], found[address], self.tokens[address])


def _shapes(evidence: Mapping[str, Evidence]) -> list[object]:
    return [one.shape for one in evidence.values()]
