"""One source folder in a forward pass: look, plan, hand the slices to the lanes, close the books."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from migrator.copier.adopt import adopt, forget_places, forget_target, rematch_source
from migrator.copier.flags import set_flags
from migrator.copier.folders import FolderPair
from migrator.copier.job import FolderChanged
from migrator.copier.lanes import Lane
from migrator.copier.plan import Batch, CopyPolicy, FolderPlan, KeptFlags, Skip, plan_copy
from migrator.copier.scan import Scan, canaries, known, scan
from migrator.copier.transfer import transfer
from migrator.copier.work import FolderWork, Pass
from migrator.imap import Selected
from migrator.imap.errors import CommandRefused
from migrator.model.message import Outcome
from migrator.state.records import Direction, FolderRecord, LedgerRow

SLICE_BATCHES = 8  # what a lane takes at once: small enough that two lanes end together


@dataclass(frozen=True)
class Receiving:
    """The target folder as it is now; all zero when it is not there."""

    uidvalidity: int = 0
    uidnext: int = 1
    kept: KeptFlags = field(default_factory=KeptFlags)


class ForwardFolder:
    """Work on one pair of folders; `record` has id 0 when the ledger does not know it yet."""

    def __init__(self, shared: Pass, pair: FolderPair, record: FolderRecord, policy: CopyPolicy) -> None:
        self._shared, self._pair, self._policy = shared, pair, policy
        self._record = record
        self._target_anew = False

    def __call__(self, lane: Lane) -> None:
        """Look and plan in this lane; the copying becomes work for any lane."""
        self._shared.lanes.checkpoint()
        self._ask_both(lane)
        try:
            selected = lane.examine(self._pair.source)
        except CommandRefused as error:
            return self._shared.unreadable(self._pair.source, error)
        target = receiving(self._shared, lane, self._pair)
        rows = self._reconcile(lane, selected, target)
        work = FolderWork(self._record, Direction.FORWARD, target.uidvalidity, target.uidnext)
        found = scan(lane.source, selected, self._record, rows, self._policy)
        if found.fresh and self._may_be_there(target, rows):
            rows |= {row.source_uid: row for row in adopt(self._shared, lane, work, found.fresh, self._target_anew)}
        self._account(work, found, rows)
        self._start(lane, work, selected, self._plan(lane, found, target, rows))

    def _ask_both(self, lane: Lane) -> None:
        """Both folders are opened at once; each answer is read when it is asked for (see `receiving`)."""
        lane.source.examine_ahead(self._pair.source)
        if not self._shared.job.after_cutover:
            lane.target.select_ahead(self._pair.target)

    def _may_be_there(self, target: Receiving, rows: dict[int, LedgerRow]) -> bool:
        """Whether some of what is new may have been copied without us: at the first pass; later, before the cutover,
        when the target gave out UIDs that the ledger does not know (another workspace was here)."""
        if not self._record.source_uidnext:
            return True
        known = max((row.target_uid or 0 for row in rows.values()), default=0)
        return not self._shared.job.after_cutover and target.uidnext > known + 1

    def _reconcile(self, lane: Lane, selected: Selected, target: Receiving) -> dict[int, LedgerRow]:
        """Bring the record in line with what the folders are now; the rows that still hold, by source UID."""
        ledger, lease, record = self._shared.job.ledger, self._shared.job.lease, self._record
        if record.id and record.target_uidvalidity not in (0, target.uidvalidity) and target.uidvalidity:
            forget = forget_places if self._shared.job.after_cutover else forget_target
            record = forget(self._shared, record)
            self._target_anew = not self._shared.job.after_cutover
        if record.id and record.source_uidvalidity != selected.uidvalidity:
            record = rematch_source(self._shared, lane, record, selected.uidvalidity)
        wanted = replace(
            record,
            target_name=self._pair.target,
            source_uidvalidity=selected.uidvalidity,
            target_uidvalidity=target.uidvalidity or record.target_uidvalidity,
            gone=False,
        )
        self._record = ledger.put_folder(wanted, lease) if wanted != record or not record.id else record
        return {row.source_uid: row for row in ledger.rows(self._record.id)}

    def _plan(self, lane: Lane, found: Scan, target: Receiving, rows: dict[int, LedgerRow]) -> FolderPlan:
        fresh = tuple(message for message in found.messages if message.uid not in rows)
        left_out = canaries(lane.source, fresh, self._shared.job.canary_tokens)
        return plan_copy(found.messages, target.kept, known(rows), self._policy, left_out)

    def _account(self, work: FolderWork, found: Scan, rows: dict[int, LedgerRow]) -> None:
        """What must have an outcome at the end, and what has one already."""
        work.expected = set(found.live) | set(found.fresh)
        work.accounted = {uid for uid in work.expected if uid in rows}
        job = self._shared.job
        if found.gone:
            job.ledger.mark_gone(work.record.id, found.gone, job.lease)
        if found.back:
            job.ledger.commit(job.lease, rows=[(work.record.id, replace(rows[uid], gone=False)) for uid in found.back])

    def _start(self, lane: Lane, work: FolderWork, selected: Selected, plan: FolderPlan) -> None:
        shared = self._shared
        if plan.lost_flags:
            shared.tally.warn(
                f"{self._pair.target}: flags not kept by the target: {', '.join(sorted(plan.lost_flags))}"
            )
        self._skip(work, plan.skips)
        if plan.flags:
            set_flags(shared, lane, [(work, plan.flags)])
        if not plan.batches:
            return self._close(work, selected)
        if not work.uidvalidity:
            self._make_target(lane, work)
        shared.job.progress.planned(shared.job.mailbox, plan.messages, plan.octets)
        slices = [plan.batches[at : at + SLICE_BATCHES] for at in range(0, len(plan.batches), SLICE_BATCHES)]
        work.slices = len(slices)
        for one in reversed(slices):  # ahead of the folders that wait: their scans need not be held in memory yet
            shared.lanes.add(Slice(self, work, selected, one), next_up=True)

    def _make_target(self, lane: Lane, work: FolderWork) -> None:
        """After the cutover a folder is made only when late mail comes for it (I4)."""
        lane.target.create(self._pair.target, self._pair.attribute)
        status = lane.target.status(self._pair.target)
        work.uidvalidity, work.uidnext = status.uidvalidity, status.uidnext
        known = forget_places(self._shared, work.record) if work.record.target_uidvalidity else work.record
        record = replace(known, target_uidvalidity=status.uidvalidity)
        work.record = self._shared.job.ledger.put_folder(record, self._shared.job.lease)

    def _skip(self, work: FolderWork, skips: Sequence[Skip]) -> None:
        job = self._shared.job
        rows = [
            LedgerRow(s.message.uid, None, Outcome.SKIPPED, s.message.flags, b"", s.reason, s.message.size)
            for s in skips
        ]
        if rows:
            job.ledger.commit(job.lease, rows=[(work.record.id, row) for row in rows])
        work.account(rows)
        self._shared.tally.settled(rows)

    def close_slice(self, work: FolderWork, selected: Selected) -> None:
        """One slice is through; after the last the folder's books are closed."""
        if work.slice_done():
            self._close(work, selected)

    def _close(self, work: FolderWork, selected: Selected) -> None:
        """All UIDs below the folder's UIDNEXT are in the ledger now, or the difference is reported (I3)."""
        open_ones = work.expected - work.accounted - work.vanished
        messages = len(work.expected - work.vanished)
        self._shared.tally.folder(messages, len(open_ones))
        if not open_ones:
            modseq = selected.highestmodseq if self._policy.flags else work.record.source_modseq
            done = replace(work.record, source_uidnext=selected.uidnext, source_modseq=modseq, source_messages=messages)
            self._shared.job.ledger.put_folder(done, self._shared.job.lease)


@dataclass(frozen=True)
class Slice:
    """Some batches of a folder: what one lane does before it looks for other work."""

    folder: ForwardFolder
    work: FolderWork
    selected: Selected
    batches: tuple[Batch, ...]

    def __call__(self, lane: Lane) -> None:
        found = lane.examine(self.work.origin_name, again=False)
        if found.uidvalidity != self.selected.uidvalidity:
            raise FolderChanged(f"{self.work.origin_name!r} was made anew on the source during the pass")
        transfer(self.folder._shared, lane, self.work, self.batches)
        self.folder.close_slice(self.work, self.selected)


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
