"""Routes in a look-up table that a Postfix map of type sqlite or pgsql asks: one transaction a change set."""

import time
from collections.abc import Collection, Iterator, Mapping
from itertools import islice
from pathlib import Path

from migrator.model.names import Address, Ingress, Nexthop
from migrator.model.route import Applied, Flips, Queue
from migrator.routing.contract import Finding, applied, shown
from migrator.routing.errors import CommandFailed, RouteNotInForce, listing
from migrator.routing.findings import Question, asked, error, unrunnable, warning
from migrator.routing.postfix import check, postconf
from migrator.routing.postfix.index import look_up
from migrator.routing.postfix.map_text import fold, refuse_unwritable
from migrator.routing.reader import Reader
from migrator.routing.sql.routes import TableRoutes
from migrator.routing.sql.rows import Table

LAG = 10.0  # seconds in which Postfix must come to see new rows
_PAUSE = 0.2
_SAMPLE = 100  # keys that `check` compares between table and map


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
        self._table, self._reader, self._map = table, reader, map
        self._routes = TableRoutes(name, table, keys=_as_they_are, backups=backups)

    def read(self, addresses: Collection[Address]) -> Mapping[Address, Nexthop | None]:
        """What the table says; MapInvalid where a row can be read in two ways."""
        return self._routes.read(addresses)

    def plan(self, wanted: Mapping[Address, Nexthop | None]) -> Flips:
        """The changes to `wanted`; ValueUnwritable for what Postfix could not use."""
        for address, value in wanted.items():
            refuse_unwritable(address, value)
        return self._routes.plan(wanted)

    def apply(self, flips: Flips) -> Applied:
        """Change the rows in one transaction, tell Postfix, read back from the table, then by Postfix's own map."""
        changes = self._routes.flip(flips)
        # Always: an earlier run may have died between the commit and this
        self._reader.tell(self.name, self._table.where)
        self._routes.refuse_unlike(self.read(flips.addresses), flips)
        self._refuse_unseen(flips)
        return applied(flips, {flip.address for flip in changes})

    def revert(self, flips: Flips) -> Applied:
        """Put back what `apply` changed, where it is still as `apply` left it."""
        return self.apply(flips.reversed())

    def diff(self, flips: Flips) -> str:
        """The rows that would change, as a unified diff, a line a row; takes no lock, writes nothing."""
        return self._routes.diff(flips)

    def check(self) -> list[Finding]:
        """What stands in the way of a flip, or will surprise."""
        reload = self._reader.reload
        questions: list[Question] = [
            lambda: self._table.findings(postconf.setting(reload, "mail_owner")),
            self._routes.odd_rows,
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
        return self._routes.backup()

    def _refuse_unseen(self, flips: Flips) -> None:
        """RouteNotInForce when Postfix's own map does not answer as the table does, within LAG."""
        deadline = time.monotonic() + LAG
        while self._map is not None and flips.changes:
            late = time.monotonic() > deadline
            try:
                self._routes.refuse_unlike(self._asked(flips.addresses), flips, f"the map {self._map}")
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


def _as_they_are(addresses: Collection[Address]) -> dict[Address, str]:
    return {address: address for address in addresses}
