"""How fast copying was, between which servers: what the next estimate is made of, also after a restart."""

from datetime import datetime

from migrator.model.estimate import Stretch
from migrator.model.names import ServerName
from migrator.state.engine import Database
from migrator.state.text import run, written

KEPT = 120  # stretches a pair of servers
_ADD = "INSERT INTO throughput (source, target, ended, seconds, octets, messages) VALUES (?, ?, ?, ?, ?, ?)"
_FORGET = """
DELETE FROM throughput WHERE source = ? AND target = ? AND id NOT IN (
    SELECT id FROM throughput WHERE source = ? AND target = ? ORDER BY id DESC LIMIT ?
)
"""
_LAST = "SELECT seconds, octets, messages FROM throughput WHERE source = ? AND target = ? ORDER BY id"


class Throughput:
    """The last stretches of each pair of servers."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, source: ServerName, target: ServerName, ended: datetime, stretch: Stretch) -> None:
        """Remember a stretch; the oldest beyond KEPT are forgotten."""
        with self._database.write_text() as connection:
            numbers = (stretch.seconds, stretch.octets, stretch.messages)
            run(connection, _ADD, source, target, written(connection, ended), *numbers)
            run(connection, _FORGET, source, target, source, target, KEPT)

    def last(self, source: ServerName, target: ServerName) -> tuple[Stretch, ...]:
        """The stretches between two servers, oldest first."""
        with self._database.read_text() as connection:
            return tuple(Stretch(*row) for row in run(connection, _LAST, source, target))
