"""What a pass asks of a folder's rows, in SQL text: some, bare UIDs, or figures; a folder may have a million."""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection

from migrator.model.message import ON_NEITHER, Outcome
from migrator.state.codes import GRADES, OUTCOME_CODES, OUTCOMES, flags_of
from migrator.state.records import LedgerRow, Standing, Uids
from migrator.state.text import run, some, stream

_COLUMNS = "source_uid, target_uid, outcome, flags, digest, reason, size, grade, gone"
_ROWS = f"SELECT {_COLUMNS} FROM message WHERE folder_id = ? ORDER BY source_uid"
_ROWS_BETWEEN = f"SELECT {_COLUMNS} FROM message WHERE folder_id = ? AND source_uid BETWEEN ? AND ? ORDER BY source_uid"
_ROWS_OF = f"SELECT {_COLUMNS} FROM message WHERE folder_id = ? AND source_uid IN "
_TARGET_UIDS = "SELECT target_uid FROM message WHERE folder_id = ? AND target_uid IS NOT NULL ORDER BY target_uid"
_STANDING = """
SELECT sum(CASE WHEN gone = 0 AND source_uid < ? THEN 1 ELSE 0 END), max(target_uid) FROM message WHERE folder_id = ?
"""
_FAILED = f"""
SELECT source_uid FROM message WHERE folder_id = ? AND source_uid < ? AND gone = 0
AND outcome = {OUTCOME_CODES[Outcome.FAILED]} ORDER BY source_uid
"""
_UIDS = "SELECT source_uid, gone, reason FROM message WHERE folder_id = ? AND source_uid < ? ORDER BY source_uid"


def rows(connection: Connection, folder_id: int) -> list[LedgerRow]:
    """All rows of a folder, by ascending source UID."""
    return list(_rows(stream(connection, _ROWS, folder_id)))


def rows_between(connection: Connection, folder_id: int, first: int, last: int) -> list[LedgerRow]:
    """Those with a source UID from `first` to `last`, ascending."""
    return list(_rows(stream(connection, _ROWS_BETWEEN, folder_id, first, last)))


def rows_of(connection: Connection, folder_id: int, uids: Sequence[int]) -> dict[int, LedgerRow]:
    """The rows of these source UIDs, by source UID; one that has no row is left out."""
    found: dict[int, LedgerRow] = {}
    for few, marks in some(uids):
        found |= {row.source_uid: row for row in _rows(run(connection, _ROWS_OF + marks, folder_id, *few))}
    return found


def target_uids(connection: Connection, folder_id: int) -> "array[int]":
    """Target UIDs that are known, ascending."""
    return array("Q", (uid for (uid,) in stream(connection, _TARGET_UIDS, folder_id)))


def standing(connection: Connection, folder_id: int, below: int) -> Standing:
    """The folder in figures; `live` counts source UIDs under `below`."""
    live, top = run(connection, _STANDING, below, folder_id).one()
    return Standing(int(live or 0), int(top or 0))


def failed(connection: Connection, folder_id: int, below: int) -> list[int]:
    """Source UIDs under `below` of messages that failed and are still there, ascending."""
    return list(run(connection, _FAILED, folder_id, below).scalars())


def uids(connection: Connection, folder_id: int, below: int) -> Uids:
    """The source UIDs under `below`; those that are on neither side any more are left out."""
    found = Uids(array("Q"), array("Q"))
    for uid, gone, reason in stream(connection, _UIDS, folder_id, below):
        if not gone:
            found.live.append(uid)
        elif reason not in ON_NEITHER:
            found.gone.append(uid)
    return found


def _rows(found: Iterable[Any]) -> Iterator[LedgerRow]:
    for uid, target, outcome, flags, digest, reason, size, grade, gone in found:
        of = None if grade is None else GRADES[grade]
        yield LedgerRow(
            uid, target, OUTCOMES[outcome], flags_of(flags), digest or b"", reason or "", size, of, bool(gone)
        )
