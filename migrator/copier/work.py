"""One folder at work: where it comes from, where it goes, and what is known of it so far."""

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field

from migrator.copier.job import CopyJob
from migrator.copier.lanes import Lane, Lanes
from migrator.copier.snapshot import Snapshot
from migrator.copier.tally import Tally
from migrator.imap import Session
from migrator.model.errors import MigratorError
from migrator.model.message import MessageMeta, Mirrored, Outcome
from migrator.model.names import FolderName
from migrator.state.records import Direction, FolderRecord, LedgerRow


@dataclass(frozen=True)
class Pass:
    """What all parts of one pass share."""

    job: CopyJob
    lanes: Lanes
    tally: Tally
    snapshot: Snapshot

    def unreadable(self, name: FolderName, error: MigratorError) -> None:
        """The source does not open this folder: its messages have no outcome, and the pass goes on with the others."""
        listed = self.snapshot.source.folders[name].status
        messages = listed.messages if listed else 1  # not even a count: something is unaccounted for
        self.tally.folder(messages, messages)
        self.tally.warn(f"folder {name!r} cannot be read: {error}")

    def known(self, work: "FolderWork") -> set[int]:
        """UIDs in the receiving folder of `work` that the ledger knows; several source folders may go into one."""
        records = self.job.ledger.folders(self.job.mailbox.address)
        same = [r.id for r in records if work.name_there(r) == work.destination_name]
        if work.forward:
            return {uid for folder_id in same for uid in self.job.ledger.target_uids(folder_id)}
        return {row.source_uid for folder_id in same for row in self.job.ledger.rows(folder_id)}


@dataclass
class FolderWork:
    """`uidvalidity`, `uidnext`: of the receiving folder; all that is known to be there has a lower UID.

    `messages`: how many there are where they come from, as far as it was looked at, without those that went away during
    the pass; `pending`: UIDs of those that need an outcome and have none (I3). `parts` of the work are not through yet.
    """

    record: FolderRecord
    direction: Direction
    uidvalidity: int
    uidnext: int
    messages: int = 0
    pending: set[int] = field(default_factory=set)
    parts: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def forward(self) -> bool:
        return self.direction is Direction.FORWARD

    @property
    def origin_name(self) -> FolderName:
        return self.record.source_name if self.forward else self.record.target_name

    @property
    def destination_name(self) -> FolderName:
        return self.record.target_name if self.forward else self.record.source_name

    def name_there(self, record: FolderRecord) -> FolderName:
        """The receiving folder of another record in the same direction."""
        return record.target_name if self.forward else record.source_name

    @property
    def destination_uidvalidity(self) -> int:
        return self.record.target_uidvalidity if self.forward else self.record.source_uidvalidity

    @property
    def origin_uidvalidity(self) -> int:
        return self.record.source_uidvalidity if self.forward else self.record.target_uidvalidity

    def ends(self, lane: Lane) -> tuple[Session, Session]:
        """The connections to read from and to write to."""
        return (lane.source, lane.target) if self.forward else (lane.target, lane.source)

    def mover(self, lane: Lane) -> Session:
        """The connection that moves staged messages."""
        return lane.mover("target" if self.forward else "source")

    def row(self, message: MessageMeta, placed: int, digest: bytes, size: int) -> LedgerRow:
        """The row of a message that was copied and now has the UID `placed` where it went."""
        source, target = (message.uid, placed) if self.forward else (placed, message.uid)
        reason = "" if self.forward else Mirrored.CARRIED_BACK
        return LedgerRow(source, target, Outcome.COPIED, message.flags, digest, reason, size)

    def placed(self, uids: Iterable[int | None]) -> None:
        """The receiving folder gave out these UIDs."""
        with self._lock:
            self.uidnext = max([self.uidnext, *(uid + 1 for uid in uids if uid is not None)])

    def expect(self, messages: int, fresh: Iterable[int]) -> None:
        """A look found so many messages more; the `fresh` ones among them need an outcome."""
        with self._lock:
            self.messages += messages
            self.pending.update(fresh)

    def account(self, rows: Iterable[LedgerRow]) -> None:
        """These rows are in the ledger."""
        with self._lock:
            self.pending.difference_update(row.source_uid if self.forward else row.target_uid for row in rows)

    def vanished(self, uid: int) -> None:
        """This message went away while it was to be copied."""
        with self._lock:
            self.messages -= 1
            self.pending.discard(uid)

    def more_parts(self, number: int) -> None:
        """So many parts of the work have been made out of what is at hand."""
        with self._lock:
            self.parts += number

    def part_done(self) -> bool:
        """One part is through; whether it was the last."""
        with self._lock:
            self.parts -= 1
            return self.parts == 0
