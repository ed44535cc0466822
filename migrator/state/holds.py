"""What keeps a wave that is ready from its cutover: a time that has not come, or the operator's word."""

from collections.abc import Callable
from datetime import UTC, datetime

from sqlalchemy import Connection

from migrator.model.names import WaveName
from migrator.model.wave import OUTSIDE_CUTOVER, WaveState
from migrator.state.audit import append
from migrator.state.engine import Database
from migrator.state.errors import WaveHeld
from migrator.state.records import Actor, Hold
from migrator.state.text import for_update, now, read_time, run, upsert, written

_PUT = upsert("hold", ("wave",), ("not_before", "postponed"))
_GET = "SELECT not_before, postponed FROM hold WHERE wave = ?"
_DROP = "DELETE FROM hold WHERE wave = ?"
_STATE = "SELECT state FROM wave WHERE name = ?"
_FREE = Hold()


class Holds:
    """Written by any process at any time; whoever runs the wave looks."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, wave: WaveName) -> Hold:
        """What holds the wave; nothing when nobody has said anything."""
        with self._database.read_text() as connection:
            return _get(connection, wave)

    def change(self, wave: WaveName, change: Callable[[Hold], Hold], actor: Actor) -> Hold | None:
        """Replace it by what `change` makes of it (audited), on the disk when this returns; the new one.

        None, and nothing is written, once the wave's cutover has begun: it cannot begin while this is at work.
        """
        with self._database.write_text(durable=True) as connection:
            state = run(connection, _STATE + for_update(connection), wave).scalar()
            if state is not None and WaveState(state) not in OUTSIDE_CUTOVER:
                return None
            hold = change(_get(connection, wave))
            moment = None if hold.not_before is None else written(connection, hold.not_before)
            run(connection, _PUT, wave, moment, hold.postponed)
            detail = {"not_before": hold.not_before and hold.not_before.isoformat(), "postponed": hold.postponed}
            append(
                connection, actor, "cutover held" if hold else "cutover released", now(connection), wave, detail=detail
            )
            return hold


def use_up(connection: Connection, wave: WaveName) -> None:
    """The cutover begins in this transaction: what held it is for no other. WaveHeld when something holds it now."""
    hold = _get(connection, wave)
    if hold.holds(datetime.now(UTC)):
        raise WaveHeld(f"the cutover of wave {wave} was held just now", remedy="Run the same command again: it waits.")
    forget(connection, wave)


def forget(connection: Connection, wave: WaveName) -> None:
    """Nothing holds the wave."""
    run(connection, _DROP, wave)


def _get(connection: Connection, wave: WaveName) -> Hold:
    row = run(connection, _GET, wave).first()
    return _FREE if row is None else Hold(None if row[0] is None else read_time(row[0]), bool(row[1]))
