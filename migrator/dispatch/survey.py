"""Looks at many mailboxes before anything is copied: how large each is, and who shares with whom."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime

from migrator.dispatch.budget import ConnectionBudget
from migrator.dispatch.retries import retrying
from migrator.imap import connect
from migrator.imap.survey import survey
from migrator.model.errors import MigratorError, ServerBusy, Stopped
from migrator.model.inventory import Stock
from migrator.model.mailbox import Mailbox
from migrator.model.names import Address
from migrator.model.progress import StopSignal
from migrator.model.sharing import Identities, shares
from migrator.state import Store
from migrator.workspace import Workspace

Told = Callable[[Mailbox, Stock | MigratorError], None]  # called as each look ends, from its thread


@dataclass(frozen=True, slots=True)
class Surveyed:
    """What became of the mailboxes: looked at, failed, and `left`, since the operator asked to stop."""

    looked_at: tuple[Address, ...] = ()
    errors: dict[Address, MigratorError] = field(default_factory=dict)
    left: tuple[Address, ...] = ()


class Surveyor:
    """Looks at the sources of mailboxes, some at once, and keeps in the state what it finds, mailbox by mailbox."""

    def __init__(self, workspace: Workspace, store: Store, stop: StopSignal, told: Told) -> None:
        self._workspace, self._store, self._stop, self._told = workspace, store, stop, told
        config = workspace.config
        limits = {name: server.limits.connections for name, server in config.servers.items()}
        self._budget = ConnectionBudget(limits, config.limits.connections)
        self._known = {name: Identities.of(workspace.mailboxes.values(), name) for name in config.servers}

    @staticmethod
    def due(store: Store, mailboxes: Sequence[Mailbox]) -> list[Mailbox]:
        """Those that nobody has looked at where they are now."""
        looked_at = store.inventory.looked_at()
        return [mailbox for mailbox in mailboxes if looked_at.get(mailbox.address) != mailbox.source]

    def run(self, mailboxes: Sequence[Mailbox]) -> Surveyed:
        """Look at each. A mailbox that fails is told, and never stops the others."""
        workers = self._workspace.config.concurrency.mailboxes
        with ThreadPoolExecutor(workers, thread_name_prefix="mailbox") as threads:
            ended = dict(zip((one.address for one in mailboxes), threads.map(self._attempt, mailboxes), strict=True))
        return Surveyed(
            looked_at=tuple(address for address, error in ended.items() if error is None),
            errors={a: error for a, error in ended.items() if error is not None and not isinstance(error, Stopped)},
            left=tuple(address for address, error in ended.items() if isinstance(error, Stopped)),
        )

    def _attempt(self, mailbox: Mailbox) -> MigratorError | None:
        try:
            self._refuse_to_begin(mailbox)
            stock: Stock = retrying(self._stop)(self._look, mailbox)
        except MigratorError as error:
            if not isinstance(error, Stopped):
                self._told(mailbox, error)
            return error
        self._told(mailbox, stock)
        return None

    def _look(self, mailbox: Mailbox) -> Stock:
        server = self._workspace.server(mailbox.source)
        try:
            with (
                self._budget.slots({mailbox.source: 1}, lambda: self._refuse_to_begin(mailbox)),
                connect(
                    server.endpoint,
                    self._workspace.login(mailbox, "source"),
                    allow_plaintext=server.imap.allow_plaintext,
                ) as session,
            ):
                seen, found = datetime.now(UTC), survey(session)
        except ServerBusy as busy:
            self._budget.ease(mailbox.source, busy.retry_after or 0.0)
            # each mailbox sits the pause out by itself: no purse holds all of them back here
            raise ServerBusy(str(busy), peer=busy.peer, alone=True, retry_after=busy.retry_after) from None
        others = [(space.prefix, space.separator) for space in found.others]
        shared = shares(mailbox.address, found.folders, found.own, others, self._known[mailbox.source])
        stock = Stock(mailbox.address, mailbox.source, seen, found.folders, tuple(shared))
        self._store.inventory.put(stock)
        return stock

    def _refuse_to_begin(self, mailbox: Mailbox) -> None:
        if self._stop.draining():
            raise Stopped(f"{mailbox.address} was not begun", remedy="Run the same command again.")
