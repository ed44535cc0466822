"""Where each wave is in its life; the table of allowed steps is `waves.lifecycle`'s."""

from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from typing import Any

from sqlalchemy import Connection

from migrator.model.names import Address, WaveName
from migrator.model.wave import OUTSIDE_CUTOVER, WaveEvent, WaveState
from migrator.state.audit import append
from migrator.state.engine import Database
from migrator.state.errors import WaveFixed, WaveMoved
from migrator.state.holds import use_up
from migrator.state.records import Actor, WaveRecord
from migrator.state.text import now, read_time, run, run_many, written

_ALL = "SELECT name, state, since, deadline, error FROM wave"
_GET = f"{_ALL} WHERE name = ?"
_STATE = "SELECT state FROM wave WHERE name = ?"
_MAKE = "INSERT INTO wave (name, state, since, error) VALUES (?, ?, ?, '') ON CONFLICT (name) DO NOTHING"
_MOVE = "UPDATE wave SET state = ?, since = ?, error = '' WHERE name = ? AND state = ?"
_SET_DEADLINE = "UPDATE wave SET deadline = ? WHERE name = ?"
_SET_ERROR = "UPDATE wave SET error = ? WHERE name = ?"
_MAILBOXES = "SELECT address FROM wave_mailbox WHERE wave = ? ORDER BY position"
_CLEAR = "DELETE FROM wave_mailbox WHERE wave = ?"
_ADD = "INSERT INTO wave_mailbox (wave, address, position) VALUES (?, ?, ?)"


class Deadline(Enum):
    """What `advance` does with the wave's deadline when none is given."""

    KEEP = "keep"


class Waves:
    """The lifecycle's memory."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, name: WaveName) -> WaveRecord | None:
        with self._database.read_text() as connection:
            return _find(connection, name)

    def all(self) -> tuple[WaveRecord, ...]:
        """Every wave, by name."""
        with self._database.read_text() as connection:
            rows = run(connection, f"{_ALL} ORDER BY name").all()
            return tuple(_record(connection, *row) for row in rows)

    def ensure(self, name: WaveName, mailboxes: Sequence[Address], actor: Actor) -> WaveRecord:
        """The wave, made (planned) if new, with exactly these mailboxes; writes only what differs, with an audit row.

        Raises WaveFixed when they differ and the wave is in its cutover, or completed.
        """
        found = self.get(name)
        if found is not None and set(found.mailboxes) == set(mailboxes):
            return found
        with self._database.write_text(durable=True) as connection:
            _make(connection, name, actor)
            _set_mailboxes(connection, _existing(connection, name), mailboxes, actor)
            return _existing(connection, name)

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

        A deadline that is not given stays; None clears it. Raises WaveMoved when the wave is not in `was`, WaveHeld
        when its cutover was to begin and something holds it; beginning uses the hold up.
        """
        with self._database.write_text(durable=True) as connection:
            at = now(connection)
            if not run(connection, _MOVE, to.value, written(connection, at), name, was.value).rowcount:
                raise _moved(name, was, to, _find(connection, name))
            if to is WaveState.FREEZING:
                use_up(connection, name)
            if not isinstance(deadline, Deadline):
                run(connection, _SET_DEADLINE, None if deadline is None else written(connection, deadline), name)
            detail = {"was": was.value, "to": to.value, "event": event.value, "why": why}
            append(connection, actor, "wave advanced", at, wave=name, detail=detail)
            return _existing(connection, name)

    def set_error(self, name: WaveName, text: str) -> None:
        """What stopped the wave's last run ("": nothing)."""
        with self._database.write_text() as connection:
            run(connection, _SET_ERROR, text, name)


def is_outside_cutover(connection: Connection, name: WaveName) -> bool:
    """Whether the wave may still be planned anew (also when it is not known)."""
    state = run(connection, _STATE, name).scalar()
    return state is None or WaveState(state) in OUTSIDE_CUTOVER


def _make(connection: Connection, name: WaveName, actor: Actor) -> None:
    if _find(connection, name) is None:
        at = now(connection)
        run(connection, _MAKE, name, WaveState.PLANNED.value, written(connection, at))
        append(connection, actor, "wave planned", at, wave=name)


def _set_mailboxes(connection: Connection, wave: WaveRecord, mailboxes: Sequence[Address], actor: Actor) -> None:
    added = [address for address in mailboxes if address not in wave.mailboxes]
    removed = [address for address in wave.mailboxes if address not in mailboxes]
    if not is_outside_cutover(connection, wave.name):
        raise _fixed(wave, added, removed)
    run(connection, _CLEAR, wave.name)
    run_many(connection, _ADD, [(wave.name, a, i) for i, a in enumerate(dict.fromkeys(mailboxes))])
    detail = {"added": added, "removed": removed}
    append(connection, actor, "wave mailboxes set", now(connection), wave=wave.name, detail=detail)


def _existing(connection: Connection, name: WaveName) -> WaveRecord:
    found = _find(connection, name)
    assert found is not None, f"wave {name} was written in this transaction"
    return found


def _find(connection: Connection, name: WaveName) -> WaveRecord | None:
    row = run(connection, _GET, name).first()
    return None if row is None else _record(connection, *row)


def _record(connection: Connection, name: str, state: str, since: Any, deadline: Any, error: str) -> WaveRecord:
    return WaveRecord(
        name=WaveName(name),
        state=WaveState(state),
        since=read_time(since),
        mailboxes=tuple(map(Address, run(connection, _MAILBOXES, name).scalars())),
        deadline=None if deadline is None else read_time(deadline),
        error=error,
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
