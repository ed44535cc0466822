"""What became of what belongs to mailboxes beside their mail."""

from collections import Counter
from collections.abc import Iterable, Mapping

from migrator.model.belonging import Belonging, Key, Kind
from migrator.model.names import Address
from migrator.state.engine import Database
from migrator.state.leases import require
from migrator.state.records import Lease
from migrator.state.text import run, run_many, some, upsert

_KEYS = ("mailbox", "kind", "place", "name")
_COLUMNS = ("ours", "intended", "reason", "remedy")
_PUT = upsert("belonging", _KEYS, _COLUMNS)
_DROP = "DELETE FROM belonging WHERE mailbox = ? AND kind = ? AND place = ? AND name = ?"
_OF = f"SELECT {', '.join((*_KEYS, *_COLUMNS))} FROM belonging WHERE mailbox = ?"
_LEFT = f"SELECT {', '.join((*_KEYS, *_COLUMNS))} FROM belonging WHERE reason <> '' AND mailbox IN "
_COUNT = "SELECT kind, count(*) FROM belonging WHERE reason = '' AND mailbox IN "


class Belongings:
    """One entry a thing, replaced by each pass that looks at it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, address: Address, put: Iterable[Belonging], drop: Iterable[Key], lease: Lease) -> None:
        """Keep these, and forget those, in one transaction. LeaseLost, and nothing written, without the lease."""
        with self._database.write_text() as connection:
            require(connection, lease)
            run_many(connection, _DROP, [(address, *_key(key)) for key in drop])
            run_many(
                connection,
                _PUT,
                [(address, *_key(one.key), one.ours, one.intended, one.reason, one.remedy) for one in put],
            )

    def of(self, address: Address) -> Mapping[Key, Belonging]:
        """All that is known of one mailbox."""
        with self._database.read_text() as connection:
            return {one.key: one for _, one in map(_read, run(connection, _OF, address))}

    def not_carried(self, addresses: Iterable[Address]) -> tuple[tuple[Address, Belonging], ...]:
        """What those mailboxes do not have on the target, in a stable order."""
        with self._database.read_text() as connection:
            parts = [run(connection, _LEFT + marks, *few).all() for few, marks in some(sorted(addresses))]
        return tuple(sorted((_read(row) for rows in parts for row in rows), key=lambda one: (one[0], one[1].key)))

    def carried(self, addresses: Iterable[Address]) -> Mapping[Kind, int]:
        """How many things those mailboxes have on the target, by kind."""
        counts: Counter[Kind] = Counter()
        with self._database.read_text() as connection:
            for few, marks in some(sorted(addresses)):
                counts.update({Kind(k): n for k, n in run(connection, _COUNT + marks + " GROUP BY kind", *few)})
        return counts


def _key(key: Key) -> tuple[str, str, str]:
    return key.kind.value, key.place, key.name


def _read(row: "Iterable[str | None]") -> tuple[Address, Belonging]:
    mailbox, kind, place, name, ours, intended, reason, remedy = row
    key = Key(Kind(str(kind)), str(place), str(name))
    return Address(str(mailbox)), Belonging(key, ours, intended, str(reason), str(remedy))
