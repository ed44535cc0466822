"""The proof of delivery: sends canaries, looks for them on both servers until each has its verdict, cleans up."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from migrator.delivery.message import CanaryPlan
from migrator.delivery.post import Envelope, send
from migrator.delivery.verdict import Observation, Proof, confirm, is_open, judge
from migrator.delivery.watch import Connect, Watch, watches
from migrator.model.canary import Canary, CanaryState
from migrator.model.errors import Stopped
from migrator.model.mailbox import Endpoint
from migrator.model.names import Ingress
from migrator.model.progress import Progress, StopSignal

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0  # seconds between looks
_BAD = frozenset({CanaryState.MISROUTED, CanaryState.REFUSED, CanaryState.UNPROVEN})


@dataclass(frozen=True, slots=True)
class ProofJob:
    """What a proof needs.

    `smtp` says where each ingress of the canaries takes mail. `journal` stores a canary and returns when it is
    durable; it is called, from many threads, before a canary is first sent and after each change. `connect` opens a
    session (or a context manager that holds one), closed after each look. `deadline` counts from the start of this
    run. `remove`: take canaries away on the server where each was expected, and nowhere else; only where writing is
    allowed there. `workers` mailboxes are looked at side by side.
    """

    canaries: CanaryPlan
    smtp: Mapping[Ingress, Endpoint]
    envelope: Envelope
    journal: Callable[[Canary], None]
    connect: Connect
    deadline: timedelta
    remove: bool
    progress: Progress
    stop: StopSignal
    workers: int = 4


def prove(job: ProofJob) -> Proof:
    """Prove delivery: every canary ends proven, misrouted, refused or, at the deadline, unproven.

    May be called again after a crash: what is on its way is looked for before anything is sent. A server that does not
    answer delays the verdict and is named in it. Raises Stopped when asked to; never for what a server says or does.
    """
    with ThreadPoolExecutor(job.workers, "canary") as pool:
        run = _Run(job, pool)
        run.decide()
        run.confirm()
        removed, notes = _clean(run.watches, pool) if job.remove else (0, ())
        unread = tuple(line for watch in run.watches for line in watch.unread())
    return Proof(run.canaries, removed, notes + unread)


def tidy(canaries: Iterable[Canary], connect: Connect, workers: int = 4) -> Proof:
    """Remove canaries that came after their deadline from the servers where they were expected; no verdict changes.

    Only for canaries whose expected server may be written to: after a cutover, never those of the gate before it.
    """
    late = tuple(canaries)
    with ThreadPoolExecutor(workers, "canary") as pool:
        removed, notes = _clean(watches(late, connect), pool)
    return Proof(late, removed, notes)


class _Run:
    """One proof at work; the canaries as they are now, by token."""

    def __init__(self, job: ProofJob, pool: ThreadPoolExecutor) -> None:
        self._job, self._pool = job, pool
        planned = job.canaries.taken_up + job.canaries.new
        self._canaries = {canary.token: canary for canary in planned}
        self._deadline = datetime.now(UTC) + job.deadline
        self._told: set[Ingress] = set()  # which ingresses were said to keep canaries waiting
        self.watches = watches(planned, job.connect, job.canaries.new)

    @property
    def canaries(self) -> tuple[Canary, ...]:
        return tuple(self._canaries.values())

    def decide(self) -> None:
        """Look, send what was not accepted yet, and look again until each canary has its verdict."""
        for canary in self._open():
            self._job.journal(canary)
        pause = _FIRST_PAUSE
        while True:
            self._look()
            if not self._open():
                return
            self._send()
            self._pause(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE)

    def confirm(self) -> None:
        """The last look at the servers where they must not be, repeated while one does not answer, to the deadline."""
        pause = _FIRST_PAUSE
        while True:
            seen = self._gather(Watch.look_elsewhere, self.watches)
            if datetime.now(UTC) >= self._deadline or all(s.other is not None for s in seen.values()):
                break
            self._pause(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE)
        for token, observation in seen.items():
            self._put(confirm(self._canaries[token], observation))

    def _look(self) -> None:
        waiting = {canary.address for canary in self._open()}
        seen = self._gather(Watch.look, [watch for watch in self.watches if watch.address in waiting])
        now = datetime.now(UTC)
        for token, observation in seen.items():
            self._put(judge(self._canaries[token], observation, now, self._deadline))

    def _send(self) -> None:
        unsent = [canary for canary in self._open() if canary.state is CanaryState.INTENDED]
        by_ingress = {c.ingress: [other for other in unsent if other.ingress == c.ingress] for c in unsent}
        list(self._pool.map(self._send_through, by_ingress, by_ingress.values()))

    def _send_through(self, ingress: Ingress, canaries: Sequence[Canary]) -> None:
        for canary in send(canaries, self._job.smtp[ingress], self._job.envelope):
            self._put(canary)
        waits = [canary.detail for canary in map(self._now, canaries) if canary.state is CanaryState.INTENDED]
        if waits and ingress not in self._told:
            self._told.add(ingress)
            until = f"{self._deadline:%H:%M:%S} UTC"
            self._job.progress.note(f"{ingress} does not take canaries yet, they are offered until {until}: {waits[0]}")

    def _now(self, canary: Canary) -> Canary:
        return self._canaries[canary.token]

    def _gather(
        self, look: Callable[[Watch], Mapping[str, Observation]], at: Sequence[Watch]
    ) -> Mapping[str, Observation]:
        return {token: seen for observed in self._pool.map(look, at) for token, seen in observed.items()}

    def _put(self, canary: Canary) -> None:
        before = self._canaries[canary.token]
        if canary == before:
            return
        self._job.journal(canary)
        self._canaries[canary.token] = canary
        if canary.state is not before.state and canary.state in _BAD:
            words = f"{canary.address}: canary through {canary.ingress} {canary.state}: {canary.detail}"
            self._job.progress.note(words)

    def _open(self) -> list[Canary]:
        return [canary for canary in self._canaries.values() if is_open(canary)]

    def _pause(self, seconds: float) -> None:
        if self._job.stop.now():
            raise Stopped("stopped while canaries were on their way", remedy="Run the same command again.")
        time.sleep(seconds)


def _clean(at: Sequence[Watch], pool: ThreadPoolExecutor) -> tuple[int, tuple[str, ...]]:
    outcomes = list(pool.map(Watch.clean, at))
    return sum(removed for removed, _ in outcomes), tuple(note for _, note in outcomes if note)
