"""The ledger: what became of each message, and what is being attempted. The hot path of a copy is `Ledger.commit`.

Message rows are written with executemany, in SQL text, through SQLAlchemy's connection: an ORM object a message
doubles the cost of a whole copy, and even its insert() shows. Nothing else here sees more than some rows a mailbox.
"""

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy.orm import Session

from migrator.model.message import Flags
from migrator.model.names import Address
from migrator.state import folders, intents, tallies
from migrator.state.codes import GRADE_CODES, GRADES, OUTCOME_CODES, OUTCOMES, flags_of, flags_text
from migrator.state.engine import Database, now
from migrator.state.leases import require
from migrator.state.records import (
    Counts,
    FolderRecord,
    IntentRecord,
    Lease,
    LedgerRow,
    NewIntent,
    NotCarried,
    Settled,
    Staged,
)

_COLUMNS = "folder_id, source_uid, target_uid, outcome, flags, digest, reason, size, grade, gone"
_PUT = f"""
INSERT INTO message ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (folder_id, source_uid) DO UPDATE SET
    target_uid = excluded.target_uid, outcome = excluded.outcome, flags = excluded.flags, digest = excluded.digest,
    reason = excluded.reason, size = excluded.size, grade = excluded.grade, gone = excluded.gone
"""
_GET = """
SELECT source_uid, target_uid, outcome, flags, digest, reason, size, grade, gone
FROM message WHERE folder_id = ? ORDER BY source_uid
"""
_SET_FLAGS = "UPDATE message SET flags = ? WHERE folder_id = ? AND source_uid = ?"
_SET_GONE = "UPDATE message SET gone = 1 WHERE folder_id = ? AND source_uid = ?"


class Ledger:
    """Every write needs the mailbox's lease, and raises LeaseLost, having written nothing, when it is not ours."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def folders(self, address: Address) -> tuple[FolderRecord, ...]:
        """The mailbox's folders, by source name."""
        with self._database.read() as session:
            return folders.of(session, address)

    def put_folder(self, record: FolderRecord, lease: Lease) -> FolderRecord:
        """Insert (id 0; a folder of the same source name is updated) or update; the stored record, with its id."""
        with self._database.write() as session:
            require(session, lease)
            return folders.put(session, record)

    def drop_folder(self, folder_id: int, lease: Lease) -> None:
        """Forget a folder, its rows and its intents: its UIDVALIDITY changed, so its UIDs mean nothing now."""
        with self._database.write() as session:
            require(session, lease)
            folders.drop(session, folder_id)

    def rows(self, folder_id: int) -> list[LedgerRow]:
        """All rows of a folder (also the gone ones), by ascending source UID."""
        with self._database.read() as session:
            found = session.connection().exec_driver_sql(_spelt(session, _GET), (folder_id,))
            return [
                LedgerRow(
                    uid, target, OUTCOMES[outcome], flags_of(flags), digest or b"", reason or "", size,
                    None if grade is None else GRADES[grade], bool(gone),
                )
                for uid, target, outcome, flags, digest, reason, size, grade, gone in found
            ]  # fmt: skip

    def commit(
        self,
        lease: Lease,
        settled: Sequence[Settled] = (),
        intents: Sequence[NewIntent] = (),
        rows: Sequence[tuple[int, LedgerRow]] = (),
    ) -> tuple[int, ...]:
        """Rows in, settled intents closed, new ones opened, in one durable transaction; the new intents' ids, in order.

        `rows` are (folder id, row) without an intent; a row replaces an earlier one of the same folder and source UID.
        """
        with self._database.write(durable=True) as session:
            require(session, lease)
            _put(session, rows)
            _settle(session, settled)
            return _open(session, intents)

    def open_intents(self, address: Address) -> tuple[IntentRecord, ...]:
        """Intents whose outcome is not known, oldest first."""
        with self._database.read() as session:
            return intents.still_open(session, address)

    def doubtful_intents(self, address: Address) -> tuple[IntentRecord, ...]:
        """Intents, open or settled, that were ever marked doubtful, oldest first."""
        with self._database.read() as session:
            return intents.ever_doubtful(session, address)

    def mark_doubtful(self, ids: Sequence[int], lease: Lease) -> None:
        """Their appends may still land after a look: remember these intents also when they are settled."""
        with self._database.write(durable=True) as session:
            require(session, lease)
            intents.mark_doubtful(session, ids)

    def stage(self, intent_id: int, staged: Sequence[Staged], lease: Lease) -> None:
        """Journal what sits in the staging mailbox for an intent; forgotten when the intent is settled."""
        with self._database.write(durable=True) as session:
            require(session, lease)
            intents.stage(session, intent_id, staged)

    def staged(self, intent_id: int) -> tuple[Staged, ...]:
        """What `stage` journalled for an open intent, by staged UID."""
        with self._database.read() as session:
            return intents.staged(session, intent_id)

    def update_flags(self, folder_id: int, flags: Iterable[tuple[int, Flags]], lease: Lease) -> None:
        """Note the flags, by source UID, that were carried over; UIDs that are not in the ledger are ignored."""
        self._change(lease, _SET_FLAGS, [(flags_text(found), folder_id, uid) for uid, found in flags])

    def mark_gone(self, folder_id: int, source_uids: Iterable[int], lease: Lease) -> None:
        """These messages are no longer on the source; their rows stay."""
        self._change(lease, _SET_GONE, [(folder_id, uid) for uid in source_uids])

    def counts(self, address: Address) -> Counts:
        """Messages of one mailbox, by outcome."""
        with self._database.read() as session:
            return tallies.counts(session, address).get(address, Counts())

    def counts_all(self) -> Mapping[Address, Counts]:
        """Messages of every mailbox that has any, by outcome."""
        with self._database.read() as session:
            return tallies.counts(session)

    def failures(self, addresses: Sequence[Address]) -> tuple[NotCarried, ...]:
        """Messages still on the source that were skipped, failed, or altered by the target (grades L3 and L4).

        By address, folder and UID. The outcome and the grade say which: canaries, for one, are skipped.
        """
        with self._database.read() as session:
            return tallies.not_carried(session, addresses)

    def _change(self, lease: Lease, statement: str, values: list[tuple[object, ...]]) -> None:
        if not values:
            return
        with self._database.write() as session:
            require(session, lease)
            session.connection().exec_driver_sql(_spelt(session, statement), values)


def _put(session: Session, rows: Sequence[tuple[int, LedgerRow]]) -> None:
    values = [
        (
            folder_id, row.source_uid, row.target_uid, OUTCOME_CODES[row.outcome], flags_text(row.flags),
            row.digest or None, row.reason or None, row.size, None if row.grade is None else GRADE_CODES[row.grade],
            int(row.gone),
        )
        for folder_id, row in rows
    ]  # fmt: skip
    if values:
        session.connection().exec_driver_sql(_spelt(session, _PUT), values)


def _settle(session: Session, settled: Sequence[Settled]) -> None:
    if not settled:
        return
    folder_of = intents.close(session, [one.intent_id for one in settled])
    _put(session, [(folder_of[one.intent_id], row) for one in settled for row in one.rows])


def _open(session: Session, new: Sequence[NewIntent]) -> tuple[int, ...]:
    at = now(session)
    return tuple(intents.insert_new(session, intent, at) for intent in new)


def _spelt(session: Session, statement: str) -> str:
    """The statement in the driver's own spelling of parameters."""
    return statement.replace("?", "%s") if session.get_bind().dialect.paramstyle == "format" else statement
