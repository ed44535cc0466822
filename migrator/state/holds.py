"""What keeps a wave that is ready from its cutover: a time that has not come, or the operator's word."""

from migrator.model.names import WaveName
from migrator.state.audit import append
from migrator.state.engine import Database
from migrator.state.records import Actor, Hold
from migrator.state.text import now, read_time, run, upsert, written

_PUT = upsert("hold", ("wave",), ("not_before", "postponed"))
_GET = "SELECT not_before, postponed FROM hold WHERE wave = ?"
_FREE = Hold()


class Holds:
    """Written by any process at any time; whoever runs the wave looks."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, wave: WaveName) -> Hold:
        """What holds the wave; nothing when nobody has said anything."""
        with self._database.read_text() as connection:
            row = run(connection, _GET, wave).first()
            return _FREE if row is None else Hold(None if row[0] is None else read_time(row[0]), bool(row[1]))

    def put(self, wave: WaveName, hold: Hold, actor: Actor) -> None:
        """Replace it (audited); on the disk when this returns."""
        with self._database.write_text(durable=True) as connection:
            at = now(connection)
            moment = None if hold.not_before is None else written(connection, hold.not_before)
            run(connection, _PUT, wave, moment, hold.postponed)
            detail = {"not_before": hold.not_before and hold.not_before.isoformat(), "postponed": hold.postponed}
            append(connection, actor, "cutover held" if hold else "cutover released", at, wave=wave, detail=detail)
