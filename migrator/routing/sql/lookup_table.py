"""Routes in a look-up table that a Postfix map of type sqlite or pgsql asks: one transaction a change set."""

import time
from collections.abc import Collection, Iterator, Mapping
from itertools import islice
from pathlib import Path

from migrator.model.names import Address, Ingress, Nexthop
from migrator.model.route import Applied, Flip, Flips, Queue
from migrator.routing.backups import keep
from migrator.routing.comparison import Routes, diff, planned, refuse_conflicts, refuse_unlike, unlike
from migrator.routing.contract import Finding, applied, shown
from migrator.routing.errors import CommandFailed, MapInvalid, RouteNotInForce, listing
from migrator.routing.findings import Question, asked, error, unrunnable, warning
from migrator.routing.postfix import check, postconf
from migrator.routing.postfix.index import look_up
from migrator.routing.postfix.map_text import fold, refuse_unwritable
from migrator.routing.reader import Reader
from migrator.routing.sql.rows import Found, Rows, Table

LAG = 10.0  # seconds in which Postfix must come to see new rows
_PAUSE = 0.2
_SAMPLE = 100  # keys that `check` compares between table and map
_WHO_WRITES = "See who else writes that table, and what the query of the map asks; then run again."


class PostfixSql:
    """A row an address; see docs/routing-postfix-sql.md for what it needs.

    `freeze` is the value that makes mail wait (None: this place cannot freeze); `map` is the map as main.cf names it
    ("sqlite:/etc/postfix/routes.cf"; None: what Postfix finds is not asked); copies of the table go to `backups`.
    """

    carries_mail = True

    def __init__(
        self, name: Ingress, table: Table, *, reader: Reader, freeze: Nexthop | None, map: str | None, backups: Path
    ) -> None:
        self.name = name
        self.freeze_value = freeze
        self._table, self._reader, self._map, self._backups = table, reader, map, backups

    def read(self, addresses: Collection[Address]) -> Mapping[Address, Nexthop | None]:
        """What the table says; MapInvalid where a row can be read in two ways."""
        with self._table.reading() as rows:
            return self._values(rows.find(addresses), addresses)

    def plan(self, wanted: Mapping[Address, Nexthop | None]) -> Flips:
        """The changes to `wanted`; ValueUnwritable for what Postfix could not use."""
        for address, value in wanted.items():
            refuse_unwritable(address, value)
        return planned(self.read(tuple(wanted)), wanted)

    def apply(self, flips: Flips) -> Applied:
        """Change the rows in one transaction, tell Postfix, read back from the table, then by Postfix's own map."""
        with self._table.changing() as rows:
            changes = self._differing(rows, flips)
            if changes:
                keep(self._backups, self.name, "csv", rows.copy())
                rows.change(changes)
                self._refuse_unlike(self._values(rows.find(flips.addresses), flips.addresses), flips, self._table.where)
        # Always: an earlier run may have died between the commit and this
        self._reader.tell(self.name, self._table.where)
        self._refuse_unlike(self.read(flips.addresses), flips, self._table.where)
        self._refuse_unseen(flips)
        return applied(flips, {flip.address for flip in changes})

    def revert(self, flips: Flips) -> Applied:
        """Put back what `apply` changed, where it is still as `apply` left it."""
        return self.apply(flips.reversed())

    def diff(self, flips: Flips) -> str:
        """The rows that would change, as a unified diff, a line a row; takes no lock, writes nothing."""
        return diff(f"{self.name} ({self._table.where})", flips, self.read(flips.addresses))

    def check(self) -> list[Finding]:
        """What stands in the way of a flip, or will surprise."""
        reload = self._reader.reload
        questions: list[Question] = [
            lambda: self._table.findings(postconf.setting(reload, "mail_owner")),
            self._odd_rows,
            self._map_disagrees,
            lambda: unrunnable(self._reader.commands),
            lambda: check.unqueueable(self.freeze_value, reload),
        ]
        return asked(questions)

    def queue(self, addresses: Collection[Address]) -> Queue | None:
        """The queued mail for `addresses`; None without a queue command."""
        return self._reader.queue(addresses)

    def flush(self, addresses: Collection[Address]) -> None:
        """Have the whole queue tried again."""
        self._reader.flush(addresses)

    def backup(self) -> Path:
        """Keep a copy of the whole table, every column of it, as CSV."""
        with self._table.reading() as rows:
            return keep(self._backups, self.name, "csv", rows.copy())

    def _values(self, found: Found, addresses: Collection[Address]) -> dict[Address, Nexthop | None]:
        if odd := [f"{address} {found.odd[address]}" for address in addresses if address in found.odd]:
            raise MapInvalid(
                f"{self.name}: {self._table.where} has rows that Postfix may read otherwise than meant:{listing(odd)}",
                remedy="Leave one row for each of these addresses, in lower case and with a value; then run again.",
            )
        return {
            address: None if (value := found.values.get(address)) is None else Nexthop(value) for address in addresses
        }

    def _differing(self, rows: Rows, flips: Flips) -> tuple[Flip, ...]:
        """The flips that are still to be made; RouteConflict when a row is neither as expected nor as wanted."""
        now = self._values(rows.find(flips.addresses), flips.addresses)
        refuse_conflicts(f"{self.name} ({self._table.where})", flips, now)
        return unlike(flips, now)

    def _refuse_unlike(self, now: Routes, flips: Flips, where: str) -> None:
        refuse_unlike(f"{self.name} ({where})", flips, now, _WHO_WRITES)

    def _refuse_unseen(self, flips: Flips) -> None:
        """RouteNotInForce when Postfix's own map does not answer as the table does, within LAG."""
        deadline = time.monotonic() + LAG
        while self._map is not None and flips.changes:
            late = time.monotonic() > deadline
            try:
                self._refuse_unlike(self._asked(flips.addresses), flips, f"the map {self._map}")
                return
            except (RouteNotInForce, CommandFailed):  # a replica that lags, an SQLite file that is locked just now
                if late:
                    raise
            time.sleep(_PAUSE)

    def _asked(self, addresses: Collection[Address]) -> dict[Address, Nexthop | None]:
        """What Postfix finds by its map."""
        assert self._map is not None
        remedy = f"See what `postmap -q ADDRESS {self._map}` says, and mend its configuration file."
        keys = {fold(address): address for address in addresses}
        found = look_up(self._map, keys, postconf.instance_words(self._reader.reload), remedy)
        return {address: None if (value := found.get(key)) is None else Nexthop(value) for key, address in keys.items()}

    def _odd_rows(self) -> Iterator[Finding]:
        with self._table.reading() as rows:
            odd = rows.all().odd
        if odd:
            lines = [f"{key} {why}" for key, why in odd.items()]
            yield warning(
                f"{self._table.where} has rows that cannot be flipped:{listing(lines)}",
                "Leave one row for each address, in lower case and with a value.",
            )

    def _map_disagrees(self) -> Iterator[Finding]:
        if self._map is None:
            yield warning(
                f"whether Postfix looks into {self._table.where} is not known, so a flip is read back from it alone",
                "Write `map:` with the map as main.cf names it, such as `map: pgsql:/etc/postfix/routes.cf`.",
            )
            return
        yield from check.unnamed(self._map, "transport_maps", self._reader.reload)
        with self._table.reading() as rows:
            values = rows.all().values
        sample = {Address(key): value for key, value in islice(values.items(), _SAMPLE)}
        found = self._asked(sample)
        wrong = [
            f"{key}: the table says {shown(value)}, the map {shown(found.get(key))}"
            for key, value in sample.items()
            if found.get(key) != value
        ]
        if wrong:
            yield error(
                f"the map {self._map} does not answer what {self._table.where} says:{listing(wrong)}",
                "Let the map ask for just this column of this table by the whole address, without `result_format`.",
            )
