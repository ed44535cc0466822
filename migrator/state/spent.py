"""What was moved on a day: a day's budget outlives the run that began to spend it."""

from collections.abc import Mapping

from sqlmodel import col, select

from migrator.model.names import ServerName
from migrator.state.engine import Database
from migrator.state.statements import add_up
from migrator.state.tables import SpentRow


class Spent:
    """Sums by server and day (ISO date); several runs may add to the same."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, day: str, moved: Mapping[ServerName, tuple[int, int]]) -> None:
        """Count (octets, messages) to each server's day. A power cut may undo the last ones, a kill never does."""
        with self._database.write() as session:
            for server, (octets, messages) in sorted(moved.items()):
                keys = {"server": server, "day": day}
                add_up(session, SpentRow, keys, {"octets": octets, "messages": messages})

    def on(self, day: str) -> Mapping[ServerName, int]:
        """The octets of a day, by server."""
        with self._database.read() as session:
            rows = session.scalars(select(SpentRow).where(col(SpentRow.day) == day))
            return {ServerName(row.server): row.octets for row in rows}
