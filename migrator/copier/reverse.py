"""The way back: what arrived and changed on the target since the cutover goes to the source. Nothing is deleted."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from migrator.copier.adopt import forget_places, rematch_source
from migrator.copier.flags import carry_back_flags
from migrator.copier.folders import FolderPair, FolderPolicy, Rule, map_folders
from migrator.copier.gmail import without_views
from migrator.copier.lanes import Lane
from migrator.copier.left_out import NOWHERE
from migrator.copier.plan import CopyPolicy, KeptFlags, plan_copy
from migrator.copier.scan import canaries
from migrator.copier.strays import Lost, Stray, find_homes
from migrator.copier.transfer import transfer
from migrator.copier.work import FolderWork, Pass
from migrator.imap.errors import CommandRefused, FolderNameChanged
from migrator.model.message import ON_TARGET, MessageMeta, Mirrored
from migrator.model.names import FolderName
from migrator.state.records import Direction, FolderRecord, LedgerRow


@dataclass
class TargetFolder:
    """A target folder, the source folder that its mail goes back to, and what the ledger has paired in it.

    `records`: of the source folders that went into it; more than one where the operator had them merged, and then new
    mail goes back to the first. `rows`: of each record, by its id.
    """

    pair: FolderPair  # source and target exchanged: from the target's name to the source's
    records: list[FolderRecord]
    messages: Mapping[int, MessageMeta]
    rows: Mapping[int, Sequence[LedgerRow]] = field(default_factory=dict)

    def paired(self, record: FolderRecord) -> dict[int, LedgerRow]:
        """A record's rows by target UID, of messages that are there."""
        there = ((row.target_uid, row) for row in self.rows.get(record.id, ()))
        return {uid: row for uid, row in there if uid is not None and uid in self.messages}

    @property
    def unpaired(self) -> set[int]:
        """UIDs of messages that no record has paired."""
        return set(self.messages).difference(*(self.paired(record) for record in self.records))

    @property
    def lost(self) -> list[Lost]:
        """Messages that are across and on the source, and not where the ledger put them."""
        return [
            Lost(record, row)
            for record in self.records
            for row in self.rows.get(record.id, ())
            if row.outcome in ON_TARGET and not row.gone and row.target_uid not in self.messages
        ]


def reverse_folders(shared: Pass) -> None:
    """Carry back new messages and changed flags. A folder that the source refuses is reported, and the pass goes on."""
    lane = shared.lanes.first
    shared.tally.folder(shared.snapshot.source.messages)
    folders = list(_folders(shared, lane))
    moved = _settle_strays(shared, lane, folders)
    for folder in folders:
        shared.lanes.checkpoint()
        for record in folder.records:
            carry_back_flags(shared, lane, record, folder.messages, folder.paired(record))
        _carry(shared, lane, folder, moved.get(folder.pair.source, frozenset()))


def _folders(shared: Pass, lane: Lane) -> Iterator[TargetFolder]:
    """Every target folder, and the records whose target folder is gone (all their messages are lost there)."""
    snapshot, job = shared.snapshot, shared.job
    records: dict[FolderName, list[FolderRecord]] = defaultdict(list)
    for record in job.ledger.folders(job.mailbox.address):
        if record.target_name != NOWHERE:
            records[record.target_name].append(record)
    places = map_folders(
        snapshot.target.listed,
        snapshot.source.listed,
        without_views(FolderPolicy(), snapshot.target.views),
        (snapshot.target.namespace, snapshot.source.namespace),
        {target: there[0].source_name for target, there in records.items()},
    )
    for left in places.refused:
        shared.tally.warn(f"folder {left.source!r} cannot go back: {left.reason}")
    for pair in places.pairs:
        yield _look(shared, lane, pair, records.pop(pair.source, []))
    for name, there in records.items():
        pair = FolderPair(name, there[0].source_name, Rule.KNOWN, exists=False, subscribed=False)
        yield TargetFolder(pair, there, {}, _rows(shared, there))


def _look(shared: Pass, lane: Lane, pair: FolderPair, records: Sequence[FolderRecord]) -> TargetFolder:
    """Scan one target folder, and bring its records in line with what the folders on both sides are now."""
    found = lane.target.examine(pair.source)
    messages = {message.uid: message for message in lane.target.scan("1:*")} if found.exists else {}
    true = [_true_record(shared, lane, record, found.uidvalidity) for record in records]
    if not true:
        true = [FolderRecord(0, shared.job.mailbox.address, pair.target, pair.source, 0, found.uidvalidity)]
    return TargetFolder(pair, true, messages, _rows(shared, true))


def _true_record(shared: Pass, lane: Lane, record: FolderRecord, target_uidvalidity: int) -> FolderRecord:
    """The record as it holds now. When the source folder is gone, nothing is paired: all its mail goes back."""
    ledger, lease = shared.job.ledger, shared.job.lease
    if record.source_name not in shared.snapshot.source.folders:
        ledger.drop_folder(record.id, lease)
        return FolderRecord(0, record.mailbox, record.source_name, record.target_name, 0, target_uidvalidity)
    selected = lane.source.examine(record.source_name)
    if selected.uidvalidity != record.source_uidvalidity:
        record = rematch_source(shared, lane, record, selected.uidvalidity)
    if record.target_uidvalidity not in (0, target_uidvalidity):
        record = forget_places(shared, record)
    return ledger.put_folder(replace(record, target_uidvalidity=target_uidvalidity), lease)


def _rows(shared: Pass, records: Sequence[FolderRecord]) -> dict[int, list[LedgerRow]]:
    return {record.id: shared.job.ledger.rows(record.id) for record in records if record.id}


def _settle_strays(shared: Pass, lane: Lane, folders: Sequence[TargetFolder]) -> dict[FolderName, frozenset[int]]:
    """Messages that the ledger knows, found where it does not expect them; by target folder, the UIDs not to carry.

    In their own folder they are paired again. In another one their user has moved them: the source keeps them where
    they are, and the report says so.
    """
    lost = [one for folder in folders for one in folder.lost]
    strays = [Stray(folder.pair.source, uid) for folder in folders for uid in sorted(folder.unpaired)]
    homes = find_homes(lane, lost, strays) if lost and strays else {}
    again = [(s, one) for s, one in homes.items() if one.record.target_name == s.folder]
    job = shared.job
    job.ledger.commit(job.lease, rows=[(one.record.id, _at_home(one.row, s.uid)) for s, one in again])
    for folder in folders:
        folder.rows = _rows(shared, folder.records)
    trips = Counter(
        (one.record.target_name, s.folder) for s, one in homes.items() if one.record.target_name != s.folder
    )
    for (was, now), count in trips.items():
        shared.tally.warn(f"{count} messages were moved by their user from {was!r} to {now!r}; the source keeps them")
    return {f.pair.source: frozenset(s.uid for s in homes if s.folder == f.pair.source) for f in folders}


def _at_home(row: LedgerRow, uid: int) -> LedgerRow:
    """Paired again: its user has put it there, so that it is not ours to remove any more."""
    return replace(row, target_uid=uid, reason=Mirrored.CARRIED_BACK)


def _carry(shared: Pass, lane: Lane, folder: TargetFolder, moved: frozenset[int]) -> None:
    """Append to the source what the ledger has not paired."""
    unpaired = sorted(folder.unpaired - moved)
    if not unpaired:
        return
    lane.target.examine(folder.pair.source)
    fresh = tuple(folder.messages[uid] for uid in unpaired)
    left_out = canaries(lane.target, fresh, shared.job.canary_tokens)
    plan = plan_copy(fresh, KeptFlags(), {}, CopyPolicy(flags=False), left_out)
    if not plan.batches or not _make(shared, lane, folder):
        return
    shared.job.progress.planned(shared.job.mailbox, plan.messages, plan.octets)
    status = lane.source.status(folder.pair.target)
    record = replace(folder.records[0], source_uidvalidity=status.uidvalidity, gone=False)
    record = shared.job.ledger.put_folder(record, shared.job.lease)
    work = FolderWork(record, Direction.REVERSE, status.uidvalidity, status.uidnext)
    work.expect(plan.messages, (uid for batch in plan.batches for uid in batch.uids))
    transfer(shared, lane, work, plan.batches)
    shared.tally.folder(0, len(work.pending))


def _make(shared: Pass, lane: Lane, folder: TargetFolder) -> bool:
    """See to it that the source has the folder."""
    pair = folder.pair
    if pair.exists:
        return True
    try:
        lane.source.create(pair.target, pair.attribute)
        if pair.subscribed:
            lane.source.subscribe(pair.target)
    except (CommandRefused, FolderNameChanged) as error:
        shared.tally.warn(f"folder {pair.source!r} cannot go back: {error}")
        shared.tally.folder(0, len(folder.messages))
        return False
    return True
