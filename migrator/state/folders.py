"""The ledger's folders, inside a transaction of `ledger`."""

from dataclasses import replace

from sqlalchemy import delete, update
from sqlalchemy.orm import Session
from sqlmodel import col, select

from migrator.model.names import Address, FolderName
from migrator.state.records import FolderRecord
from migrator.state.statements import upsert
from migrator.state.tables import FolderRow


def of(session: Session, address: Address) -> tuple[FolderRecord, ...]:
    """The mailbox's folders, by source name."""
    rows = session.scalars(select(FolderRow).where(FolderRow.mailbox == address)).all()
    return tuple(sorted(map(_record, rows), key=lambda record: record.source_name))


def put(session: Session, record: FolderRecord) -> FolderRecord:
    """Update the folder with the record's id; without one, insert it or update the one of the same source name."""
    values = _values(record)
    if record.id:
        session.execute(update(FolderRow).where(col(FolderRow.id) == record.id).values(values))
        return record
    upsert(session, FolderRow, ["mailbox", "source_name"], values)
    same = FolderRow.mailbox == record.mailbox, FolderRow.source_name == record.source_name
    return replace(record, id=session.scalars(select(FolderRow.id).where(*same)).one() or 0)


def drop(session: Session, folder_id: int) -> None:
    """Delete a folder; its rows and intents go with it (ON DELETE CASCADE)."""
    session.execute(delete(FolderRow).where(col(FolderRow.id) == folder_id))


def _values(record: FolderRecord) -> dict[str, object]:
    return {
        "mailbox": record.mailbox,
        "source_name": record.source_name,
        "target_name": record.target_name,
        "source_uidvalidity": record.source_uidvalidity,
        "target_uidvalidity": record.target_uidvalidity,
        "source_uidnext": record.source_uidnext,
        "source_modseq": record.source_modseq,
        "source_messages": record.source_messages,
        "gone": record.gone,
    }


def _record(row: FolderRow) -> FolderRecord:
    return FolderRecord(
        id=row.id or 0,
        mailbox=Address(row.mailbox),
        source_name=FolderName(row.source_name),
        target_name=FolderName(row.target_name),
        source_uidvalidity=row.source_uidvalidity,
        target_uidvalidity=row.target_uidvalidity,
        source_uidnext=row.source_uidnext,
        source_modseq=row.source_modseq,
        source_messages=row.source_messages,
        gone=row.gone,
    )
