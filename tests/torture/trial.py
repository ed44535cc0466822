"""One mailbox moved, killed, resumed and judged. Trials share the servers; each has a mailbox and wave of its own."""

from __future__ import annotations

import itertools
import smtplib
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from tests.lab import corpus
from tests.lab.checker import Snapshot, compare, snapshot
from tests.lab.scene import Scene, hash_of
from tests.torture.runner import Ended, Runner

Work = Literal["pass", "cutover", "rollback"]
FOLDERS = corpus.FOLDERS[:4]
PER_FOLDER = 4
AGAIN = 6  # further runs that a killed command may take to end well: mail that is late is no fault of the program
SETTINGS = {
    "cutover": {"catch_up_quiet": "0s", "drain_timeout": "10s"},
    "canary": {"deadline": "20s"},
    "lease": {"ttl": "3s"},
}


@dataclass
class Tally:
    """What the judge found over many trials; each list holds sentences."""

    kills: int = 0
    trials: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    altered: list[str] = field(default_factory=list)
    split: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    restless: list[str] = field(default_factory=list)

    FAULTS = ("lost", "doubled", "altered", "split", "stuck", "restless")

    @property
    def clean(self) -> bool:
        return not any(getattr(self, fault) for fault in self.FAULTS)

    def counts(self) -> dict[str, int]:
        return {"trials": self.trials, "kills": self.kills} | {f: len(getattr(self, f)) for f in self.FAULTS}

    def sentences(self) -> list[str]:
        return [f"{fault}: {one}" for fault in self.FAULTS for one in getattr(self, fault)]


class Ground:
    """The servers and the runner on which trials are made, and mailboxes for them."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        scene.write_config(SETTINGS)
        self.runner = Runner(scene.workspace, scene.environment())
        self.addresses: Iterator[str] = iter(scene.addresses)
        self.tally = Tally()

    def trial(self, work: Work) -> Trial:
        return Trial(self, work, next(self.addresses))


class Trial:
    """`work` on one fresh mailbox. Use `reference` for a run without a kill, or `kill_at` / `kill_randomly`."""

    def __init__(self, ground: Ground, work: Work, address: str) -> None:
        self.ground, self.scene, self.work, self.address = ground, ground.scene, work, address
        self.wave = address.partition("@")[0]
        self.tokens: list[str] = []
        self._prepare()

    @property
    def command(self) -> tuple[str, ...]:
        verb: dict[Work, tuple[str, ...]] = {
            "pass": ("run", self.wave, "--until", "synced", "--yes"),
            "cutover": ("run", self.wave, "--yes"),
            "rollback": ("rollback", self.wave, "--yes"),
        }
        return ("wave", *verb[self.work])

    def _prepare(self) -> None:
        with self.scene.old.connect(self.address) as connection:
            corpus.fill(connection, corpus.plan(hash_of(self.address), FOLDERS, PER_FOLDER))
        self.scene.write_wave(self.wave, [self.address])
        self.send()
        if self.work == "rollback":
            before = self.ground.runner.run("wave", "run", self.wave, "--yes")
            assert before.code == 0, before.output
            self.send()
            self.settle()

    def send(self) -> None:
        """One mail through every ingress; each is accepted, and so may be neither lost nor doubled."""
        for router in self.scene.routers.values():
            token = f"lab-token-{uuid.uuid4().hex}"
            message = f"Subject: late mail\r\nMessage-ID: <{token}@outside.test>\r\n\r\n{token}\r\n"
            with smtplib.SMTP(router.host, router.port, timeout=20) as server:
                server.sendmail("sender@outside.test", [self.address], message)
            self.tokens.append(token)

    def settle(self) -> None:
        """All queues empty."""
        self.scene.wait_until_delivered()

    def reference(self) -> Ended:
        """The run without a kill, judged like the others; its points are those at which others can be killed."""
        ended = self.ground.runner.run(*self.command)
        assert ended.code == 0, ended.output
        self.judge("no kill")
        return ended

    def kill_at(self, point: int) -> None:
        """Killed at one point, mail sent, resumed until it ends well, judged."""
        ended = self.ground.runner.run(*self.command, kill_at=point)
        label = ended.points[-1] if ended.points else "?"
        self.resume(ended, f"{self.work} killed at {point} ({label})")

    def kill_randomly(self, moments: Sequence[float]) -> None:
        """Killed again and again, each time after so many seconds, and restarted at once."""
        ended = None
        for moment in moments:
            ended = self.ground.runner.run(*self.command, kill_after=moment)
            if not ended.killed:
                break
            self.ground.tally.kills += 1
        assert ended is not None
        self.resume(ended, f"{self.work} killed after {[round(m, 3) for m in moments]}", counted=True)

    def resume(self, ended: Ended, story: str, counted: bool = False) -> None:
        self.ground.tally.kills += ended.killed and not counted
        if ended.killed:
            self.send()
        for _ in range(AGAIN):
            if ended.code == 0:
                break
            ended = self.ground.runner.run(*self.command)
        if ended.code != 0:
            self.ground.tally.stuck.append(f"{self.address}: {story}: exit {ended.code}: {ended.output[-1500:]}")
            return
        self.judge(story)

    # judging

    def judge(self, story: str) -> None:
        """After the queues are empty and one more run: nothing lost, doubled, altered or split, and nothing changes."""
        self.settle()
        self._run_again(story)
        old, new = snapshot(self.scene.old, self.address), snapshot(self.scene.new, self.address)
        self._run_again(story)
        if _shape(old) != self._shape_of("old") or _shape(new) != self._shape_of("new"):
            self.ground.tally.restless.append(f"{self.address}: {story}: a further run changed something")
        where = f"{self.address}: {story}: "
        tally = self.ground.tally
        tally.trials += 1
        verdict = compare(new, old) if self.work == "rollback" else compare(old, new)
        tally.lost += [where + one for one in verdict.lost]
        tally.doubled += [where + one for one in verdict.doubled]
        faults = (*verdict.altered, *verdict.misplaced, *verdict.flag_differs, *verdict.date_differs)
        tally.altered += [where + one for one in faults]
        self._judge_tokens(where, old, new)
        self._judge_routes(where)

    def _run_again(self, story: str) -> None:
        """The command once more: it must end well."""
        ended = self.ground.runner.run(*self.command)
        if ended.code != 0:
            said = f"exit {ended.code}: {ended.output[-1500:]}"
            self.ground.tally.stuck.append(f"{self.address}: {story}: a further run: {said}")

    def _shape_of(self, side: Literal["old", "new"]) -> Counter[object]:
        return _shape(snapshot(self.scene.servers[side], self.address))

    def _judge_tokens(self, where: str, old: Snapshot, new: Snapshot) -> None:
        right = {"pass": new, "cutover": new, "rollback": old}[self.work]
        for side, shot in (("old", old), ("new", new)):
            found = Counter(itertools.chain.from_iterable(message.tokens for message in shot.messages()))
            if shot is right:
                self.ground.tally.lost += [f"{where}{t} not on {side}" for t in self.tokens if not found[t]]
            self.ground.tally.doubled += [f"{where}{t} {found[t]} times on {side}" for t in self.tokens if found[t] > 1]

    def _judge_routes(self, where: str) -> None:
        expected = {"pass": "old", "cutover": "new", "rollback": "old"}[self.work]
        found = {router: self.scene.destination(router, self.address) for router in self.scene.routers}
        if set(found.values()) != {expected}:
            self.ground.tally.split.append(f"{where}routes {found}, expected {expected}")


def _shape(shot: Snapshot) -> Counter[object]:
    return Counter((m.folder, m.uid, m.flags) for m in shot.messages())
