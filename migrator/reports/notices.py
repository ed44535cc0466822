"""Notices on their way: each entry of `notify:` has a thread and a queue, so that nothing waits for what is slow.

Whatever becomes of a notice, the work that it tells of goes on. What was not sent is a note and a row in the audit log.
"""

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from zoneinfo import ZoneInfo

from migrator.model.errors import MigratorError
from migrator.model.names import WaveName
from migrator.model.notice import COUNTS, TEST, Notice, NotSent, as_fields
from migrator.model.wave import MAY_HOLD, WaveState
from migrator.reports.notice_texts import says
from migrator.state import Store
from migrator.state.records import Actor
from migrator.workspace import Workspace
from migrator.workspace.notify import NotifyEntry, WebhookEntry
from migrator.workspace.secrets import Vault

PATIENCE = 10.0  # seconds that the end of a command waits for what is still on its way
Notify = Callable[[Notice], None]


def unheard(notice: Notice) -> None:
    """A Notify that tells nobody."""


@contextmanager
def telling(workspace: Workspace, store: Store, actor: Actor, note: Callable[[str], None]) -> Iterator[Notify]:
    """A Notify that returns at once and never raises. What is on its way at the end is waited for, PATIENCE at most."""
    report = partial(_report, store, actor, note)
    couriers = [_Courier(way, report) for way in _ways(workspace, _Counts(store))]

    def tell(notice: Notice) -> None:
        for courier in couriers:
            courier.take(notice)

    try:
        yield tell
    finally:
        until = time.monotonic() + PATIENCE
        for courier in couriers:
            courier.close(until)


def try_all(workspace: Workspace, actor: Actor) -> Iterator[tuple[str, str]]:
    """Send a test to every entry of `notify:`, one after the other; what each is called, and what went wrong or ""."""
    by, now = f"{actor.user}@{actor.host}", datetime.now(UTC)
    notice = Notice(WaveName("test"), TEST, WaveState.SYNCED, WaveState.SYNCED, now, by, actor.command)
    for way in _ways(workspace, lambda notice: dict.fromkeys(COUNTS, 0)):
        yield way.label, way.send(notice)


@dataclass(frozen=True, slots=True)
class _Way:
    """One entry of `notify:`: what it is called, what it wants, and how a notice goes there."""

    label: str
    entry: NotifyEntry
    post: Callable[[Mapping[str, object]], None]
    zone: ZoneInfo
    counts: Callable[[Notice], Mapping[str, object]]

    def send(self, notice: Notice) -> str:
        """What went wrong; "" when it was taken."""
        try:
            sentence = says(notice.event, self.entry.language)
            self.post(as_fields(notice, sentence, self.counts(notice), notice.at.astimezone(self.zone)))
        except NotSent as error:
            return str(error)
        except Exception as error:  # a template that fails, a fault: nothing of it may reach the cutover
            return type(error).__name__
        return ""


def _ways(workspace: Workspace, counts: Callable[[Notice], Mapping[str, object]]) -> tuple[_Way, ...]:
    if not workspace.config.notify:
        return ()
    from migrator.reports.notice_mail import mail_label, mail_sender  # a run that tells nobody needs no wires for it
    from migrator.reports.notice_webhook import webhook_label, webhook_sender

    zone = ZoneInfo(workspace.config.windows.timezone)
    vault = Vault(workspace.root)  # of our own: a password store that is slow must not keep a login waiting
    return tuple(
        _Way(webhook_label(entry), entry, webhook_sender(entry, vault), zone, counts)
        if isinstance(entry, WebhookEntry)
        else _Way(mail_label(entry), entry, mail_sender(entry), zone, counts)
        for entry in workspace.config.notify
    )


class _Courier:
    """Carries notices by one way, in their order. `report` is told of each that was not taken, and why."""

    def __init__(self, way: _Way, report: Callable[[_Way, Notice, str], None]) -> None:
        self._way, self._report = way, report
        self._queue: queue.SimpleQueue[Notice | None] = queue.SimpleQueue()
        self._waiting: deque[Notice] = deque()  # taken, and not known to have been sent
        self._lock, self._over = threading.Lock(), False
        self._thread: threading.Thread | None = None

    def take(self, notice: Notice) -> None:
        """Send it as soon as those before it are sent; at once back."""
        if not self._way.entry.wants(notice.event):
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="notices", daemon=True)
            self._thread.start()
        self._waiting.append(notice)  # no lock: one may be held while a row is written
        self._queue.put(notice)

    def close(self, until: float) -> None:
        """Wait until all are sent, or for the moment `until` (of time.monotonic); the others are reported."""
        if self._thread is None:
            return
        self._queue.put(None)
        self._thread.join(max(0.0, until - time.monotonic()))
        with self._lock:
            self._over = True  # what the thread learns from now on is told to nobody: the store may be closed
            for notice in self._waiting:
                self._report(self._way, notice, "the command ended before it was sent")

    def _work(self) -> None:
        while (notice := self._queue.get()) is not None:
            problem = self._way.send(notice)
            with self._lock:
                if self._over:
                    return
                self._waiting.popleft()
                if problem:
                    self._report(self._way, notice, problem)


class _Counts:
    """The sums of a wave's mailboxes. While mail waits nothing is added up anew: the figures are those of before."""

    def __init__(self, store: Store) -> None:
        self._store, self._lock = store, threading.Lock()
        self._known: tuple[Notice, Mapping[str, object]] | None = None

    def __call__(self, notice: Notice) -> Mapping[str, object]:
        with self._lock:
            if self._known is None or (self._known[0] != notice and notice.state not in MAY_HOLD):
                self._known = notice, self._add_up(notice.wave)
            return self._known[1]

    def _add_up(self, name: WaveName) -> Mapping[str, object]:
        """A count of each of COUNTS; "?" where the state does not answer: that must not keep the news back."""
        try:
            wave = self._store.waves.get(name)
            addresses = wave.mailboxes if wave else ()
            sums = [self._store.ledger.counts(address) for address in addresses]
        except MigratorError:
            return dict.fromkeys(COUNTS, "?")
        return {"mailboxes": len(addresses)} | {name: sum(getattr(s, name) for s in sums) for name in COUNTS[1:]}


def _report(store: Store, actor: Actor, note: Callable[[str], None], way: _Way, notice: Notice, problem: str) -> None:
    """A note, and a row in the audit log if there can be one."""
    note(f"WARNING: {way.label} was not told that {notice.wave} is {notice.event}: {problem}")
    detail = {"to": way.label, "event": notice.event, "error": problem}
    with suppress(Exception):
        store.audit.record(actor, "notice not sent", wave=notice.wave, detail=detail)
