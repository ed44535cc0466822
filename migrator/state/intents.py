"""The ledger's intents, inside a transaction of `ledger`: what is being appended, and what may still land."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, delete, insert, update
from sqlalchemy.orm import Session
from sqlmodel import col, select

from migrator.model.names import Address
from migrator.state.codes import uids_of, uids_text
from migrator.state.errors import IntentUnknown
from migrator.state.records import Direction, IntentKind, IntentRecord, NewIntent, Staged
from migrator.state.statements import upsert
from migrator.state.tables import FolderRow, IntentRow, StagedRow


def insert_new(session: Session, intent: NewIntent, at: datetime) -> int:
    """Open an intent; its id."""
    values = {
        "folder_id": intent.folder_id,
        "kind": intent.kind.value,
        "direction": intent.direction.value,
        "uidvalidity": intent.uidvalidity,
        "uidnext": intent.uidnext,
        "uids": uids_text(intent.uids),
        "opened": at,
        "open": True,
        "doubtful": False,
    }
    return session.execute(insert(IntentRow).returning(col(IntentRow.id)), values).scalar_one() or 0


def close(session: Session, ids: Sequence[int]) -> dict[int, int]:
    """Close open intents (only doubtful ones are kept); the folder of each. Raises IntentUnknown if one is not open."""
    chosen = col(IntentRow.id).in_(ids)
    found = session.execute(
        select(IntentRow.id, IntentRow.folder_id, IntentRow.doubtful).where(chosen, col(IntentRow.open).is_(True))
    ).all()
    unknown = set(ids) - {intent for intent, _, _ in found}
    if unknown:
        raise IntentUnknown(
            f"intents {sorted(unknown)} are not open: settled before, or their folder was dropped",
            remedy="Nothing was written. Run the same command again: it looks what is on the target.",
        )
    session.execute(delete(IntentRow).where(chosen, col(IntentRow.doubtful).is_(False)))
    if any(doubtful for _, _, doubtful in found):
        session.execute(delete(StagedRow).where(col(StagedRow.intent_id).in_(ids)))
        session.execute(update(IntentRow).where(chosen).values(open=False))
    return {intent or 0: folder for intent, folder, _ in found}


def mark_doubtful(session: Session, ids: Sequence[int]) -> None:
    """Keep these intents for good."""
    session.execute(update(IntentRow).where(col(IntentRow.id).in_(ids)).values(doubtful=True))


def still_open(session: Session, address: Address) -> tuple[IntentRecord, ...]:
    return _of(session, address, col(IntentRow.open).is_(True))


def ever_doubtful(session: Session, address: Address) -> tuple[IntentRecord, ...]:
    return _of(session, address, col(IntentRow.doubtful).is_(True))


def stage(session: Session, intent_id: int, staged: Sequence[Staged]) -> None:
    """Note what sits in staging; a message staged again replaces its earlier copy."""
    for one in staged:
        values = {
            "intent_id": intent_id,
            "origin_uid": one.origin_uid,
            "staged_uid": one.staged_uid,
            "digest": one.digest,
        }
        upsert(session, StagedRow, ["intent_id", "origin_uid"], values)


def staged(session: Session, intent_id: int) -> tuple[Staged, ...]:
    wanted = select(StagedRow).where(StagedRow.intent_id == intent_id).order_by(col(StagedRow.staged_uid))
    return tuple(Staged(row.origin_uid, row.staged_uid, row.digest) for row in session.scalars(wanted))


def _of(session: Session, address: Address, which: ColumnElement[bool]) -> tuple[IntentRecord, ...]:
    wanted = select(IntentRow).join(FolderRow).where(FolderRow.mailbox == address, which).order_by(col(IntentRow.id))
    return tuple(_record(address, row) for row in session.scalars(wanted))


def _record(address: Address, row: IntentRow) -> IntentRecord:
    return IntentRecord(
        id=row.id or 0,
        mailbox=address,
        folder_id=row.folder_id,
        kind=IntentKind(row.kind),
        direction=Direction(row.direction),
        uidvalidity=row.uidvalidity,
        uidnext=row.uidnext,
        uids=uids_of(row.uids),
        opened=row.opened,
        open=row.open,
        doubtful=row.doubtful,
    )
