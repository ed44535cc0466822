"""What a pass asks of a folder's rows, in SQL text: all, some, or bare UIDs; a folder may have a million."""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection

from migrator.state.codes import GRADES, OUTCOMES, flags_of
from migrator.state.records import LedgerRow
from migrator.state.text import run, some, stream

_COLUMNS = "source_uid, target_uid, outcome, flags, digest, reason, size, grade, gone"
_ROWS = f"SELECT {_COLUMNS} FROM message WHERE folder_id = ? ORDER BY source_uid"
_ROWS_OF = f"SELECT {_COLUMNS} FROM message WHERE folder_id = ? AND source_uid IN "
_TARGET_UIDS = "SELECT target_uid FROM message WHERE folder_id = ? AND target_uid IS NOT NULL ORDER BY target_uid"


def rows(connection: Connection, folder_id: int) -> list[LedgerRow]:
    """All rows of a folder, by ascending source UID."""
    return list(_rows(stream(connection, _ROWS, folder_id)))


def rows_of(connection: Connection, folder_id: int, uids: Sequence[int]) -> dict[int, LedgerRow]:
    """The rows of these source UIDs, by source UID; one that has no row is left out."""
    found: dict[int, LedgerRow] = {}
    for few, marks in some(uids):
        found |= {row.source_uid: row for row in _rows(run(connection, _ROWS_OF + marks, folder_id, *few))}
    return found


def target_uids(connection: Connection, folder_id: int) -> "array[int]":
    """Target UIDs that are known, ascending."""
    return array("Q", (uid for (uid,) in stream(connection, _TARGET_UIDS, folder_id)))


def _rows(found: Iterable[Any]) -> Iterator[LedgerRow]:
    for uid, target, outcome, flags, digest, reason, size, grade, gone in found:
        of = None if grade is None else GRADES[grade]
        yield LedgerRow(
            uid, target, OUTCOMES[outcome], flags_of(flags), digest or b"", reason or "", size, of, bool(gone)
        )
