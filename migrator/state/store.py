"""The store: one attribute a noun. Skeleton."""

from types import TracebackType

from migrator.state.audit import Audit
from migrator.state.canaries import Canaries
from migrator.state.flips import FlipJournal
from migrator.state.leases import Leases
from migrator.state.ledger import Ledger
from migrator.state.mailboxes import Mailboxes
from migrator.state.waves import Waves


class Store:
    """All that is remembered, in one database. Every method of every noun may be called from any thread."""

    workspace_id: str
    waves: Waves
    audit: Audit
    leases: Leases
    mailboxes: Mailboxes
    ledger: Ledger
    flips: FlipJournal
    canaries: Canaries

    def close(self) -> None:
        """Close all connections; also at the end of `with`."""

    def __enter__(self) -> "Store":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_store(url: str, create: bool) -> Store:
    raise NotImplementedError
