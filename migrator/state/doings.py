"""What runs are doing with mailboxes, for those who watch from another process."""

from collections.abc import Iterable, Mapping

from sqlmodel import col, delete, select

from migrator.model.doing import Doing, HeldBy, Hold
from migrator.model.names import Address, WaveName
from migrator.model.wave import PassKind
from migrator.state.engine import Database
from migrator.state.statements import upsert
from migrator.state.tables import DoingRow


class Doings:
    """One entry a mailbox. It is true only while the run that wrote it lives; afterwards it tells what was left."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, doings: Iterable[Doing], over: Iterable[Address] = ()) -> None:
        """Replace the entries of these mailboxes, and drop those of mailboxes that nothing is left of."""
        with self._database.write() as session:
            for one in doings:
                upsert(session, DoingRow, ["mailbox"], _values(one))
            session.execute(delete(DoingRow).where(col(DoingRow.mailbox).in_(list(over))))

    def of(self, wave: WaveName) -> Mapping[Address, Doing]:
        """The entries of a wave's mailboxes."""
        with self._database.read() as session:
            rows = session.scalars(select(DoingRow).where(col(DoingRow.wave) == wave))
            return {Address(row.mailbox): _doing(row) for row in rows}


def _values(one: Doing) -> dict[str, object]:
    return {
        "mailbox": one.address,
        "wave": one.wave,
        "kind": one.kind.value,
        "held_by": one.hold.by.value,
        "detail": one.hold.detail,
        "until": one.hold.until,
        "since": one.since,
        "started": one.started,
        "planned_messages": one.planned_messages,
        "planned_octets": one.planned_octets,
        "messages": one.messages,
        "octets": one.octets,
    }


def _doing(row: DoingRow) -> Doing:
    return Doing(
        address=Address(row.mailbox),
        wave=WaveName(row.wave),
        kind=PassKind(row.kind),
        hold=Hold(HeldBy(row.held_by), row.detail, until=row.until),
        since=row.since,
        started=row.started,
        planned_messages=row.planned_messages,
        planned_octets=row.planned_octets,
        messages=row.messages,
        octets=row.octets,
    )
