"""The ledger: what became of each message, and what is being attempted. The hot path of a copy is `Ledger.commit`."""

from array import array
from collections.abc import Iterable, Mapping, Sequence

from migrator.model.message import Flags
from migrator.model.names import Address
from migrator.state import folders, gone, intents, journal, looks, tallies
from migrator.state.codes import flags_text
from migrator.state.engine import Database
from migrator.state.leases import require
from migrator.state.records import (
    Counts,
    FolderRecord,
    GoneCounts,
    IntentRecord,
    Lease,
    LedgerRow,
    NewIntent,
    NotCarried,
    Settled,
    Staged,
    Standing,
    Uids,
)


class Ledger:
    """Every write needs the mailbox's lease, and raises LeaseLost, having written nothing, when it is not ours."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def folders(self, address: Address) -> tuple[FolderRecord, ...]:
        """The mailbox's folders, by source name."""
        with self._database.read_text() as connection:
            return folders.of(connection, address)

    def put_folder(self, record: FolderRecord, lease: Lease) -> FolderRecord:
        """Insert (id 0; a folder of the same source name is updated) or update; the stored record, with its id."""
        return self.put_folders([record], lease)[0]

    def put_folders(self, records: Sequence[FolderRecord], lease: Lease) -> tuple[FolderRecord, ...]:
        """The same for several, in one transaction; the stored records in the same order."""
        if not records:
            return ()
        with self._database.write_text() as connection:
            require(connection, lease)
            return folders.put(connection, records)

    def drop_folder(self, folder_id: int, lease: Lease) -> None:
        """Forget a folder, its rows and its intents: its UIDVALIDITY changed, so its UIDs mean nothing now."""
        with self._database.write_text() as connection:
            require(connection, lease)
            folders.drop(connection, folder_id)

    def rows(self, folder_id: int) -> list[LedgerRow]:
        """All rows of a folder (also the gone ones), by ascending source UID."""
        with self._database.read_text() as connection:
            return looks.rows(connection, folder_id)

    def rows_of(self, folder_id: int, uids: Sequence[int]) -> dict[int, LedgerRow]:
        """The rows of these source UIDs (also the gone ones), by source UID; one that has no row is left out."""
        with self._database.read_text() as connection:
            return looks.rows_of(connection, folder_id, uids)

    def rows_between(self, folder_id: int, first: int, last: int) -> list[LedgerRow]:
        """The rows with a source UID from `first` to `last` (also the gone ones), ascending."""
        with self._database.read_text() as connection:
            return looks.rows_between(connection, folder_id, first, last)

    def standing(self, folder_id: int, below: int) -> Standing:
        """A folder in figures; `live` counts source UIDs under `below`."""
        with self._database.read_text() as connection:
            return looks.standing(connection, folder_id, below)

    def failed(self, folder_id: int, below: int) -> list[int]:
        """Source UIDs under `below` of messages that failed and are still on the source, ascending."""
        with self._database.read_text() as connection:
            return looks.failed(connection, folder_id, below)

    def uids(self, folder_id: int, below: int) -> Uids:
        """Source UIDs under `below`; those of messages that are on neither side any more are left out."""
        with self._database.read_text() as connection:
            return looks.uids(connection, folder_id, below)

    def target_uids(self, folder_id: int) -> "array[int]":
        """Target UIDs that the rows name (also the gone ones), ascending."""
        with self._database.read_text() as connection:
            return looks.target_uids(connection, folder_id)

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
        with self._database.write_text(durable=True) as connection:
            require(connection, lease)
            journal.put_rows(connection, rows)
            for one in settled:
                journal.settle(connection, one)
            return tuple(journal.open_intent(connection, new) for new in intents)

    def open_intents(self, address: Address) -> tuple[IntentRecord, ...]:
        """Intents whose outcome is not known, oldest first."""
        with self._database.read_text() as connection:
            return intents.still_open(connection, address)

    def doubtful_intents(self, address: Address) -> tuple[IntentRecord, ...]:
        """Intents, open or settled, that were ever marked doubtful, oldest first."""
        with self._database.read_text() as connection:
            return intents.ever_doubtful(connection, address)

    def mark_doubtful(self, ids: Sequence[int], lease: Lease) -> None:
        """Their appends may still land after a look: remember these intents also when they are settled."""
        if not ids:
            return
        with self._database.write_text(durable=True) as connection:
            require(connection, lease)
            intents.mark_doubtful(connection, ids)

    def stage(self, intent_id: int, staged: Sequence[Staged], lease: Lease) -> None:
        """Journal what sits in the staging mailbox for an intent; forgotten when the intent is settled."""
        with self._database.write_text(durable=True) as connection:
            require(connection, lease)
            intents.stage(connection, intent_id, staged)

    def staged(self, intent_id: int) -> tuple[Staged, ...]:
        """What `stage` journalled for an open intent, by staged UID."""
        with self._database.read_text() as connection:
            return intents.staged(connection, intent_id)

    def update_flags(self, flags: Iterable[tuple[int, int, Flags]], lease: Lease) -> None:
        """Note the flags that were carried over, each with folder id and source UID; what has no row is ignored."""
        values = [(flags_text(found), folder_id, uid) for folder_id, uid, found in flags]
        if not values:
            return
        with self._database.write_text() as connection:
            require(connection, lease)
            journal.set_flags(connection, values)

    def mark_gone(self, folder_id: int, source_uids: Iterable[int], lease: Lease) -> None:
        """These messages are no longer on the source; their rows stay."""
        values = [(folder_id, uid) for uid in source_uids]
        with self._database.write_text() as connection:
            require(connection, lease)
            journal.set_gone(connection, values)

    def gone_counts(self, address: Address) -> tuple[GoneCounts, ...]:
        """For each folder that has rows, what is gone from the source and was put on the target by us."""
        with self._database.read_text() as connection:
            return gone.counts(connection, address)

    def moved(self, address: Address) -> Mapping[int, int]:
        """By folder id, how many of the removable rows are of messages that are on both sides in another place."""
        with self._database.read_text() as connection:
            return gone.moved(connection, address)

    def removable(self, folder_id: int, after: int, most: int) -> list[LedgerRow]:
        """Up to `most` removable rows of a folder with source UIDs above `after`, ascending."""
        with self._database.read_text() as connection:
            return gone.removable(connection, folder_id, after, most)

    def renumber(self, record: FolderRecord, rows: Sequence[LedgerRow], uids: Mapping[int, int], lease: Lease) -> None:
        """The source gave its messages new UIDs: `rows` replace all rows of the folder, in one durable transaction.

        `uids`: from an old UID to the new one. Doubtful intents are about the new ones from now on.
        """
        with self._database.write_text(durable=True) as connection:
            require(connection, lease)
            folders.put(connection, [record])
            journal.drop_rows(connection, record.id)
            journal.put_rows(connection, [(record.id, row) for row in rows])
            intents.renumber(connection, record.id, uids)

    def counts(self, address: Address) -> Counts:
        """Messages of one mailbox, by outcome."""
        with self._database.read_text() as connection:
            return tallies.counts(connection, address)

    def counts_all(self) -> Mapping[Address, Counts]:
        """Messages of every mailbox that has any, by outcome."""
        with self._database.read_text() as connection:
            return tallies.counts_all(connection)

    def failures(self, addresses: Sequence[Address]) -> tuple[NotCarried, ...]:
        """Messages still on the source that were skipped, failed, or altered by the target (grades L3 and L4).

        By address, folder and UID. The outcome and the grade say which: canaries, for one, are skipped.
        """
        with self._database.read_text() as connection:
            return tallies.not_carried(connection, addresses)
