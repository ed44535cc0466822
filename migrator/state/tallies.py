"""Sums over the ledger, and the messages that a person must look at, inside a transaction of `ledger`."""

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import Connection

from migrator.model.message import Grade, Mirrored, Outcome
from migrator.model.names import Address, FolderName
from migrator.state.codes import GRADE_CODES, GRADES, OUTCOME_CODES, OUTCOMES
from migrator.state.records import Counts, NotCarried
from migrator.state.text import run, some

# One walk along the primary key; folders come in by their number only then, or it is looked up for each message.
_SUMS = """
SELECT folder_id, outcome, gone, count(*), sum(size), sum(CASE WHEN reason = ? THEN 1 ELSE 0 END)
FROM message {which} GROUP BY folder_id, outcome, gone
"""
_SUMS_OF_ALL = _SUMS.format(which="")
_SUMS_OF_ONE = _SUMS.format(which="WHERE folder_id IN (SELECT id FROM folder WHERE mailbox = ?)")
_MAILBOXES = "SELECT id, mailbox FROM folder"
_NOT_CARRIED = """
SELECT mailbox, source_name, source_uid, outcome, reason, grade
FROM folder JOIN message ON folder_id = id
WHERE mailbox IN {addresses} AND message.gone = 0 AND (outcome IN (?, ?) OR grade IN (?, ?))
"""
_NOT_THERE = (OUTCOME_CODES[Outcome.SKIPPED], OUTCOME_CODES[Outcome.FAILED])
_ALTERED = (GRADE_CODES[Grade.L3], GRADE_CODES[Grade.L4])


def counts(connection: Connection, address: Address) -> Counts:
    """Counts of one mailbox."""
    return _counts(list(run(connection, _SUMS_OF_ONE, Mirrored.REMOVED.value, address)))


def counts_all(connection: Connection) -> dict[Address, Counts]:
    """Counts of every mailbox that has messages."""
    mailbox_of = dict(tuple(row) for row in run(connection, _MAILBOXES))
    sums: dict[Address, list[Sequence[int]]] = defaultdict(list)
    for found in run(connection, _SUMS_OF_ALL, Mirrored.REMOVED.value):
        sums[Address(mailbox_of[found[0]])].append(found)
    return {address: _counts(found) for address, found in sums.items()}


def _counts(sums: Sequence[Sequence[int]]) -> Counts:
    """From (folder id, outcome, gone, number, octets, removed)."""
    fields: dict[str, int] = defaultdict(int)
    for _, code, gone, number, octets, removed in sums:
        outcome = OUTCOMES[code]
        fields["gone" if gone else outcome.value] += number
        fields["removed"] += removed
        if not gone and outcome in (Outcome.COPIED, Outcome.PRESENT):
            fields["octets"] += int(octets)
    return Counts(**fields)


def not_carried(connection: Connection, addresses: Sequence[Address]) -> tuple[NotCarried, ...]:
    """Messages still on the source that were skipped, failed or altered, by address, folder and UID."""
    found = [
        NotCarried(
            Address(mailbox), FolderName(folder), uid, OUTCOMES[outcome], reason or "",
            None if grade is None else GRADES[grade],
        )
        for few, marks in some(addresses)
        for mailbox, folder, uid, outcome, reason, grade in run(
            connection, _NOT_CARRIED.format(addresses=marks), *few, *_NOT_THERE, *_ALTERED
        )
    ]  # fmt: skip
    return tuple(sorted(found, key=lambda one: (one.address, one.folder, one.uid)))
