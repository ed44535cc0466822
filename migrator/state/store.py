"""The store: all that is remembered, one attribute a noun."""

from functools import cached_property
from types import TracebackType

from migrator.state import upgrade
from migrator.state.audit import Audit
from migrator.state.audits import Audits
from migrator.state.belongings import Belongings
from migrator.state.canaries import Canaries
from migrator.state.doings import Doings
from migrator.state.engine import Database, parse
from migrator.state.flips import FlipJournal
from migrator.state.holds import Holds
from migrator.state.inventory import Inventory
from migrator.state.leases import Leases
from migrator.state.ledger import Ledger
from migrator.state.mailboxes import Mailboxes
from migrator.state.parts import Parts
from migrator.state.spent import Spent
from migrator.state.text import run
from migrator.state.throughput import Throughput
from migrator.state.waves import Waves


class Store:
    """One database. Every method of every noun may be called from any thread, and raises errors with a remedy.

    The schema must be there: `open_store` sees to it.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.waves = Waves(database)
        self.parts = Parts(database, self.waves)
        self.holds = Holds(database)
        self.audit = Audit(database)
        self.leases = Leases(database)
        self.mailboxes = Mailboxes(database)
        self.ledger = Ledger(database)
        self.flips = FlipJournal(database)
        self.canaries = Canaries(database)
        self.spent = Spent(database)
        self.doings = Doings(database)
        self.throughput = Throughput(database)
        self.audits = Audits(database)
        self.inventory = Inventory(database)
        self.belongings = Belongings(database)

    @cached_property
    def workspace_id(self) -> str:
        """A UUID made with the database; tells this workspace from another one that works on the same servers."""
        with self._database.read_text() as connection:
            return str(run(connection, "SELECT id FROM workspace").scalar_one())

    def close(self) -> None:
        """Close all connections; the store can be used again (it reconnects)."""
        self._database.close()

    def __enter__(self) -> "Store":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_store(url: str, create: bool) -> Store:
    """What `state.open` does."""
    upgrade.ensure(parse(url), create)
    return Store(Database(url))
