"""Routes in a table, whoever looks there: read, flipped in one transaction, shown, copied out."""

from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

from migrator.model.names import Address, Ingress, Nexthop
from migrator.model.route import Flip, Flips
from migrator.routing.backups import keep
from migrator.routing.comparison import Routes, diff, planned, refuse_conflicts, refuse_unlike, unlike
from migrator.routing.contract import Finding
from migrator.routing.errors import MapInvalid, listing
from migrator.routing.findings import warning
from migrator.routing.sql.rows import Found, Rows, Table

Keys = Mapping[Address, str]
_WHO_WRITES = "See who else writes that table, and what the query that reads it asks; then run again."


class TableRoutes:
    """`keys`: what stands for each address in the table; copies of the table go to `backups`."""

    def __init__(
        self, name: Ingress, table: Table, *, keys: Callable[[Collection[Address]], Keys], backups: Path
    ) -> None:
        self._name, self._table, self._keys, self._backups = name, table, keys, backups
        self.where = table.where

    def read(self, addresses: Collection[Address]) -> dict[Address, Nexthop | None]:
        """What the table says; MapInvalid where a row can be read in two ways."""
        keys = self._keys(addresses)
        with self._table.reading() as rows:
            return self._values(rows.find(keys.values()), keys)

    def plan(self, wanted: Routes) -> Flips:
        """The changes to `wanted`; MapInvalid too where a row would have to be made and may not."""
        keys = self._keys(tuple(wanted))
        with self._table.reading() as rows:
            found = rows.find(keys.values())
            flips = planned(self._values(found, keys), wanted)
            self._refuse_absent(rows, found, [keys[address] for address in flips.addresses])
        return flips

    def flip(self, flips: Flips, before: Callable[[Collection[Address]], None] | None = None) -> tuple[Flip, ...]:
        """Change the rows that are not yet as wanted, in one transaction; which they were.

        A copy of the table is kept first, and `before` is told whose rows change. RouteConflict when any row is neither
        as expected nor as wanted: nothing is written.
        """
        keys = self._keys(flips.addresses)
        with self._table.changing() as rows:
            changes = self._differing(rows, flips, keys)
            if changes:
                keep(self._backups, self._name, "csv", rows.copy())
                if before is not None:
                    before([flip.address for flip in changes])
                rows.change([(keys[flip.address], flip.expected, flip.wanted) for flip in changes])
                self.refuse_unlike(self._values(rows.find(keys.values()), keys), flips)
        return changes

    def refuse_unlike(self, now: Routes, flips: Flips, where: str = "") -> None:
        """RouteNotInForce when `now`, read after the change (from `where`, if not from the table), is not as wanted."""
        refuse_unlike(f"{self._name} ({where or self.where})", flips, now, _WHO_WRITES)

    def diff(self, flips: Flips) -> str:
        """The rows that would change, as a unified diff, a line a row; takes no lock, writes nothing."""
        keys = self._keys(flips.addresses)
        with self._table.reading() as rows:
            found = rows.find(keys.values())
            now = self._values(found, keys)
            self._refuse_absent(rows, found, [keys[flip.address] for flip in unlike(flips, now)])
        return diff(f"{self._name} ({self.where})", flips, now)

    def backup(self) -> Path:
        """Keep a copy of the table as CSV."""
        with self._table.reading() as rows:
            return keep(self._backups, self._name, "csv", rows.copy())

    def odd_rows(self) -> Iterator[Finding]:
        """The rows that would be refused."""
        with self._table.reading() as rows:
            odd = rows.all().odd
        if odd:
            yield warning(
                f"{self.where} has rows that cannot be flipped:{listing([f'{key} {why}' for key, why in odd.items()])}",
                "Leave one row for each key, in lower case and with a text in it.",
            )

    def _values(self, found: Found, keys: Keys) -> dict[Address, Nexthop | None]:
        if odd := [f"{key} {found.odd[key]}" for key in keys.values() if key in found.odd]:
            raise MapInvalid(
                f"{self._name}: {self.where} has rows that may be read otherwise than meant:{listing(odd)}",
                remedy="Leave one row for each of these, in lower case and with a text in it; then run again.",
            )
        values = {address: found.values.get(key) for address, key in keys.items()}
        return {address: None if value is None else Nexthop(value) for address, value in values.items()}

    def _differing(self, rows: Rows, flips: Flips, keys: Keys) -> tuple[Flip, ...]:
        """The flips that are still to be made; RouteConflict when a row is neither as expected nor as wanted."""
        found = rows.find(keys.values())
        now = self._values(found, keys)
        refuse_conflicts(f"{self._name} ({self.where})", flips, now)
        changes = unlike(flips, now)
        self._refuse_absent(rows, found, [keys[flip.address] for flip in changes])
        return changes

    def _refuse_absent(self, rows: Rows, found: Found, keys: Collection[str]) -> None:
        absent = [key for key in keys if key not in found.values]
        if rows.accounts and absent:
            raise MapInvalid(
                f"{self._name}: {len(absent)} users have no row in {self.where}, and only you know what else would be "
                f"in it:{listing(absent)}",
                remedy="Add a row for each of them, or correct `key` and `user` in migrator.yaml; then run again.",
            )
