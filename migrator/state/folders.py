"""The ledger's folders, inside a transaction of `ledger`, in SQL text: a pass over a mailbox writes each of them."""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection

from migrator.model.names import Address, FolderName
from migrator.state.records import FolderRecord
from migrator.state.text import run, run_many, upsert

_SET = (
    "target_name", "source_uidvalidity", "target_uidvalidity", "source_uidnext", "source_modseq", "source_messages",
    "gone",
)  # fmt: skip
_COLUMNS = ", ".join(("mailbox", "source_name", *_SET))
_OF = f"SELECT id, {_COLUMNS} FROM folder WHERE mailbox = ?"
_ID = "SELECT id FROM folder WHERE mailbox = ? AND source_name = ?"
_INSERT = upsert("folder", ("mailbox", "source_name"), _SET)
_UPDATE = f"UPDATE folder SET mailbox = ?, source_name = ?, {', '.join(f'{name} = ?' for name in _SET)} WHERE id = ?"
_DROP = "DELETE FROM folder WHERE id = ?"


def of(connection: Connection, address: Address) -> tuple[FolderRecord, ...]:
    """The mailbox's folders, by source name."""
    rows = run(connection, _OF, address)
    return tuple(sorted((_record(*row) for row in rows), key=lambda record: record.source_name))


def put(connection: Connection, records: Sequence[FolderRecord]) -> tuple[FolderRecord, ...]:
    """Update the folders with the records' ids; where that is 0, insert one or update the one of the same source name.

    The stored records, with their ids, in the same order.
    """
    run_many(connection, _UPDATE, [(*_values(record), record.id) for record in records if record.id])
    run_many(connection, _INSERT, [_values(record) for record in records if not record.id])
    return tuple(record if record.id else replace(record, id=_id(connection, record)) for record in records)


def drop(connection: Connection, folder_id: int) -> None:
    """Delete a folder; its rows and intents go with it (ON DELETE CASCADE)."""
    run(connection, _DROP, folder_id)


def _id(connection: Connection, record: FolderRecord) -> int:
    return int(run(connection, _ID, record.mailbox, record.source_name).scalar_one())


def _values(record: FolderRecord) -> tuple[object, ...]:
    return (
        record.mailbox, record.source_name, record.target_name, record.source_uidvalidity, record.target_uidvalidity,
        record.source_uidnext, record.source_modseq, record.source_messages, record.gone,
    )  # fmt: skip


def _record(
    folder_id: int, mailbox: str, source: str, target: str, source_validity: int, target_validity: int,
    source_next: int, modseq: int, messages: int, gone: bool,
) -> FolderRecord:  # fmt: skip
    return FolderRecord(
        folder_id, Address(mailbox), FolderName(source), FolderName(target), source_validity, target_validity,
        source_next, modseq, messages, bool(gone),
    )  # fmt: skip
