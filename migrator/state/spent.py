"""What was moved on a day: a day's budget outlives the run that began to spend it."""

from collections.abc import Mapping

from migrator.model.names import ServerName
from migrator.state.engine import Database
from migrator.state.text import run, run_many

_ADD = """
INSERT INTO spent (server, day, octets, messages) VALUES (?, ?, ?, ?) ON CONFLICT (server, day) DO UPDATE SET
    octets = spent.octets + excluded.octets, messages = spent.messages + excluded.messages
"""
_ON = "SELECT server, octets FROM spent WHERE day = ?"


class Spent:
    """Sums by server and day (ISO date); several runs may add to the same."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, day: str, moved: Mapping[ServerName, tuple[int, int]]) -> None:
        """Count (octets, messages) to each server's day. A power cut may undo the last ones, a kill never does."""
        with self._database.write_text() as connection:
            run_many(connection, _ADD, [(server, day, *numbers) for server, numbers in sorted(moved.items())])

    def on(self, day: str) -> Mapping[ServerName, int]:
        """The octets of a day, by server."""
        with self._database.read_text() as connection:
            return {ServerName(server): octets for server, octets in run(connection, _ON, day)}
