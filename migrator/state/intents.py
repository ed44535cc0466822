"""The ledger's intents, inside a transaction of `ledger`: what is being appended, and what may still land."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, update
from sqlalchemy.orm import Session
from sqlmodel import col, select

from migrator.model.names import Address
from migrator.state.codes import uids_of
from migrator.state.records import Direction, IntentKind, IntentRecord, Staged
from migrator.state.statements import upsert
from migrator.state.tables import FolderRow, IntentRow, StagedRow


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
