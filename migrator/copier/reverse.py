"""The way back: what arrived and changed on the target since the cutover goes to the source. Nothing is deleted."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from migrator.copier.adopt import ON_TARGET, forget_places, rematch_source
from migrator.copier.flags import carry_back_flags
from migrator.copier.folders import FolderPair, FolderPolicy, Rule, map_folders
from migrator.copier.lanes import Lane
from migrator.copier.left_out import NOWHERE
from migrator.copier.plan import CopyPolicy, KeptFlags, plan_copy
from migrator.copier.scan import canaries
from migrator.copier.strays import Lost, Stray, find_homes
from migrator.copier.transfer import transfer
from migrator.copier.work import FolderWork, Pass
from migrator.imap.errors import CommandRefused, FolderNameChanged
from migrator.model.message import MessageMeta
from migrator.model.names import FolderName
from migrator.state.records import Direction, FolderRecord, LedgerRow


@dataclass
class TargetFolder:
    """A target folder, where its mail goes back to, and what the ledger has paired in it."""

    pair: FolderPair  # source and target exchanged: from the target's name to the source's
    record: FolderRecord
    messages: Mapping[int, MessageMeta]
    rows: Mapping[int, LedgerRow]  # by source UID

    @property
    def paired(self) -> dict[int, LedgerRow]:
        """Rows by target UID, of messages that are there."""
        there = ((row.target_uid, row) for row in self.rows.values())
        return {uid: row for uid, row in there if uid is not None and uid in self.messages}

    @property
    def lost(self) -> list[LedgerRow]:
        """Rows of messages that are across, and not where the ledger put them."""
        return [r for r in self.rows.values() if r.outcome in ON_TARGET and r.target_uid not in self.messages]


def reverse_folders(shared: Pass) -> None:
    """Carry back new messages and changed flags. A folder that the source refuses is reported, and the pass goes on."""
    lane = shared.lanes.first
    shared.tally.folder(shared.snapshot.source.messages)
    folders = list(_folders(shared, lane))
    moved = _settle_strays(shared, lane, folders)
    for folder in folders:
        shared.lanes.checkpoint()
        _carry(shared, lane, folder, moved.get(folder.pair.source, frozenset()))
        carry_back_flags(shared, lane, folder.record, folder.messages, folder.paired)


def _folders(shared: Pass, lane: Lane) -> Iterator[TargetFolder]:
    """Every target folder, and the records whose target folder is gone (all their messages are lost there)."""
    snapshot, job = shared.snapshot, shared.job
    records = {r.target_name: r for r in job.ledger.folders(job.mailbox.address) if r.target_name != NOWHERE}
    places = map_folders(
        snapshot.target.listed,
        snapshot.source.listed,
        FolderPolicy(),
        (snapshot.target.namespace, snapshot.source.namespace),
        {target: record.source_name for target, record in records.items()},
    )
    for left in places.refused:
        shared.tally.warn(f"folder {left.source!r} cannot go back: {left.reason}")
    for pair in places.pairs:
        yield _look(shared, lane, pair, records.pop(pair.source, None))
    for record in records.values():
        pair = FolderPair(record.target_name, record.source_name, Rule.KNOWN, exists=False, subscribed=False)
        yield TargetFolder(pair, record, {}, _rows(shared, record))


def _look(shared: Pass, lane: Lane, pair: FolderPair, record: FolderRecord | None) -> TargetFolder:
    """Scan one target folder, and bring its record in line with what both folders are now."""
    if record is not None and pair.exists:
        selected = lane.source.examine(pair.target)
        if selected.uidvalidity != record.source_uidvalidity:
            record = rematch_source(shared, lane, record, selected.uidvalidity)
    found = lane.target.examine(pair.source)
    if record is None:
        record = FolderRecord(0, shared.job.mailbox.address, pair.target, pair.source)
    elif record.target_uidvalidity not in (0, found.uidvalidity):
        record = forget_places(shared, record)
    record = replace(record, target_uidvalidity=found.uidvalidity)
    messages = {message.uid: message for message in lane.target.scan("1:*")} if found.exists else {}
    return TargetFolder(pair, record, messages, _rows(shared, record))


def _rows(shared: Pass, record: FolderRecord) -> dict[int, LedgerRow]:
    return {row.source_uid: row for row in shared.job.ledger.rows(record.id)} if record.id else {}


def _settle_strays(shared: Pass, lane: Lane, folders: Sequence[TargetFolder]) -> dict[FolderName, frozenset[int]]:
    """Messages that the ledger knows, found where it does not expect them; by target folder, the UIDs not to carry.

    In their own folder they are paired again. In another one their user has moved them: the source keeps them where
    they are, and the report says so.
    """
    lost = [Lost(folder.record, row) for folder in folders for row in folder.lost]
    strays = [Stray(f.pair.source, uid) for f in folders for uid in f.messages.keys() - f.paired.keys()]
    homes = find_homes(lane, lost, strays) if lost and strays else {}
    at_home = [(s, one) for s, one in homes.items() if one.record.target_name == s.folder]
    job = shared.job
    job.ledger.commit(job.lease, rows=[(one.record.id, replace(one.row, target_uid=s.uid)) for s, one in at_home])
    for folder in folders:
        folder.rows = _rows(shared, folder.record)
    trips = Counter(
        (one.record.target_name, s.folder) for s, one in homes.items() if one.record.target_name != s.folder
    )
    for (was, now), count in trips.items():
        shared.tally.warn(f"{count} messages were moved by their user from {was!r} to {now!r}; the source keeps them")
    return {f.pair.source: frozenset(s.uid for s in homes if s.folder == f.pair.source) for f in folders}


def _carry(shared: Pass, lane: Lane, folder: TargetFolder, moved: frozenset[int]) -> None:
    """Append to the source what the ledger has not paired."""
    unpaired = sorted(folder.messages.keys() - folder.paired.keys() - moved)
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
    folder.record = shared.job.ledger.put_folder(
        replace(folder.record, source_uidvalidity=status.uidvalidity, gone=False), shared.job.lease
    )
    work = FolderWork(folder.record, Direction.REVERSE, status.uidvalidity, status.uidnext)
    transfer(shared, lane, work, plan.batches)
    shared.tally.folder(0, plan.messages - len(work.accounted))


def _make(shared: Pass, lane: Lane, folder: TargetFolder) -> bool:
    """See to it that the source has the folder."""
    pair = folder.pair
    if pair.exists:
        return True
    try:
        lane.source.create(pair.target, pair.special_use)
        if pair.subscribed:
            lane.source.subscribe(pair.target)
    except (CommandRefused, FolderNameChanged) as error:
        shared.tally.warn(f"folder {pair.source!r} cannot go back: {error}")
        shared.tally.folder(0, len(folder.messages))
        return False
    return True
