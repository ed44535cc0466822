"""The audit log: who did what, when. The database itself refuses to change or delete a row of it."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from migrator.model.names import Address, WaveName
from migrator.state.engine import Database
from migrator.state.records import Actor, AuditRow
from migrator.state.text import now, read_time, run, written

_APPEND = """
INSERT INTO audit (at, "user", host, pid, command, what, wave, mailbox, detail) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_ALL = 'SELECT id, at, "user", host, pid, command, what, wave, mailbox, detail FROM audit'
_OF_WAVE = f"{_ALL} WHERE wave = ?"


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
        with self._database.write_text() as connection:
            append(connection, actor, what, now(connection), wave, mailbox, detail)

    def rows(self, wave: WaveName | None = None) -> tuple[AuditRow, ...]:
        """All rows, or those of one wave, oldest first."""
        statement, values = (_ALL, ()) if wave is None else (_OF_WAVE, (wave,))
        with self._database.read_text() as connection:
            return tuple(_record(*row) for row in run(connection, f"{statement} ORDER BY id", *values))


def append(
    connection: Connection,
    actor: Actor,
    what: str,
    at: datetime,
    wave: WaveName | None = None,
    mailbox: Address | None = None,
    detail: Mapping[str, object] | None = None,
) -> None:
    """Append a row inside somebody's transaction: the change and its trace are there together or not at all."""
    text = json.dumps(dict(detail or {}), ensure_ascii=False, default=str)
    who = (actor.user, actor.host, actor.pid, actor.command)
    run(connection, _APPEND, written(connection, at), *who, what, wave, mailbox, text)


def _record(row_id: int, at: Any, user: str, host: str, pid: int, command: str, what: str, *more: Any) -> AuditRow:
    wave, mailbox, detail = more
    return AuditRow(
        id=row_id,
        at=read_time(at),
        actor=Actor(user, host, pid, command),
        what=what,
        wave=None if wave is None else WaveName(wave),
        mailbox=None if mailbox is None else Address(mailbox),
        detail=json.loads(detail),
    )
