"""Where each wave is in its life; the table of allowed steps is `waves.lifecycle`'s."""

from collections.abc import Sequence
from datetime import datetime
from enum import Enum

from sqlalchemy import delete, update
from sqlalchemy.orm import Session
from sqlmodel import col, select

from migrator.model.names import Address, WaveName
from migrator.model.wave import OUTSIDE_CUTOVER, WaveEvent, WaveState
from migrator.state.audit import append
from migrator.state.engine import Database, now
from migrator.state.errors import WaveFixed, WaveMoved
from migrator.state.records import Actor, WaveRecord
from migrator.state.statements import change, insert_missing
from migrator.state.tables import WaveMailboxRow, WaveRow


class Deadline(Enum):
    """What `advance` does with the wave's deadline when none is given."""

    KEEP = "keep"


class Waves:
    """The lifecycle's memory."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, name: WaveName) -> WaveRecord | None:
        with self._database.read() as session:
            return _find(session, name)

    def all(self) -> tuple[WaveRecord, ...]:
        """Every wave, by name."""
        with self._database.read() as session:
            rows = session.scalars(select(WaveRow).order_by(col(WaveRow.name))).all()
            return tuple(_record(session, row) for row in rows)

    def ensure(self, name: WaveName, mailboxes: Sequence[Address], actor: Actor) -> WaveRecord:
        """The wave, made (planned) if new, with exactly these mailboxes; writes only what differs, with an audit row.

        Raises WaveFixed when they differ and the wave is in its cutover, or completed.
        """
        found = self.get(name)
        if found is not None and set(found.mailboxes) == set(mailboxes):
            return found
        with self._database.write(durable=True) as session:
            _make(session, name, actor)
            _set_mailboxes(session, _existing(session, name), mailboxes, actor)
            return _existing(session, name)

    def advance(
        self,
        name: WaveName,
        was: WaveState,
        to: WaveState,
        event: WaveEvent,
        actor: Actor,
        why: str,
        deadline: datetime | Deadline | None = Deadline.KEEP,
    ) -> WaveRecord:
        """Compare-and-swap from `was` to `to`, with its audit row, in one durable transaction; clears the error.

        A deadline that is not given stays; None clears it. Raises WaveMoved when the wave is not in `was`.
        """
        with self._database.write(durable=True) as session:
            at = now(session)
            values: dict[str, object] = {"state": to.value, "since": at, "error": ""}
            if not isinstance(deadline, Deadline):
                values["deadline"] = deadline
            moved = update(WaveRow).where(col(WaveRow.name) == name, col(WaveRow.state) == was.value).values(values)
            if not change(session, moved):
                raise _moved(name, was, to, _find(session, name))
            detail = {"was": was.value, "to": to.value, "event": event.value, "why": why}
            append(session, actor, "wave advanced", at, wave=name, detail=detail)
            return _existing(session, name)

    def set_error(self, name: WaveName, text: str) -> None:
        """What stopped the wave's last run ("": nothing)."""
        with self._database.write() as session:
            session.execute(update(WaveRow).where(col(WaveRow.name) == name).values(error=text))


def is_outside_cutover(session: Session, name: WaveName) -> bool:
    """Whether the wave may still be planned anew (also when it is not known)."""
    state = session.scalar(select(WaveRow.state).where(col(WaveRow.name) == name))
    return state is None or WaveState(state) in OUTSIDE_CUTOVER


def _make(session: Session, name: WaveName, actor: Actor) -> None:
    if _find(session, name) is None:
        at = now(session)
        planned = {"name": name, "state": WaveState.PLANNED.value, "since": at, "error": ""}
        insert_missing(session, WaveRow, [planned])
        append(session, actor, "wave planned", at, wave=name)


def _set_mailboxes(session: Session, wave: WaveRecord, mailboxes: Sequence[Address], actor: Actor) -> None:
    added = [address for address in mailboxes if address not in wave.mailboxes]
    removed = [address for address in wave.mailboxes if address not in mailboxes]
    if not is_outside_cutover(session, wave.name):
        raise _fixed(wave, added, removed)
    mine = col(WaveMailboxRow.wave) == wave.name
    session.execute(delete(WaveMailboxRow).where(mine))
    rows = [{"wave": wave.name, "address": a, "position": i} for i, a in enumerate(mailboxes)]
    insert_missing(session, WaveMailboxRow, rows)
    detail = {"added": added, "removed": removed}
    append(session, actor, "wave mailboxes set", now(session), wave=wave.name, detail=detail)


def _existing(session: Session, name: WaveName) -> WaveRecord:
    found = _find(session, name)
    assert found is not None, f"wave {name} was written in this transaction"
    return found


def _find(session: Session, name: WaveName) -> WaveRecord | None:
    row = session.scalars(select(WaveRow).where(col(WaveRow.name) == name), execution_options=_AFRESH).first()
    return None if row is None else _record(session, row)


_AFRESH = {"populate_existing": True}  # what a statement changed is read again, not remembered


def _record(session: Session, row: WaveRow) -> WaveRecord:
    mine = col(WaveMailboxRow.wave) == row.name
    addresses = session.scalars(select(WaveMailboxRow.address).where(mine).order_by(col(WaveMailboxRow.position)))
    return WaveRecord(
        name=WaveName(row.name),
        state=WaveState(row.state),
        since=row.since,
        mailboxes=tuple(Address(address) for address in addresses),
        deadline=row.deadline,
        error=row.error,
    )


def _moved(name: WaveName, was: WaveState, to: WaveState, found: WaveRecord | None) -> WaveMoved:
    actual = "not known" if found is None else f"{found.state} since {found.since:%Y-%m-%d %H:%M:%S} UTC"
    return WaveMoved(
        f"wave {name} was to go from {was} to {to}, but it is {actual}",
        remedy=f"Somebody else moved it: see `migrator wave status {name}`, then run the same command again.",
    )


def _fixed(wave: WaveRecord, added: Sequence[Address], removed: Sequence[Address]) -> WaveFixed:
    changes = "; ".join(
        f"{what} {', '.join(which)}" for what, which in (("added", added), ("removed", removed)) if which
    )
    return WaveFixed(
        f"wave {wave.name} is {wave.state}: its mailboxes cannot change now ({changes})",
        remedy=f"Put waves/{wave.name}.yaml back as it was; move other mailboxes with another wave.",
    )
