"""The last audit of each mailbox: what it found of its content (the log of who did what is `audit`)."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection

from migrator.model.audit import AuditGrade, AuditRecord
from migrator.model.names import Address
from migrator.state.engine import Database
from migrator.state.text import read_time, run, run_many, some, upsert, written

_COLUMNS = ("at", "grade", "mode", "compared", "counts")
_PUT = upsert("content_audit", ("mailbox",), _COLUMNS)
_OF = f"SELECT mailbox, {', '.join(_COLUMNS)} FROM content_audit WHERE mailbox IN "


class Audits:
    """One entry a mailbox, replaced by the next audit."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, records: Iterable[AuditRecord]) -> None:
        """Keep these as the last audits of their mailboxes."""
        with self._database.write_text() as connection:
            run_many(connection, _PUT, [_values(connection, one) for one in records])

    def of(self, addresses: Iterable[Address]) -> Mapping[Address, AuditRecord]:
        """The last audits of those mailboxes that ever had one."""
        with self._database.read_text() as connection:
            rows = (run(connection, _OF + marks, *few) for few, marks in some(sorted(addresses)))
            records = [_record(*row) for part in rows for row in part]
            return {record.address: record for record in records}


def _values(connection: Connection, one: AuditRecord) -> tuple[object, ...]:
    counts = json.dumps(dict(one.counts))
    return one.address, written(connection, one.at), one.grade.value, one.mode, one.compared, counts


def _record(mailbox: str, at: Any, grade: str, mode: str, compared: int, counts: str) -> AuditRecord:
    return AuditRecord(Address(mailbox), read_time(at), AuditGrade(grade), mode, compared, json.loads(counts))
