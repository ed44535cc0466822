"""One folder at work: where it comes from, where it goes, and what is known of it so far."""

import threading
from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from heapq import merge

from migrator.copier.job import CopyJob
from migrator.copier.lanes import Lane, Lanes
from migrator.copier.snapshot import Snapshot
from migrator.copier.tally import Tally
from migrator.imap import Session
from migrator.imap.vanished import BEYOND
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

    def top_known(self, work: "FolderWork") -> int:
        """The highest UID in the target folder of `work` that the ledger knows."""
        ledger = self.job.ledger
        same = [r.id for r in ledger.folders(self.job.mailbox.address) if r.target_name == work.destination_name]
        return max((ledger.standing(folder_id, 0).top_target_uid for folder_id in same), default=0)

    def known(self, work: "FolderWork") -> "array[int]":
        """UIDs in the receiving folder of `work` that the ledger knows, ascending; several source folders may go into
        one."""
        ledger = self.job.ledger
        same = [r.id for r in ledger.folders(self.job.mailbox.address) if work.name_there(r) == work.destination_name]
        if work.forward:
            return array("Q", merge(*(ledger.target_uids(folder_id) for folder_id in same)))
        found = [ledger.uids(folder_id, BEYOND) for folder_id in same]
        return array("Q", merge(*(uids for one in found for uids in (one.live, one.gone))))


@dataclass
class FolderWork:
    """`uidvalidity`, `uidnext`: of the receiving folder; all that this work has put there so far has a lower UID.

    `messages`: how many there are where they come from, as far as it was looked at, without those that went away during
    the pass; `pending`: UIDs of those that need an outcome and have none (I3). `looks` and `parts` (looks included) of
    the work are not through yet; `close` is called once, when nothing is left to be done, or to be waited for.
    """

    record: FolderRecord
    direction: Direction
    uidvalidity: int
    uidnext: int
    messages: int = 0
    pending: set[int] = field(default_factory=set)
    looks: int = 0
    parts: int = 0
    close: Callable[[], None] = field(default=lambda: None, repr=False)
    learning: threading.Lock = field(default_factory=threading.Lock, repr=False)  # by content, one lane at a time
    _closed: bool = False
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

    def more_parts(self, number: int, looks: int = 0) -> None:
        """So many parts of the work have been made out of what is at hand, `looks` of them looks."""
        with self._lock:
            self.parts += number
            self.looks += looks

    def looked(self) -> None:
        """One look is through."""
        with self._lock:
            self.looks -= 1
        self.settle_up()
        self.part_done()

    def part_done(self) -> None:
        """One part is through; after the last the work is over, whatever is pending."""
        with self._lock:
            self.parts -= 1
            over = self.parts == 0 and not self._closed
            self._closed |= over
        if over:
            self.close()

    def settle_up(self) -> None:
        """Close where every message has its outcome, and none is still to be looked at."""
        with self._lock:
            over = not (self.looks or self.pending or self._closed) and self.parts > 0
            self._closed |= over
        if over:
            self.close()
