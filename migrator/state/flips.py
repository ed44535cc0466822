"""The journal of routing changes: what was observed, intended and confirmed at each ingress for a wave (I7)."""

from collections import defaultdict
from collections.abc import Mapping

from sqlalchemy import ColumnElement, delete, update
from sqlmodel import col, select

from migrator.model.names import Address, Ingress, Nexthop, WaveName
from migrator.model.route import Flips
from migrator.state.engine import Database
from migrator.state.statements import insert_missing
from migrator.state.tables import FlipRow, ObservedRow
from migrator.state.text import now
from migrator.state.waves import is_outside_cutover


class FlipJournal:
    """Every write is on the disk when it returns: the change of the route comes after it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def observe(self, wave: WaveName, ingress: Ingress, values: Mapping[Address, Nexthop | None]) -> None:
        """Remember what was there before the first flip.

        The first observation of an address stays while the wave is in its cutover, when the present value may be our
        own; outside of it (before, after an abort or a rollback) a new one replaces it.
        """
        rows = [{"wave": wave, "ingress": ingress, "address": a, "nexthop": value} for a, value in values.items()]
        with self._database.write(durable=True) as session:
            if is_outside_cutover(session.connection(), wave):
                session.execute(
                    delete(ObservedRow).where(*_observed_at(wave, ingress), col(ObservedRow.address).in_(list(values)))
                )
            insert_missing(session, ObservedRow, rows)

    def original(self, wave: WaveName, ingress: Ingress) -> Mapping[Address, Nexthop | None]:
        """What was observed, by address."""
        with self._database.read() as session:
            rows = session.scalars(select(ObservedRow).where(*_observed_at(wave, ingress))).all()
            return {Address(row.address): _nexthop(row.nexthop) for row in rows}

    def intend(self, wave: WaveName, ingress: Ingress, step: str, flips: Flips) -> None:
        """Journal the changes that are about to be written; a step may be intended several times."""
        with self._database.write(durable=True) as session:
            at = now(session.connection())
            session.add_all(
                FlipRow(
                    wave=wave,
                    ingress=ingress,
                    step=step,
                    address=flip.address,
                    expected=flip.expected,
                    wanted=flip.wanted,
                    intended=at,
                )
                for flip in flips.changes
            )

    def confirm(self, wave: WaveName, ingress: Ingress, step: str) -> None:
        """All intended changes of this step were read back from the place."""
        with self._database.write(durable=True) as session:
            at, waiting = now(session.connection()), (col(FlipRow.step) == step, col(FlipRow.confirmed).is_(None))
            session.execute(update(FlipRow).where(*_flipped_at(wave, ingress), *waiting).values(confirmed=at))

    def unconfirmed(self, wave: WaveName, ingress: Ingress) -> tuple[str, ...]:
        """Steps that were intended and not confirmed, oldest first."""
        wanted = select(FlipRow.step).where(*_flipped_at(wave, ingress), col(FlipRow.confirmed).is_(None))
        with self._database.read() as session:
            return tuple(dict.fromkeys(session.scalars(wanted.order_by(col(FlipRow.id)))))

    def written(self, wave: WaveName, ingress: Ingress) -> Mapping[Address, frozenset[Nexthop | None]]:
        """Every value that we ever intended to write there for this wave, by address."""
        wanted = select(FlipRow.address, FlipRow.wanted).where(*_flipped_at(wave, ingress)).distinct()
        values: defaultdict[Address, set[Nexthop | None]] = defaultdict(set)
        with self._database.read() as session:
            for address, value in session.execute(wanted):
                values[Address(address)].add(_nexthop(value))
        return {address: frozenset(found) for address, found in values.items()}


def _observed_at(wave: WaveName, ingress: Ingress) -> tuple[ColumnElement[bool], ...]:
    return col(ObservedRow.wave) == wave, col(ObservedRow.ingress) == ingress


def _flipped_at(wave: WaveName, ingress: Ingress) -> tuple[ColumnElement[bool], ...]:
    return col(FlipRow.wave) == wave, col(FlipRow.ingress) == ingress


def _nexthop(value: str | None) -> Nexthop | None:
    return None if value is None else Nexthop(value)
