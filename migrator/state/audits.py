"""The last audit of each mailbox: what it found of its content (the log of who did what is `audit`)."""

import json
from collections.abc import Iterable, Mapping

from sqlmodel import col, select

from migrator.model.audit import AuditGrade, AuditRecord
from migrator.model.names import Address
from migrator.state.engine import Database
from migrator.state.statements import upsert
from migrator.state.tables import ContentAuditRow


class Audits:
    """One entry a mailbox, replaced by the next audit."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, records: Iterable[AuditRecord]) -> None:
        """Keep these as the last audits of their mailboxes."""
        with self._database.write() as session:
            for one in records:
                upsert(session, ContentAuditRow, ["mailbox"], _values(one))

    def of(self, addresses: Iterable[Address]) -> Mapping[Address, AuditRecord]:
        """The last audits of those mailboxes that ever had one."""
        wanted = frozenset(addresses)
        with self._database.read() as session:
            rows = session.scalars(select(ContentAuditRow).order_by(col(ContentAuditRow.mailbox)))
            return {Address(row.mailbox): _record(row) for row in rows if row.mailbox in wanted}


def _values(one: AuditRecord) -> dict[str, object]:
    return {
        "mailbox": one.address,
        "at": one.at,
        "grade": one.grade.value,
        "mode": one.mode,
        "compared": one.compared,
        "counts": json.dumps(dict(one.counts)),
    }


def _record(row: ContentAuditRow) -> AuditRecord:
    counts = json.loads(row.counts)
    return AuditRecord(Address(row.mailbox), row.at, AuditGrade(row.grade), row.mode, row.compared, counts)
