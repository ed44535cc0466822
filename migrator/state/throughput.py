"""How fast copying was, between which servers: what the next estimate is made of, also after a restart."""

from datetime import datetime

from sqlmodel import col, delete, select

from migrator.model.estimate import Stretch
from migrator.model.names import ServerName
from migrator.state.engine import Database
from migrator.state.tables import ThroughputRow

KEPT = 120  # stretches a pair of servers


class Throughput:
    """The last stretches of each pair of servers."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, source: ServerName, target: ServerName, ended: datetime, stretch: Stretch) -> None:
        """Remember a stretch; the oldest beyond KEPT are forgotten."""
        with self._database.write() as session:
            values = {"seconds": stretch.seconds, "octets": stretch.octets, "messages": stretch.messages}
            session.add(ThroughputRow(source=source, target=target, ended=ended, **values))
            session.flush()
            pair = (col(ThroughputRow.source) == source, col(ThroughputRow.target) == target)
            newest = select(ThroughputRow.id).where(*pair).order_by(col(ThroughputRow.id).desc()).limit(KEPT)
            session.execute(delete(ThroughputRow).where(*pair, col(ThroughputRow.id).not_in(newest)))

    def last(self, source: ServerName, target: ServerName) -> tuple[Stretch, ...]:
        """The stretches between two servers, oldest first."""
        pair = (col(ThroughputRow.source) == source, col(ThroughputRow.target) == target)
        wanted = select(ThroughputRow).where(*pair).order_by(col(ThroughputRow.id))
        with self._database.read() as session:
            return tuple(Stretch(row.seconds, row.octets, row.messages) for row in session.scalars(wanted))
