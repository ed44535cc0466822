"""Work on many mailboxes, in threads of this process."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from types import TracebackType
from typing import TypeVar

from tenacity import RetryCallState

from migrator.copier import CopyJob, DeletedPolicy, DeletionsPolicy, FolderPolicy, Side, copy_mailbox
from migrator.dispatch.budget import ConnectionBudget, connections, one_each
from migrator.dispatch.budgets import ALL, Budget, Budgets
from migrator.dispatch.carrying import Carrier
from migrator.dispatch.clerk import Clerk
from migrator.dispatch.clock import SystemClock
from migrator.dispatch.daybook import DayBook
from migrator.dispatch.largest import largest_first, sizes
from migrator.dispatch.leases import LeaseKeeper
from migrator.dispatch.pacer import CannotPause, HeldBack, Pacer
from migrator.dispatch.retries import retrying
from migrator.imap import Session, connect
from migrator.model.doing import WORKING, HeldBy, Hold
from migrator.model.errors import Locked, MigratorError, ServerBusy, Stopped
from migrator.model.mailbox import Mailbox
from migrator.model.names import Address, ServerName, WaveName
from migrator.model.order import CopyOrder
from migrator.model.progress import PassReport, Progress, StopSignal
from migrator.model.wave import PassKind, Wave
from migrator.reports.forecast import forecast
from migrator.state import Store
from migrator.state.records import Lease
from migrator.workspace import Workspace
from migrator.workspace.budgets import DayLimits

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PassResults:
    """What became of the mailboxes of one round; `left` were not begun because the operator asked to stop."""

    reports: Mapping[Address, PassReport] = field(default_factory=dict)
    errors: Mapping[Address, MigratorError] = field(default_factory=dict)
    left: tuple[Address, ...] = ()

    @property
    def copied(self) -> int:
        return sum(report.copied for report in self.reports.values())


class Crew:
    """Works the mailboxes of one wave: a thread each, lease, budgets and slots around it, retries in one place.

    While it is entered, the state is told what is being done.
    """

    def __init__(
        self, workspace: Workspace, store: Store, keeper: LeaseKeeper, progress: Progress, stop: StopSignal, wave: Wave,
        order: CopyOrder = CopyOrder.OLDEST, rehearsal: bool = False,
    ) -> None:  # fmt: skip
        """`rehearsal`: the copies go under a folder of their own (`copier.folders`)."""
        self._workspace, self._store, self._keeper = workspace, store, keeper
        self._stop, self._wave, self._order = stop, wave, order
        config, clock = workspace.config, SystemClock()
        limits = {name: server.limits.connections for name, server in config.servers.items()}
        self._budget = ConnectionBudget(limits, config.limits.connections)
        self._carrier = Carrier(workspace, store, clock)
        daybook = DayBook(store.spent, config.windows.timetable, clock)
        self._budgets = Budgets(_budgets(workspace), config.windows.timetable, daybook, clock)
        self._progress = self._clerk = Clerk(
            store, daybook, clock, progress, wave.name, lambda: forecast(store, workspace, wave.name).estimate
        )
        folders = workspace.config.folders
        self.folder_policy = FolderPolicy(
            folders.map,
            frozenset(folders.skip),
            frozenset(folders.merge),
            DeletedPolicy(folders.deleted),
            DeletionsPolicy(folders.deletions),
            rehearsal,
        )

    def __enter__(self) -> "Crew":
        self._clerk.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._clerk.__exit__(kind, error, trace)

    @property
    def at_once(self) -> int:
        """How many mailboxes may be looked at side by side, one connection each, on any of the servers."""
        fewest = min(server.limits.connections for server in self._workspace.config.servers.values())
        return min(fewest, self._workspace.config.concurrency.mailboxes)

    def heeding(self, stop: StopSignal) -> "Crew":
        """The same crew, with the same leases and connection slots, that heeds another signal to stop."""
        twin = copy(self)
        twin._stop = stop
        return twin

    def session(self, mailbox: Mailbox, side: Side) -> Session:
        """A logged-in session of `mailbox` on its source or target; the caller closes it."""
        server = self._workspace.server(mailbox.source if side == "source" else mailbox.target)
        login = self._workspace.login(mailbox, side)
        return connect(server.endpoint, login, allow_plaintext=server.imap.allow_plaintext)

    @contextmanager
    def job(self, mailbox: Mailbox, kind: PassKind, slots: Mapping[ServerName, int] | None = None) -> Iterator[CopyJob]:
        """What one mailbox's pass needs, under the mailbox's lease and with its connection slots; or what needs only
        `slots`."""
        lanes = min(self._workspace.server(s).limits.per_mailbox for s in (mailbox.source, mailbox.target))
        while lanes > 1 and not self._budget.fits(connections(mailbox, kind, lanes)):
            lanes -= 1
        with (
            self._keeper.hold(f"mailbox:{mailbox.address}") as lease,
            self._slots(mailbox, kind, slots or connections(mailbox, kind, lanes)),
        ):
            yield self._job(mailbox, kind, lease, lanes)

    @contextmanager
    def _slots(self, mailbox: Mailbox, kind: PassKind, wanted: Mapping[ServerName, int]) -> Iterator[None]:
        servers = " and ".join(sorted(wanted))
        held = Hold(HeldBy.CONNECTIONS, f"other mailboxes have the connections that {servers} may have")

        def waiting() -> None:
            self._refuse_to_begin(mailbox)
            self._clerk.held(mailbox, kind, held)

        with self._budget.slots(wanted, waiting):
            self._clerk.held(mailbox, kind, WORKING)
            yield

    @contextmanager
    def visit(self, mailbox: Mailbox, side: Side) -> Iterator[Session]:
        """A session outside a pass, with its connection slot."""
        with (
            self._budget.slots(
                {mailbox.source if side == "source" else mailbox.target: 1}, lambda: self._refuse_to_begin(mailbox)
            ),
            self.session(mailbox, side) as session,
        ):
            yield session

    def run(self, wave: WaveName, mailboxes: Sequence[Mailbox], kind: PassKind) -> PassResults:
        """One pass over each of `mailboxes`. A mailbox that fails is reported, and never stops the others."""
        outcomes = self.each(mailboxes, lambda mailbox: self._one_pass(wave, mailbox, kind))
        errors = {a: o for a, o in outcomes.items() if isinstance(o, MigratorError) and not isinstance(o, Stopped)}
        return PassResults(
            reports={a: o for a, o in outcomes.items() if isinstance(o, PassReport)},
            errors=errors,
            left=tuple(a for a, o in outcomes.items() if isinstance(o, Stopped)),
        )

    def each(self, mailboxes: Sequence[Mailbox], work: Callable[[Mailbox], T]) -> dict[Address, T | MigratorError]:
        """`work` for each mailbox, some at once, the largest begun first; the outcomes are in the order of `mailboxes`.

        A MigratorError is a mailbox's outcome, any other error is a bug: raised.
        """
        workers = self._workspace.config.concurrency.mailboxes
        begun = largest_first(mailboxes, sizes(self._store.mailboxes.all_last()))
        with ThreadPoolExecutor(workers, thread_name_prefix="mailbox") as threads:
            running = {m.address: threads.submit(self._attempt, work, m) for m in begun}
            return {m.address: running[m.address].result() for m in mailboxes}

    def inspect(self, mailbox: Mailbox, kind: PassKind, work: Callable[[CopyJob], T]) -> T:
        """`work` that only reads, on one mailbox, under its lease; tried again like a pass."""
        found: T = retrying(self._stop)(self._paced, mailbox, kind, work, one_each(mailbox))
        return found

    def _refuse_to_begin(self, mailbox: Mailbox) -> None:
        if self._stop.draining():
            raise Stopped(f"{mailbox.address} was not begun", remedy="Run the same command again.")

    def _attempt(self, work: Callable[[Mailbox], T], mailbox: Mailbox) -> T | MigratorError:
        try:
            self._refuse_to_begin(mailbox)
            return work(mailbox)
        except MigratorError as error:
            return error

    def _one_pass(self, wave: WaveName, mailbox: Mailbox, kind: PassKind) -> PassReport:
        try:
            attempts = retrying(self._stop, partial(self._tell_retry, mailbox, kind))
            report: PassReport = attempts(self._paced, mailbox, kind, partial(self._journalled, wave))
        except MigratorError as error:
            if isinstance(error, Locked):
                self._clerk.held(mailbox, kind, Hold(HeldBy.LEASE, str(error)))
            self._progress.failed(mailbox, error)
            raise
        self._progress.finished(mailbox, report)
        return report

    def _paced(
        self, mailbox: Mailbox, kind: PassKind, work: Callable[[CopyJob], T],
        slots: Mapping[ServerName, int] | None = None,
    ) -> T:  # fmt: skip
        """One attempt. What the budgets hold back for long waits without lease and connections, and goes on then; what
        has `slots` of its own could only begin anew, and ends (CannotPause)."""
        pacer = self._pacer(kind)
        while True:
            pacer.admit(mailbox, self._wave.window.end if self._wave.window else None)
            try:
                with self.job(mailbox, kind, slots) as job:
                    return work(job)
            except HeldBack as held:
                if slots:
                    raise CannotPause(held) from held
                self._clerk.left(mailbox)
            except ServerBusy as error:
                self._heed(mailbox, kind, error)
                raise

    def _heed(self, mailbox: Mailbox, kind: PassKind, busy: ServerBusy) -> None:
        """A server that asks for patience gets it from all mailboxes, and fewer connections afterwards."""
        if busy.alone:
            return
        receiving = mailbox.source if kind is PassKind.REVERSE else mailbox.target
        places = {self._workspace.server(name).endpoint: name for name in (mailbox.source, mailbox.target)}
        peers = {f"{place.host}:{place.port}": name for place, name in places.items()}
        server = peers.get(busy.peer, receiving)
        if (seconds := self._budgets.be_patient(server, busy.retry_after, str(busy))) is not None:
            fewer = self._budget.ease(server, seconds)
            self._progress.note(
                f"{server} asks for patience: its mailboxes wait {seconds:.0f} s, then it gets {fewer} connections, "
                f"and one more each minute ({busy})"
            )

    def _pacer(self, kind: PassKind) -> Pacer:
        return Pacer(self._budgets, SystemClock(), kind, self._stop, partial(self._tell_hold, kind))

    def _tell_hold(self, kind: PassKind, mailbox: Mailbox, hold: Hold) -> None:
        self._clerk.held(mailbox, kind, hold)

    def _tell_retry(self, mailbox: Mailbox, kind: PassKind, call: RetryCallState) -> None:
        error = call.outcome.exception() if call.outcome else None
        self._clerk.left(mailbox)
        self._clerk.held(mailbox, kind, Hold(HeldBy.RETRY, f"tried again soon: {error}"))

    def _journalled(self, wave: WaveName, job: CopyJob) -> PassReport:
        """One attempt, with its beginning and its end in the state, so that `status` can tell after a crash."""
        note = partial(self._store.mailboxes.note_pass, job.mailbox.address, wave, job.kind, datetime.now(UTC))
        note(finished=None, report=None, error="")
        self._progress.started(job.mailbox, job.kind)
        try:
            report = copy_mailbox(job)
        except HeldBack:
            raise  # it has not ended, and goes on
        except MigratorError as error:
            note(finished=datetime.now(UTC), report=None, error=error.in_full)
            raise
        note(finished=datetime.now(UTC), report=report, error="")
        return report

    def _job(self, mailbox: Mailbox, kind: PassKind, lease: Lease, lanes: int) -> CopyJob:
        return CopyJob(
            mailbox=mailbox,
            kind=kind,
            connect=partial(self.session, mailbox),
            lanes=lanes,
            ledger=self._store.ledger,
            lease=lease,
            workspace_id=self._store.workspace_id,
            folder_policy=self.folder_policy,
            canary_tokens=self._store.canaries.tokens(mailbox.address),
            progress=self._progress,
            stop=self._stop,
            pace=self._pacer(kind),
            target_lease=self._workspace.config.lease.ttl,
            order=self._order,
            carrying=self._carrier.of(mailbox),
        )


def _budgets(workspace: Workspace) -> dict[ServerName, Budget]:
    """What migrator.yaml says, of each server and of all together."""
    config = workspace.config
    limits: dict[ServerName, DayLimits] = {name: server.limits for name, server in config.servers.items()}
    limits[ALL] = config.limits
    return {name: Budget(each.limit, each.bytes_per_day) for name, each in limits.items()}
