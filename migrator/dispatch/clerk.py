"""Keeps the state's books on a run, from a thread of its own: what each mailbox does, what was moved, how fast."""

import threading
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType

from migrator.dispatch.clock import Clock
from migrator.dispatch.daybook import DayBook
from migrator.dispatch.speed import Speed
from migrator.model.doing import WORKING, Doing, Hold
from migrator.model.errors import Locked, MigratorError
from migrator.model.estimate import Estimate
from migrator.model.mailbox import Mailbox
from migrator.model.names import Address, WaveName
from migrator.model.progress import PassReport, Progress
from migrator.model.wave import PassKind
from migrator.state import Store

EVERY = 2.0  # seconds between two writes, at least; what has not changed is not written
ESTIMATES = 15  # writes between two estimates


class Clerk:
    """A Progress that passes on what it hears, and keeps it in the state for those who look from another process.

    Nothing of it is needed for the copy: when the state cannot be written, that is tried again at the next time.
    """

    def __init__(
        self,
        store: Store,
        daybook: DayBook,
        clock: Clock,
        progress: Progress,
        wave: WaveName,
        estimate: Callable[[], Estimate | None],
    ) -> None:
        self._store, self._daybook, self._clock, self._progress = store, daybook, clock, progress
        self._wave, self._estimate = wave, estimate
        self._speed = Speed(clock)
        self._lock = threading.Lock()
        self._doing: dict[Address, Doing] = {}
        self._changed: set[Address] = set()
        self._over: set[Address] = set()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="clerk", daemon=True)

    def __enter__(self) -> "Clerk":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join()
        self.write(last=True)

    def held(self, mailbox: Mailbox, kind: PassKind, hold: Hold) -> None:
        """A mailbox waits for something, or goes on (WORKING)."""
        with self._lock:
            was = self._doing.get(mailbox.address)
            if was is None or was.kind is not kind:
                if hold != WORKING:
                    self._put(Doing(mailbox.address, self._wave, kind, hold, self._clock.now()))
            elif (was.hold.by, was.hold.detail) != (hold.by, hold.detail):
                self._put(replace(was, hold=hold, since=self._clock.now()))

    def left(self, mailbox: Mailbox) -> None:
        """Its pass was given up for now: it keeps what it had planned, and its servers' speed is not its business."""
        self._speed.rests(mailbox)

    def started(self, mailbox: Mailbox, kind: PassKind) -> None:
        with self._lock:
            now = self._clock.now()
            self._put(Doing(mailbox.address, self._wave, kind, WORKING, now, started=now))
        self._progress.started(mailbox, kind)

    def planned(self, mailbox: Mailbox, messages: int, octets: int) -> None:
        with self._lock:
            was = self._doing.get(mailbox.address)
            if _copies(was):
                self._speed.planned(mailbox, octets)
            if was:
                messages_too, octets_too = was.planned_messages + messages, was.planned_octets + octets
                self._put(replace(was, planned_messages=messages_too, planned_octets=octets_too))
        self._progress.planned(mailbox, messages, octets)

    def copied(self, mailbox: Mailbox, messages: int, octets: int) -> None:
        with self._lock:
            was = self._doing.get(mailbox.address)
            if _copies(was):
                self._speed.copied(mailbox, messages, octets)
            if was:
                self._put(replace(was, messages=was.messages + messages, octets=was.octets + octets))
        self._progress.copied(mailbox, messages, octets)

    def finished(self, mailbox: Mailbox, report: PassReport) -> None:
        self._drop(mailbox)
        self._progress.finished(mailbox, report)

    def failed(self, mailbox: Mailbox, error: Exception) -> None:
        if isinstance(error, Locked):
            self._speed.rests(mailbox)  # and who has the lease stays to be seen
        else:
            self._drop(mailbox)
        self._progress.failed(mailbox, error)

    def estimated(self, left: Estimate | None) -> None:
        self._progress.estimated(left)

    def note(self, text: str) -> None:
        self._progress.note(text)

    def write(self, last: bool = False) -> None:
        """Write what has changed; with `last`, also a stretch of copying that is still short."""
        with self._lock:
            changed, over = [self._doing[one] for one in self._changed], set(self._over)
            self._changed.clear()
            self._over.clear()
        try:
            if changed or over:
                self._store.doings.put(changed, over)
            self._daybook.write()
            self._speed.write(self._store.throughput, last)
        except MigratorError:
            with self._lock:
                self._changed.update(one.address for one in changed if one.address in self._doing)
                self._over.update(over - self._doing.keys())

    def _drop(self, mailbox: Mailbox) -> None:
        self._speed.rests(mailbox)
        with self._lock:
            self._doing.pop(mailbox.address, None)
            self._changed.discard(mailbox.address)
            self._over.add(mailbox.address)

    def _put(self, doing: Doing) -> None:
        self._doing[doing.address] = doing
        self._changed.add(doing.address)
        self._over.discard(doing.address)

    def _keep(self) -> None:
        count = 0
        while not self._end.wait(EVERY):
            self.write()
            count += 1
            if count % ESTIMATES == 1 and self._doing:
                self._tell_estimate()

    def _tell_estimate(self) -> None:
        try:
            left = self._estimate()
        except MigratorError:
            return
        self._progress.estimated(left)


def _copies(doing: Doing | None) -> bool:
    """Whether mail goes from the source to the target: an audit only reads, a reverse pass goes the other way."""
    return doing is not None and doing.started is not None and doing.kind is not PassKind.REVERSE
