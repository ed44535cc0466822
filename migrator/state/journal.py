"""The hot path of a copy: what one batch writes, in SQL text and executemany."""

from collections.abc import Iterable
from datetime import UTC, datetime

from sqlalchemy import Connection

from migrator.state.codes import GRADE_CODES, OUTCOME_CODES, flags_text, uids_text
from migrator.state.errors import IntentUnknown
from migrator.state.records import Lease, LedgerRow, NewIntent, Settled
from migrator.state.text import is_sqlite, run, run_many, upsert, written

_HOLDS = "SELECT 1 FROM lease WHERE key = ? AND fence = ? AND held"
_PUT_ROW = upsert(
    "message",
    ("folder_id", "source_uid"),
    ("target_uid", "outcome", "flags", "digest", "reason", "size", "grade", "gone"),
)
_DROP_ROWS = "DELETE FROM message WHERE folder_id = ?"
_SET_FLAGS = "UPDATE message SET flags = ? WHERE folder_id = ? AND source_uid = ?"
_SET_GONE = "UPDATE message SET gone = 1 WHERE folder_id = ? AND source_uid = ?"
_OPEN = """
INSERT INTO intent (folder_id, kind, direction, uidvalidity, uidnext, uids, opened, open, doubtful)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_TO_SETTLE = "SELECT folder_id, doubtful FROM intent WHERE id = ? AND open"
_FORGET = "DELETE FROM intent WHERE id = ?"  # what it staged goes with it
_CLOSE = "UPDATE intent SET open = ? WHERE id = ?"
_UNSTAGE = "DELETE FROM staged WHERE intent_id = ?"


def holds(connection: Connection, lease: Lease) -> bool:
    """Whether the lease is still ours; nobody can take it before this transaction ends."""
    lock = "" if is_sqlite(connection) else " FOR SHARE"
    return run(connection, _HOLDS + lock, lease.key, lease.fence).first() is not None


def put_rows(connection: Connection, found: Iterable[tuple[int, LedgerRow]]) -> None:
    """Insert rows, by folder id, or replace those of the same folder and source UID."""
    values = [
        (
            folder_id, row.source_uid, row.target_uid, OUTCOME_CODES[row.outcome], flags_text(row.flags),
            row.digest or None, row.reason or None, row.size, None if row.grade is None else GRADE_CODES[row.grade],
            int(row.gone),
        )
        for folder_id, row in found
    ]  # fmt: skip
    run_many(connection, _PUT_ROW, values)


def drop_rows(connection: Connection, folder_id: int) -> None:
    """Forget all rows of a folder."""
    run(connection, _DROP_ROWS, folder_id)


def set_flags(connection: Connection, values: Iterable[tuple[str, int, int]]) -> None:
    """(flags as text, folder id, source UID)"""
    run_many(connection, _SET_FLAGS, list(values))


def set_gone(connection: Connection, values: Iterable[tuple[int, int]]) -> None:
    """(folder id, source UID)"""
    run_many(connection, _SET_GONE, list(values))


def open_intent(connection: Connection, new: NewIntent) -> int:
    """Open an intent; its id, which is never used again."""
    values = (
        new.folder_id, new.kind.value, new.direction.value, new.uidvalidity, new.uidnext, uids_text(new.uids),
        written(connection, datetime.now(UTC)), True, False,
    )  # fmt: skip
    if is_sqlite(connection):  # before 3.35 it has no RETURNING
        return run(connection, _OPEN, *values).lastrowid
    return int(run(connection, _OPEN + " RETURNING id", *values).scalar_one())


def settle(connection: Connection, settled: Settled) -> None:
    """Write an intent's rows and close it; only a doubtful one is kept. Raises IntentUnknown when it is not open."""
    found = run(connection, _TO_SETTLE, settled.intent_id).first()
    if found is None:
        raise IntentUnknown(
            f"intent {settled.intent_id} is not open: it was settled before, or its folder was dropped",
            remedy="Nothing was written. Run the same command again: it looks what is on the target.",
        )
    put_rows(connection, [(found.folder_id, row) for row in settled.rows])
    if not found.doubtful:
        run(connection, _FORGET, settled.intent_id)
        return
    run(connection, _UNSTAGE, settled.intent_id)
    run(connection, _CLOSE, False, settled.intent_id)
