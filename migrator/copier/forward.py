"""Source folders in a forward pass: look, plan, hand the slices to the lanes, close the books."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace

from migrator.copier.adopt import adopt, forget_places, forget_target, rematch_source
from migrator.copier.flags import set_flags
from migrator.copier.folders import FolderPair
from migrator.copier.job import FolderChanged, Side
from migrator.copier.lanes import Lane
from migrator.copier.plan import Batch, CopyPolicy, FolderPlan, KeptFlags, SetFlags, Skip, plan_copy
from migrator.copier.scan import (
    BEYOND,
    CHUNK,
    Found,
    Listing,
    Part,
    ask_ahead,
    canaries,
    first_look,
    known,
    listed,
    to_list,
    weight,
)
from migrator.copier.stream import Parcel
from migrator.copier.transfer import transfer
from migrator.copier.work import FolderWork, Pass
from migrator.imap.errors import CommandRefused
from migrator.model.message import Outcome
from migrator.model.names import FolderName
from migrator.state.records import Direction, FolderRecord, LedgerRow

SLICE_BATCHES = 8  # what a lane takes at once: small enough that two lanes end together
GROUP = 64  # folders looked at in one go: so many commands fit into any server's input buffer


@dataclass(frozen=True)
class Receiving:
    """The target folder as it is now; all zero when it is not there."""

    uidvalidity: int = 0
    uidnext: int = 1
    kept: KeptFlags = field(default_factory=KeptFlags)


class ForwardFolder:
    """Work on one pair of folders; `record` has id 0 when the ledger does not know it yet.

    First `ask`, then `look`, then `looked`; the copying becomes work for any lane.
    """

    def __init__(self, shared: Pass, pair: FolderPair, record: FolderRecord, policy: CopyPolicy) -> None:
        self._shared, self._pair, self._policy = shared, pair, policy
        self._record = record
        self._status = shared.snapshot.source.folders[pair.source].status
        self._target = Receiving()
        self._target_anew = False
        self._may_be_there = False  # some of what is new may have been copied without us
        self.work = FolderWork(record, Direction.FORWARD, 0, 1)

    @property
    def target(self) -> FolderName:
        """Where it goes."""
        return self._pair.target

    @property
    def weight(self) -> int:
        """How many messages the look will list."""
        return weight(self._status, self._record, self._policy) if self._status else 0

    def ask_source(self, lane: Lane) -> None:
        """Ask the source what `look` will ask."""
        lane.source.ahead.examine(self._pair.source)
        if self._status:
            ask_ahead(lane.source, self._shared.job.ledger, self._status, self._record, self._policy)

    def ask_target(self, lane: Lane) -> None:
        """Ask the target what `look` will ask."""
        if not self._shared.job.after_cutover:
            lane.target.ahead.select(self._pair.target)

    def look(self, lane: Lane) -> Sequence[SetFlags]:
        """Look and plan; slices are queued. The flags that are to be set before `looked` is called."""
        self._shared.lanes.checkpoint()
        try:
            self._selected = lane.examine(self._pair.source)
        except CommandRefused as error:
            self._shared.unreadable(self._pair.source, error)
            return ()
        self._target = receiving(self._shared, lane, self._pair)
        self._reconcile(lane)
        self.work = FolderWork(self._record, Direction.FORWARD, self._target.uidvalidity, self._target.uidnext, parts=1)
        self._may_be_there = self._copied_without_us()
        listing = self._to_list(lane)
        found = first_look(lane.source, self._shared.job.ledger, self._selected, self._record, listing, self._policy)
        flags = [change for one in found for change in self._start(lane, one)]
        self._further(listing.parts[1:])
        return flags

    def look_further(self, lane: Lane, parts: Sequence[Part]) -> None:
        """The next part of a folder that has too many messages to be looked at at once."""
        self._shared.lanes.checkpoint()
        self.open(lane)
        found = listed(lane.source, self._shared.job.ledger, self._record, parts[0])
        if flags := self._start(lane, found):
            set_flags(self._shared, lane, [(self.work, flags)])
        self._further(parts[1:])
        self.part_done()

    def _further(self, parts: Sequence[Part]) -> None:
        if parts:
            self.work.more_parts(1)
            self._shared.lanes.add(lambda lane: self.look_further(lane, parts), next_up=True)

    def open(self, lane: Lane) -> None:
        """Have the source folder open in this lane."""
        try:
            found = lane.examine(self._pair.source, again=False)
        except CommandRefused as error:
            raise FolderChanged(f"{self._pair.source!r} cannot be opened any more: {error}") from error
        if found.uidvalidity != self._selected.uidvalidity:
            raise FolderChanged(f"{self._pair.source!r} was made anew on the source during the pass")

    def part_done(self) -> None:
        """One part of the work is through; after the last the folder's books are closed."""
        if self.work.parts and self.work.part_done():
            self._close()

    def _to_list(self, lane: Lane) -> Listing:
        """What is on the target already is matched with all of the folder at once."""
        there = self._shared.snapshot.target.folders.get(self._pair.target)
        at_once = self._may_be_there and there and there.status and there.status.messages
        return to_list(lane.source, self._selected, self._record, self._policy, BEYOND if at_once else CHUNK)

    def _copied_without_us(self) -> bool:
        """Whether it may be so: at the first pass; later, before the cutover, when the target gave out UIDs that the
        ledger does not know (another workspace was here)."""
        if not self._record.source_uidnext:
            return True
        if self._shared.job.after_cutover:
            return False
        return self._target.uidnext > self._shared.job.ledger.standing(self._record.id, 0).top_target_uid + 1

    def _reconcile(self, lane: Lane) -> None:
        """Bring the record in line with what the folders are now."""
        ledger, lease, record = self._shared.job.ledger, self._shared.job.lease, self._record
        source, target = self._selected.uidvalidity, self._target.uidvalidity
        if record.id and record.target_uidvalidity not in (0, target) and target:
            forget = forget_places if self._shared.job.after_cutover else forget_target
            record = forget(self._shared, record)
            self._target_anew = not self._shared.job.after_cutover
        if record.id and record.source_uidvalidity != source:
            record = rematch_source(self._shared, lane, record, source)
        wanted = replace(
            record,
            target_name=self._pair.target,
            source_uidvalidity=source,
            target_uidvalidity=target or record.target_uidvalidity,
            gone=False,
        )
        self._record = ledger.put_folder(wanted, lease) if wanted != record or not record.id else record

    def _start(self, lane: Lane, found: Found) -> Sequence[SetFlags]:
        """Account for what was found, plan, and queue the slices; the flags that are to be set."""
        rows = dict(found.rows)
        if found.fresh and self._may_be_there:
            adopted = adopt(self._shared, lane, self.work, found.fresh, self._target_anew)
            rows |= {row.source_uid: row for row in adopted}
        self._account(found, {uid for uid in found.fresh if rows.get(uid) is found.rows.get(uid)})
        plan = self._plan(lane, found, rows)
        if plan.lost_flags:
            self._shared.tally.warn(
                f"{self._pair.target}: flags not kept by the target: {', '.join(sorted(plan.lost_flags))}"
            )
        self._skip(plan.skips)
        if plan.batches:
            self._queue(lane, plan)
        return plan.flags

    def _account(self, found: Found, pending: set[int]) -> None:
        """What must have an outcome at the end, what is gone, what is back."""
        job, record = self._shared.job, self.work.record
        self.work.expect(found.live + len(found.fresh), pending)
        if found.gone:
            job.ledger.mark_gone(record.id, found.gone, job.lease)
        if found.back:
            rows = job.ledger.rows_of(record.id, found.back).values()
            job.ledger.commit(job.lease, rows=[(record.id, replace(row, gone=False)) for row in rows])

    def _plan(self, lane: Lane, found: Found, rows: dict[int, LedgerRow]) -> FolderPlan:
        fresh = tuple(message for message in found.messages if message.uid not in rows)
        left_out = canaries(lane.source, fresh, self._shared.job.canary_tokens)
        return plan_copy(found.messages, self._target.kept, known(rows), self._policy, left_out)

    def _queue(self, lane: Lane, plan: FolderPlan) -> None:
        shared = self._shared
        if not self.work.uidvalidity:
            self._make_target(lane)
        shared.job.progress.planned(shared.job.mailbox, plan.messages, plan.octets)
        slices = [plan.batches[at : at + SLICE_BATCHES] for at in range(0, len(plan.batches), SLICE_BATCHES)]
        self.work.more_parts(len(slices))
        for one in slices:
            shared.lanes.add(Slice(shared, self, one), next_up=True, octets=sum(batch.octets for batch in one))

    def _make_target(self, lane: Lane) -> None:
        """After the cutover a folder is made only when late mail comes for it (I4)."""
        lane.target.create(self._pair.target, self._pair.attribute)
        status = lane.target.status(self._pair.target)
        work = self.work
        work.uidvalidity, work.uidnext = status.uidvalidity, status.uidnext
        known = forget_places(self._shared, work.record) if work.record.target_uidvalidity else work.record
        record = replace(known, target_uidvalidity=status.uidvalidity)
        work.record = self._shared.job.ledger.put_folder(record, self._shared.job.lease)

    def _skip(self, skips: Sequence[Skip]) -> None:
        job = self._shared.job
        rows = [
            LedgerRow(s.message.uid, None, Outcome.SKIPPED, s.message.flags, b"", s.reason, s.message.size)
            for s in skips
        ]
        if rows:
            job.ledger.commit(job.lease, rows=[(self.work.record.id, row) for row in rows])
        self.work.account(rows)
        self._shared.tally.settled(rows)

    def _close(self) -> None:
        """All UIDs below the folder's UIDNEXT are in the ledger now, or the difference is reported (I3)."""
        work, selected = self.work, self._selected
        self._shared.tally.folder(work.messages, len(work.pending))
        if not work.pending:
            modseq = selected.highestmodseq if self._policy.flags else work.record.source_modseq
            done = replace(
                work.record, source_uidnext=selected.uidnext, source_modseq=modseq, source_messages=work.messages
            )
            self._shared.job.ledger.put_folder(done, self._shared.job.lease)


@dataclass
class Looks:
    """Folders that are looked at in one go: all questions are sent, then the answers are read."""

    shared: Pass
    folders: Sequence[ForwardFolder]
    _asked: set[Side] = field(default_factory=set)

    def ask_source(self, lane: Lane) -> None:
        """Ask the source already; the look is then to be done in the same lane."""
        if "source" not in self._asked:
            self._asked.add("source")
            for folder in self.folders:
                folder.ask_source(lane)

    def ask_target(self, lane: Lane) -> None:
        """The same of the target."""
        if "target" not in self._asked:
            self._asked.add("target")
            for folder in self.folders:
                folder.ask_target(lane)

    def leave_out(self, targets: Collection[FolderName]) -> None:
        """Do not look at folders that go to one of `targets`."""
        self.folders = [folder for folder in self.folders if folder.target not in targets]

    def __call__(self, lane: Lane) -> None:
        """Look at the folders, set the flags that changed, and queue what is to be copied."""
        self.ask_source(lane)
        self.ask_target(lane)
        changes = [(folder, folder.look(lane)) for folder in self.folders]
        if flags := [(folder.work, some) for folder, some in changes if some]:
            set_flags(self.shared, lane, flags)
        for folder in self.folders:
            folder.part_done()


@dataclass(frozen=True)
class Slice:
    """Some batches of a folder: what one lane does before it looks for other work, or in one stream with the next."""

    shared: Pass
    folder: ForwardFolder
    batches: tuple[Batch, ...]

    def __call__(self, lane: Lane) -> None:
        """Copy it, and the slices that come up meanwhile."""
        if self.shared.job.staged:
            self.folder.open(lane)
        taken = [self]
        transfer(self.shared, lane, self.folder.work, self.batches, self._supply(taken))
        for one in taken:
            one.folder.part_done()

    def _supply(self, taken: "list[Slice]") -> Callable[[], Sequence[Parcel]]:
        def supply() -> Sequence[Parcel]:
            if not (one := self.shared.lanes.take_if(Slice)):
                return ()
            taken.append(one)
            return [Parcel(one.folder.work, batch) for batch in one.batches]

        return supply


def groups(shared: Pass, folders: Sequence[ForwardFolder]) -> Iterator[Looks]:
    """Folders in the same order, in groups that have no more to list than one look may hold."""
    group, listed = list[ForwardFolder](), 0
    for folder in folders:
        if group and (listed + folder.weight > CHUNK or len(group) == GROUP):
            yield Looks(shared, group)
            group, listed = [], 0
        group.append(folder)
        listed += folder.weight
    if group:
        yield Looks(shared, group)


def receiving(shared: Pass, lane: Lane, pair: FolderPair) -> Receiving:
    """Before the cutover the folder is there and gets selected; later it has a user, and is only looked at."""
    if not shared.job.after_cutover:
        found = lane.target.select(pair.target)
        lane.target.unselect()  # appending to the selected folder would make the server announce each message
        kept = KeptFlags(frozenset(f.lower() for f in found.permanent_flags), found.any_keyword)
        return Receiving(found.uidvalidity, found.uidnext, kept)
    try:
        status = lane.target.status(pair.target)
    except CommandRefused:
        return Receiving()
    return Receiving(status.uidvalidity, status.uidnext)
