"""The ledger's intents, inside a transaction of `ledger`: what is being appended, and what may still land."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection

from migrator.model.names import Address
from migrator.state.codes import uids_of, uids_text
from migrator.state.records import Direction, IntentKind, IntentRecord, Staged
from migrator.state.text import read_time, run, run_many, upsert

_OF = """
SELECT intent.id, folder_id, kind, direction, uidvalidity, uidnext, uids, opened, open, doubtful
FROM intent JOIN folder ON folder.id = folder_id WHERE mailbox = ? AND {which} ORDER BY intent.id
"""
_OPEN, _DOUBTFUL = _OF.format(which="open"), _OF.format(which="doubtful")
_MARK = "UPDATE intent SET doubtful = ? WHERE id = ?"
_OF_FOLDER = "SELECT id, uids FROM intent WHERE folder_id = ? AND direction = ?"
_RENUMBER = "UPDATE intent SET uids = ? WHERE id = ?"
_STAGE = upsert("staged", ("intent_id", "origin_uid"), ("staged_uid", "digest"))
_STAGED = "SELECT origin_uid, staged_uid, digest FROM staged WHERE intent_id = ? ORDER BY staged_uid"


def mark_doubtful(connection: Connection, ids: Sequence[int]) -> None:
    """Keep these intents for good."""
    run_many(connection, _MARK, [(True, intent_id) for intent_id in ids])


def renumber(connection: Connection, folder_id: int, uids: Mapping[int, int]) -> None:
    """The source UIDs of a folder's intents are these now; those that are not among `uids` have gone."""
    found = run(connection, _OF_FOLDER, folder_id, Direction.FORWARD.value).all()
    named = [(intent_id, [uids[uid] for uid in uids_of(text) if uid in uids]) for intent_id, text in found]
    run_many(connection, _RENUMBER, [(uids_text(now), intent_id) for intent_id, now in named])


def still_open(connection: Connection, address: Address) -> tuple[IntentRecord, ...]:
    """Those of unknown outcome, oldest first."""
    return _of(connection, _OPEN, address)


def ever_doubtful(connection: Connection, address: Address) -> tuple[IntentRecord, ...]:
    """Those that were ever marked doubtful, oldest first."""
    return _of(connection, _DOUBTFUL, address)


def stage(connection: Connection, intent_id: int, staged: Sequence[Staged]) -> None:
    """Note what sits in staging; a message staged again replaces its earlier copy."""
    run_many(connection, _STAGE, [(intent_id, one.origin_uid, one.staged_uid, one.digest) for one in staged])


def staged(connection: Connection, intent_id: int) -> tuple[Staged, ...]:
    """What `stage` noted for an intent, by staged UID."""
    return tuple(Staged(*row) for row in run(connection, _STAGED, intent_id))


def _of(connection: Connection, statement: str, address: Address) -> tuple[IntentRecord, ...]:
    return tuple(
        IntentRecord(
            intent_id, address, folder_id, IntentKind(kind), Direction(direction), uidvalidity, uidnext, uids_of(uids),
            read_time(opened), bool(is_open), bool(doubtful),
        )
        for intent_id, folder_id, kind, direction, uidvalidity, uidnext, uids, opened, is_open, doubtful in run(
            connection, statement, address
        )
    )  # fmt: skip
