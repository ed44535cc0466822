"""Sums over the ledger, and the messages that a person must look at, inside a transaction of `ledger`."""

from collections import defaultdict
from collections.abc import Sequence

import sqlalchemy
from sqlalchemy import func, or_
from sqlalchemy.orm import Session
from sqlmodel import col, select

from migrator.model.message import Grade, Outcome
from migrator.model.names import Address, FolderName
from migrator.state.codes import GRADE_CODES, GRADES, OUTCOME_CODES, OUTCOMES
from migrator.state.records import Counts, NotCarried
from migrator.state.tables import FolderRow, MessageRow

_NOT_THERE = [OUTCOME_CODES[Outcome.SKIPPED], OUTCOME_CODES[Outcome.FAILED]]
_ALTERED = [GRADE_CODES[Grade.L3], GRADE_CODES[Grade.L4]]


def counts(session: Session, address: Address | None = None) -> dict[Address, Counts]:
    """Counts of one mailbox, or of all, by mailbox."""
    per_folder = _per_folder(session, address)
    mailbox_of = session.execute(select(FolderRow.id, FolderRow.mailbox)).all()
    sums: dict[Address, defaultdict[str, int]] = {}
    for folder_id, mailbox in mailbox_of:
        for name, number in per_folder.get(folder_id or 0, {}).items():
            sums.setdefault(Address(mailbox), defaultdict(int))[name] += number
    return {mailbox: Counts(**found) for mailbox, found in sums.items()}


def _per_folder(session: Session, address: Address | None) -> dict[int, dict[str, int]]:
    """By folder id, the fields of Counts. One walk along the primary key."""
    folder, outcome_code, is_gone = col(MessageRow.folder_id), col(MessageRow.outcome), col(MessageRow.gone)
    wanted = sqlalchemy.select(folder, outcome_code, is_gone, func.count(), func.sum(col(MessageRow.size))).group_by(
        folder, outcome_code, is_gone
    )
    if address is not None:
        wanted = wanted.where(folder.in_(select(FolderRow.id).where(FolderRow.mailbox == address)))
    sums: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for folder_id, code, gone, number, octets in session.execute(wanted):
        outcome = OUTCOMES[code]
        sums[folder_id]["gone" if gone else outcome.value] += number
        if not gone and outcome in (Outcome.COPIED, Outcome.PRESENT):
            sums[folder_id]["octets"] += int(octets)
    return sums


def not_carried(session: Session, addresses: Sequence[Address]) -> tuple[NotCarried, ...]:
    """Messages still on the source that were skipped, failed or altered, by address, folder and UID."""
    wanted = (
        select(FolderRow.mailbox, FolderRow.source_name, MessageRow)
        .join(MessageRow, col(MessageRow.folder_id) == col(FolderRow.id))
        .where(col(FolderRow.mailbox).in_(addresses), MessageRow.gone == 0)
        .where(or_(col(MessageRow.outcome).in_(_NOT_THERE), col(MessageRow.grade).in_(_ALTERED)))
    )
    found = [_record(mailbox, name, row) for mailbox, name, row in session.execute(wanted)]
    return tuple(sorted(found, key=lambda one: (one.address, one.folder, one.uid)))


def _record(mailbox: str, folder: str, row: MessageRow) -> NotCarried:
    return NotCarried(
        address=Address(mailbox),
        folder=FolderName(folder),
        uid=row.source_uid,
        outcome=OUTCOMES[row.outcome],
        reason=row.reason or "",
        grade=None if row.grade is None else GRADES[row.grade],
    )
