"""What a pass asks of a folder's rows, in SQL text: a range of them, bare UIDs, sums; a folder may have a million."""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection

from migrator.model.message import Outcome
from migrator.state.codes import GRADES, OUTCOME_CODES, OUTCOMES, flags_of
from migrator.state.records import FolderCounts, LedgerRow
from migrator.state.text import run, some, stream

_ALL_UIDS = 2**63 - 1
_COLUMNS = "source_uid, target_uid, outcome, flags, digest, reason, size, grade, gone"
_ROWS = f"SELECT {_COLUMNS} FROM message WHERE folder_id = ? AND source_uid BETWEEN ? AND ? ORDER BY source_uid"
_ROWS_OF = f"SELECT {_COLUMNS} FROM message WHERE folder_id = ? AND source_uid IN "
_SOURCE_UIDS = "SELECT source_uid FROM message WHERE folder_id = ? AND gone = ? ORDER BY source_uid"
_TARGET_UIDS = "SELECT target_uid FROM message WHERE folder_id = ? AND target_uid IS NOT NULL ORDER BY target_uid"
_FAILED = "SELECT source_uid FROM message WHERE folder_id = ? AND outcome = ? AND gone = 0 ORDER BY source_uid"
_SKIPPED = """
SELECT source_uid FROM message WHERE folder_id = ? AND outcome = ? AND reason = ? AND gone = 0 ORDER BY source_uid
"""
_COUNTS = """
SELECT coalesce(sum(CASE WHEN gone = 0 THEN 1 ELSE 0 END), 0),
    coalesce(sum(CASE WHEN gone = 0 AND outcome = ? THEN 1 ELSE 0 END), 0), coalesce(max(target_uid), 0)
FROM message WHERE folder_id = ?
"""


def rows(connection: Connection, folder_id: int, first: int = 1, last: int | None = None) -> list[LedgerRow]:
    """Rows with first <= source UID <= last (None: to the end), by ascending source UID."""
    return list(_rows(stream(connection, _ROWS, folder_id, first, _ALL_UIDS if last is None else last)))


def rows_of(connection: Connection, folder_id: int, uids: Sequence[int]) -> dict[int, LedgerRow]:
    """The rows of these source UIDs, by source UID; one that has no row is left out."""
    found: dict[int, LedgerRow] = {}
    for few, marks in some(uids):
        found |= {row.source_uid: row for row in _rows(run(connection, _ROWS_OF + marks, folder_id, *few))}
    return found


def source_uids(connection: Connection, folder_id: int, gone: bool) -> "array[int]":
    """Source UIDs, ascending, of the rows that are `gone`, or of those that are not."""
    return _numbers(stream(connection, _SOURCE_UIDS, folder_id, int(gone)))


def target_uids(connection: Connection, folder_id: int) -> "array[int]":
    """Target UIDs that are known, ascending."""
    return _numbers(stream(connection, _TARGET_UIDS, folder_id))


def failed_uids(connection: Connection, folder_id: int) -> list[int]:
    return list(run(connection, _FAILED, folder_id, OUTCOME_CODES[Outcome.FAILED]).scalars())


def skipped_uids(connection: Connection, folder_id: int, reason: str) -> list[int]:
    return list(run(connection, _SKIPPED, folder_id, OUTCOME_CODES[Outcome.SKIPPED], reason).scalars())


def counts(connection: Connection, folder_id: int) -> FolderCounts:
    return FolderCounts(*run(connection, _COUNTS, OUTCOME_CODES[Outcome.FAILED], folder_id).one())


def _numbers(found: Iterable[Any]) -> "array[int]":
    return array("Q", (number for (number,) in found))


def _rows(found: Iterable[Any]) -> Iterator[LedgerRow]:
    for uid, target, outcome, flags, digest, reason, size, grade, gone in found:
        of = None if grade is None else GRADES[grade]
        yield LedgerRow(
            uid, target, OUTCOMES[outcome], flags_of(flags), digest or b"", reason or "", size, of, bool(gone)
        )
