"""The journal of routing changes: what was observed, intended and confirmed at each ingress for a wave (I7)."""

from collections import defaultdict
from collections.abc import Mapping

from migrator.model.names import Address, Ingress, Nexthop, WaveName
from migrator.model.route import Flips
from migrator.state.engine import Database
from migrator.state.text import now, run, run_many, written
from migrator.state.waves import is_outside_cutover

_AT = "wave = ? AND ingress = ?"
_FORGET = f"DELETE FROM observed WHERE {_AT} AND address = ?"
_OBSERVE = "INSERT INTO observed (wave, ingress, address, nexthop) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
_OBSERVED = f"SELECT address, nexthop FROM observed WHERE {_AT}"
_INTEND = "INSERT INTO flip (wave, ingress, step, address, expected, wanted, intended) VALUES (?, ?, ?, ?, ?, ?, ?)"
_CONFIRM = f"UPDATE flip SET confirmed = ? WHERE {_AT} AND step = ? AND confirmed IS NULL"
_UNCONFIRMED = f"SELECT step FROM flip WHERE {_AT} AND confirmed IS NULL ORDER BY id"
_WANTED = f"SELECT DISTINCT address, wanted FROM flip WHERE {_AT}"


class FlipJournal:
    """Every write is on the disk when it returns: the change of the route comes after it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def observe(self, wave: WaveName, ingress: Ingress, values: Mapping[Address, Nexthop | None]) -> None:
        """Remember what was there before the first flip.

        The first observation of an address stays while the wave is in its cutover, when the present value may be our
        own; outside of it (before, after an abort or a rollback) a new one replaces it.
        """
        with self._database.write_text(durable=True) as connection:
            if is_outside_cutover(connection, wave):
                run_many(connection, _FORGET, [(wave, ingress, address) for address in values])
            run_many(connection, _OBSERVE, [(wave, ingress, *value) for value in values.items()])

    def original(self, wave: WaveName, ingress: Ingress) -> Mapping[Address, Nexthop | None]:
        """What was observed, by address."""
        with self._database.read_text() as connection:
            rows = run(connection, _OBSERVED, wave, ingress)
            return {Address(address): _nexthop(value) for address, value in rows}

    def intend(self, wave: WaveName, ingress: Ingress, step: str, flips: Flips) -> None:
        """Journal the changes that are about to be written; a step may be intended several times."""
        with self._database.write_text(durable=True) as connection:
            at = written(connection, now(connection))
            rows = [(wave, ingress, step, flip.address, flip.expected, flip.wanted, at) for flip in flips.changes]
            run_many(connection, _INTEND, rows)

    def confirm(self, wave: WaveName, ingress: Ingress, step: str) -> None:
        """All intended changes of this step were read back from the place."""
        with self._database.write_text(durable=True) as connection:
            run(connection, _CONFIRM, written(connection, now(connection)), wave, ingress, step)

    def unconfirmed(self, wave: WaveName, ingress: Ingress) -> tuple[str, ...]:
        """Steps that were intended and not confirmed, oldest first."""
        with self._database.read_text() as connection:
            return tuple(dict.fromkeys(run(connection, _UNCONFIRMED, wave, ingress).scalars()))

    def written(self, wave: WaveName, ingress: Ingress) -> Mapping[Address, frozenset[Nexthop | None]]:
        """Every value that we ever intended to write there for this wave, by address."""
        values: defaultdict[Address, set[Nexthop | None]] = defaultdict(set)
        with self._database.read_text() as connection:
            for address, value in run(connection, _WANTED, wave, ingress):
                values[Address(address)].add(_nexthop(value))
        return {address: frozenset(found) for address, found in values.items()}


def _nexthop(value: str | None) -> Nexthop | None:
    return None if value is None else Nexthop(value)
