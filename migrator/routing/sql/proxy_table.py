"""Routes of people's mail programs in the table of users that a Dovecot proxy asks (passdb sql): one column of it."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path

from migrator.model.names import Address, Ingress, Nexthop, has_control, neutral
from migrator.model.route import Applied, Flips
from migrator.routing.contract import Finding, applied
from migrator.routing.durable import exclusive
from migrator.routing.errors import ValueUnwritable
from migrator.routing.findings import Question, asked, unrunnable
from migrator.routing.logins import LoginsOnly, logins
from migrator.routing.sessions import Sessions
from migrator.routing.sql.routes import TableRoutes
from migrator.routing.sql.rows import Table


class ProxyTable(LoginsOnly):
    """`table` has `accounts`; see docs/routing-client-proxies.md for what it needs.

    `user`: the name by which an address logs in. `kick`: ends the sessions of the users named after it; who they are is
    kept in `directory`. `peculiar`: what check() finds of Dovecot itself. No mail is routed here, so none is held back.
    """

    def __init__(
        self, name: Ingress, table: Table, *, user: Callable[[Address], str], kick: str | None, directory: Path,
        backups: Path, peculiar: Question,
    ) -> None:  # fmt: skip
        self.name = name
        self._user, self._directory, self._peculiar = user, directory, peculiar
        self._table = table
        self._routes = TableRoutes(name, table, keys=self._users, backups=backups)
        self._sessions = Sessions(kick, directory)

    def read(self, addresses: Collection[Address]) -> Mapping[Address, Nexthop | None]:
        """What the table says; None for a user without a row too. MapInvalid where a row can be read in two ways."""
        return self._routes.read(addresses)

    def plan(self, wanted: Mapping[Address, Nexthop | None]) -> Flips:
        """The changes to `wanted`; MapInvalid for a user without a row.

        ValueUnwritable for an odd name or value, and for two addresses of one user.
        """
        for address, value in wanted.items():
            if has_control(address) or has_control(value or "") or value == "":
                raise ValueUnwritable(
                    f"{neutral(value or '')!r} cannot be the route of {neutral(address)}",
                    remedy="Write a text without control characters, or null.",
                )
        return self._routes.plan(wanted)

    def apply(self, flips: Flips) -> Applied:
        """Change the rows in one transaction, end the sessions of those who moved, read back.

        All but the change is always done: an earlier run may have died before it. A session that cannot be ended is
        told in the notes.
        """
        with exclusive(self._directory / "lock", f"{self.name} ({self._routes.where})"):
            changes = self._routes.flip(flips, lambda moving: self._sessions.remember(self._users(moving).values()))
            notes = self._sessions.end()
            self._routes.refuse_unlike(self.read(flips.addresses), flips)
        return replace(applied(flips, {flip.address for flip in changes}), notes=notes)

    def revert(self, flips: Flips) -> Applied:
        """Put back what `apply` changed, where it is still as `apply` left it."""
        return self.apply(flips.reversed())

    def diff(self, flips: Flips) -> str:
        """The rows that would change, as a unified diff without line numbers; takes no lock, writes nothing."""
        return self._routes.diff(flips)

    def check(self) -> list[Finding]:
        """What stands in the way of a flip, or will surprise."""
        questions: list[Question] = [
            lambda: self._table.findings(None),
            self._routes.odd_rows,
            lambda: unrunnable(self._sessions.commands),
            self._peculiar,
        ]
        return asked(questions)

    def backup(self) -> Path:
        """Keep a copy of the two columns of all rows, as CSV; nobody's password is in it."""
        return self._routes.backup()

    def _users(self, addresses: Collection[Address]) -> dict[Address, str]:
        """Dovecot makes small letters of what people type."""
        return logins(self.name, addresses, lambda address: self._user(address).lower())
