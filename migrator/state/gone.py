"""What mirroring asks of rows whose message is gone from the source, in SQL text, inside a transaction of `ledger`.

Removable: copied by us, at a target UID that is known, and nothing settled about it yet (a reason says what).
"""

from sqlalchemy import Connection

from migrator.model.message import Outcome
from migrator.model.names import Address
from migrator.state.codes import OUTCOME_CODES
from migrator.state.looks import rows_of
from migrator.state.records import GoneCounts, LedgerRow
from migrator.state.text import run

_COPIED = OUTCOME_CODES[Outcome.COPIED]
_REMOVABLE = f"gone = 1 AND outcome = {_COPIED} AND target_uid IS NOT NULL AND reason IS NULL"
_OURS = "folder_id IN (SELECT id FROM folder WHERE mailbox = ?)"
_COUNTS = f"""
SELECT folder_id, sum(CASE WHEN gone = 0 THEN 1 ELSE 0 END), sum(CASE WHEN {_REMOVABLE} THEN 1 ELSE 0 END)
FROM message WHERE {_OURS} GROUP BY folder_id ORDER BY folder_id
"""
_MOVED = f"""
SELECT went.folder_id, sum(CASE WHEN went.number < live.number THEN went.number ELSE live.number END)
FROM (
    SELECT folder_id, digest, count(*) AS number FROM message WHERE {_OURS} AND {_REMOVABLE} GROUP BY folder_id, digest
) AS went JOIN (
    SELECT digest, count(*) AS number FROM message
    WHERE {_OURS} AND gone = 0 AND target_uid IS NOT NULL AND digest IS NOT NULL GROUP BY digest
) AS live ON live.digest = went.digest GROUP BY went.folder_id
"""
_UIDS = f"""
SELECT source_uid FROM message WHERE folder_id = ? AND source_uid > ? AND {_REMOVABLE} ORDER BY source_uid LIMIT ?
"""


def counts(connection: Connection, address: Address) -> tuple[GoneCounts, ...]:
    """Of each folder of the mailbox that has rows; one walk over them."""
    return tuple(GoneCounts(*map(int, row)) for row in run(connection, _COUNTS, address))


def moved(connection: Connection, address: Address) -> dict[int, int]:
    """By folder, how many of its removable rows have the content of a message that is on both sides elsewhere.

    One there vouches for one that went from a folder, not for all that are like it.
    """
    return {int(folder_id): int(number) for folder_id, number in run(connection, _MOVED, address, address)}


def removable(connection: Connection, folder_id: int, after: int, most: int) -> list[LedgerRow]:
    """Up to `most` of a folder's removable rows, by source UID, those above `after`."""
    uids = list(run(connection, _UIDS, folder_id, after, most).scalars())
    return sorted(rows_of(connection, folder_id, uids).values(), key=lambda row: row.source_uid)
