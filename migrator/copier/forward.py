"""Source folders in a forward pass: look, plan, hand the slices to the lanes, close the books."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from migrator.copier.adopt import adopt, forget_places, forget_target, rematch_source, strangers
from migrator.copier.flags import set_flags
from migrator.copier.folders import FolderPair
from migrator.copier.job import FolderChanged
from migrator.copier.lanes import Lane
from migrator.copier.plan import Batch, CopyPolicy, FolderPlan, SetFlags, Skip, plan_copy
from migrator.copier.receiving import Receiving, receiving
from migrator.copier.scan import (
    CHUNK,
    Found,
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
from migrator.imap.vanished import BEYOND
from migrator.model.message import Outcome
from migrator.model.names import FolderName
from migrator.state.records import Direction, FolderRecord, LedgerRow

SLICE_BATCHES = 8  # what a lane takes at once: small enough that two lanes end together


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
        self._strangers: Sequence[int] = ()  # UIDs on the target that the ledger does not know: some of what is new?
        self._matched = self._fresh = 0
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
        if lane.source.ahead.examine(self._pair.source) and self._status:
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
        target = self._target
        self.work = FolderWork(
            self._record, Direction.FORWARD, target.uidvalidity, target.uidnext, looks=1, parts=1, close=self._close
        )
        return self._look(lane)

    def _look(self, lane: Lane) -> Sequence[SetFlags]:
        if self._copied_without_us():
            self._strangers = strangers(self._shared, lane, self.work)
        at_once = BEYOND if self._strangers else CHUNK  # content is matched with all of the folder
        listing = to_list(lane.source, self._selected, self._record, self._policy, at_once)
        flags: list[SetFlags] = []
        ledger = self._shared.job.ledger
        for found in first_look(lane.source, ledger, self._selected, self._record, listing, self._policy):
            flags += self._start(lane, found)
            if len(flags) > CHUNK:
                set_flags(self._shared, lane, [(self.work, flags)])
                flags = []
        self._further(listing.parts[1:])
        return flags

    def looked(self) -> None:
        """The flags are set. Where all messages have their outcome, the folder's books are closed."""
        if self.work.looks:  # 0: it could not be opened
            self.work.looked()

    def look_further(self, lane: Lane, parts: Sequence[Part]) -> None:
        """The next part of a folder that has too many messages to be looked at at once."""
        self._shared.lanes.checkpoint()
        self.open(lane)
        found = listed(lane.source, self._shared.job.ledger, self._record, parts[0])
        if flags := self._start(lane, found):
            set_flags(self._shared, lane, [(self.work, flags)])
        self._further(parts[1:])
        self.work.looked()

    def _further(self, parts: Sequence[Part]) -> None:
        if parts:
            self.work.more_parts(1, looks=1)
            self._shared.lanes.add(lambda lane: self.look_further(lane, parts), next_up=True)

    def open(self, lane: Lane) -> None:
        """Have the source folder open in this lane."""
        try:
            found = lane.examine(self._pair.source, again=False)
        except CommandRefused as error:
            raise FolderChanged(f"{self._pair.source!r} cannot be opened any more: {error}") from error
        if found.uidvalidity != self._selected.uidvalidity:
            raise FolderChanged(f"{self._pair.source!r} was made anew on the source during the pass")

    def _copied_without_us(self) -> bool:
        """Whether it may be so: at the first pass; later, before the cutover, when the target gave out UIDs that the
        ledger does not know (another workspace was here)."""
        if not self._record.source_uidnext:
            return True
        if self._shared.job.after_cutover:
            return False
        return self._target.uidnext > self._shared.top_known(self.work) + 1

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
        self._fresh += len(found.fresh)
        if found.fresh and self._strangers:
            adopted = adopt(self._shared, lane, self.work, found.fresh, self._strangers)
            rows |= {row.source_uid: row for row in adopted}
            self._strangers = sorted(set(self._strangers) - {row.target_uid for row in adopted})
            self._matched += len(adopted)
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
        was = forget_places(self._shared, work.record) if work.record.target_uidvalidity else work.record
        record = replace(was, target_uidvalidity=status.uidvalidity)
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
        if self._target_anew:
            matched, fresh = self._matched, self._fresh
            self._shared.tally.warn(
                f"{self._pair.target}: made anew on the target (UIDVALIDITY): {matched} of {fresh} messages matched by "
                f"content, {fresh - matched} to be copied, {len(self._strangers)} of another origin left alone"
            )
        if not work.pending:
            modseq = selected.highestmodseq if self._policy.flags else work.record.source_modseq
            done = replace(
                work.record, source_uidnext=selected.uidnext, source_modseq=modseq, source_messages=work.messages
            )
            self._shared.job.ledger.put_folder(done, self._shared.job.lease)


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
        works = [self.folder.work]
        transfer(self.shared, lane, self.folder.work, self.batches, self._supply(works))
        for work in works:
            work.part_done()

    def _supply(self, works: list[FolderWork]) -> Callable[[], Sequence[Parcel]]:
        def supply() -> Sequence[Parcel]:
            if not (one := self.shared.lanes.take_if(Slice)):
                return ()
            works.append(one.folder.work)
            return [Parcel(one.folder.work, batch) for batch in one.batches]

        return supply
