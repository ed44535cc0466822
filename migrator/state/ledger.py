"""The ledger of messages: skeleton."""

from collections.abc import Mapping, Sequence

from migrator.model.message import Flags
from migrator.model.names import Address
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


class Ledger:
    """What became of each message, and what is being attempted. All writes need the mailbox's lease (LeaseLost)."""

    def folders(self, address: Address) -> tuple[FolderRecord, ...]:
        raise NotImplementedError

    def put_folder(self, record: FolderRecord, lease: Lease) -> FolderRecord:
        """Insert (id 0; a folder of the same source name is updated) or update; the stored record, with its id."""
        raise NotImplementedError

    def drop_folder(self, folder_id: int, lease: Lease) -> None:
        """Forget a folder, its rows and its intents: its UIDVALIDITY changed, its UIDs mean nothing now."""
        raise NotImplementedError

    def rows(self, folder_id: int) -> list[LedgerRow]:
        """All rows of a folder (also the gone ones), by ascending source UID."""
        raise NotImplementedError

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
        raise NotImplementedError

    def open_intents(self, address: Address) -> tuple[IntentRecord, ...]:
        """Intents whose outcome is not known, oldest first."""
        raise NotImplementedError

    def doubtful_intents(self, address: Address) -> tuple[IntentRecord, ...]:
        """Intents, open or settled, that were ever marked doubtful, oldest first."""
        raise NotImplementedError

    def mark_doubtful(self, ids: Sequence[int], lease: Lease) -> None:
        """Their appends may still land later: remember these intents also when they are settled."""
        raise NotImplementedError

    def stage(self, intent_id: int, staged: Sequence[Staged], lease: Lease) -> None:
        """Journal what sits in the staging mailbox for an intent; forgotten when the intent is settled."""
        raise NotImplementedError

    def staged(self, intent_id: int) -> tuple[Staged, ...]:
        """What `stage` journalled, by staged UID."""
        raise NotImplementedError

    def update_flags(self, folder_id: int, flags: Sequence[tuple[int, Flags]], lease: Lease) -> None:
        """Note the flags (by source UID) that were carried to the target; unknown UIDs are ignored."""
        raise NotImplementedError

    def mark_gone(self, folder_id: int, source_uids: Sequence[int], lease: Lease) -> None:
        """These messages are no longer on the source; their rows stay."""
        raise NotImplementedError

    def counts(self, address: Address) -> Counts:
        raise NotImplementedError

    def counts_all(self) -> Mapping[Address, Counts]:
        """Counts of every mailbox that has a folder in the ledger."""
        raise NotImplementedError

    def failures(self, addresses: Sequence[Address]) -> tuple[NotCarried, ...]:
        """Skipped and failed messages that are still on the source, by address, folder, UID."""
        raise NotImplementedError

    def altered(self, addresses: Sequence[Address]) -> tuple[NotCarried, ...]:
        """Messages whose content the target changed (grades L3 and L4), by address, folder, UID."""
        raise NotImplementedError
