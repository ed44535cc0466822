"""The audit log: who did what, when. The database itself refuses to change or delete a row of it."""

import json
from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.orm import Session
from sqlmodel import col, select

from migrator.model.names import Address, WaveName
from migrator.state.engine import Database, now
from migrator.state.records import Actor, AuditRow
from migrator.state.tables import AuditLogRow


class Audit:
    """Append-only."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(
        self,
        actor: Actor,
        what: str,
        wave: WaveName | None = None,
        mailbox: Address | None = None,
        detail: Mapping[str, object] | None = None,
    ) -> None:
        """Append a row; values of `detail` that JSON does not know are written as text. No secrets."""
        with self._database.write() as session:
            append(session, actor, what, now(session), wave, mailbox, detail)

    def rows(self, wave: WaveName | None = None) -> tuple[AuditRow, ...]:
        """All rows, or those of one wave, oldest first."""
        wanted = select(AuditLogRow).order_by(col(AuditLogRow.id))
        if wave is not None:
            wanted = wanted.where(col(AuditLogRow.wave) == wave)
        with self._database.read() as session:
            return tuple(_record(row) for row in session.scalars(wanted))


def append(
    session: Session,
    actor: Actor,
    what: str,
    at: datetime,
    wave: WaveName | None = None,
    mailbox: Address | None = None,
    detail: Mapping[str, object] | None = None,
) -> None:
    """Append a row inside somebody's transaction: the change and its trace are there together or not at all."""
    session.add(
        AuditLogRow(
            at=at,
            user=actor.user,
            host=actor.host,
            pid=actor.pid,
            command=actor.command,
            what=what,
            wave=wave,
            mailbox=mailbox,
            detail=json.dumps(dict(detail or {}), ensure_ascii=False, default=str),
        )
    )


def _record(row: AuditLogRow) -> AuditRow:
    return AuditRow(
        id=row.id or 0,
        at=row.at,
        actor=Actor(row.user, row.host, row.pid, row.command),
        what=row.what,
        wave=None if row.wave is None else WaveName(row.wave),
        mailbox=None if row.mailbox is None else Address(row.mailbox),
        detail=json.loads(row.detail),
    )
