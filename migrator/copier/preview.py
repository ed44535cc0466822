"""The dry run: what a pass would copy and remove, folder by folder. Writes nothing anywhere."""

from dataclasses import dataclass
from itertools import chain

from migrator.copier.changes import failing_folders, map_mailbox, record_of, records_of, unchanged
from migrator.copier.folders import FolderPair, Rule
from migrator.copier.job import CopyJob
from migrator.copier.lanes import Lane
from migrator.copier.mirror import MirrorPlan, may_be_removed
from migrator.copier.plan import CopyPlan, CopyPolicy, FolderPlan, KeptFlags, plan_copy, together
from migrator.copier.removal import mirrors, planned
from migrator.copier.scan import CHUNK, canaries, first_look, known, listed, to_list
from migrator.copier.snapshot import list_both
from migrator.model.wave import PassKind
from migrator.state.records import FolderRecord


@dataclass(frozen=True, slots=True)
class Preview:
    """What a pass would copy, and what it would remove from the target."""

    copy: CopyPlan
    mirror: MirrorPlan


def preview(job: CopyJob) -> Preview:
    """What `copy_mailbox` would do now. Only the source is looked into: a message that is on a target which is not
    empty counts as one to copy, and flags that the target does not keep count as changed; of what would be removed,
    messages that somebody touched on the target would stay. Of a reverse pass: messages on the target that the ledger
    has not paired, those included that their user only moved."""
    lane = Lane(job)
    try:
        plan = Preview(_plan_back(job, lane), MirrorPlan()) if job.kind is PassKind.REVERSE else _plan(job, lane)
    except BaseException:
        lane.abort()
        raise
    lane.close()
    return plan


def _plan(job: CopyJob, lane: Lane) -> Preview:
    snapshot, records, failing = list_both(lane, job.folder_policy.rehearsal), records_of(job), failing_folders(job)
    places = map_mailbox(job, snapshot, records)
    folders, gone = [], {}
    for pair in places.pairs:
        record = record_of(job, records, pair.source, pair.target)
        idle = pair.source not in failing and unchanged(job, snapshot, pair, record)
        plan, gone[record.id] = (FolderPlan(), 0) if idle else _folder(job, lane, pair, record)
        folders.append((pair, plan))
    left_out = tuple((left.source, left.reason) for left in (*places.skipped, *places.refused))
    for name, record in records.items():
        if name not in snapshot.source.folders and not record.gone:
            gone[record.id] = sum(map(may_be_removed, job.ledger.rows(record.id)))
    return Preview(CopyPlan(tuple(folders), left_out), planned(job, gone) if mirrors(job) else MirrorPlan())


def _folder(job: CopyJob, lane: Lane, pair: FolderPair, record: FolderRecord) -> tuple[FolderPlan, int]:
    """What would be copied, and how many messages of ours have newly gone from the source."""
    policy = CopyPolicy(flags=not job.after_cutover, deleted=job.folder_policy.deleted)
    selected = lane.source.examine(pair.source)
    same = bool(record.id) and record.source_uidvalidity == selected.uidvalidity
    record = record if same else FolderRecord(0, job.mailbox.address, pair.source, pair.target)
    listing = to_list(lane.source, selected, record, policy, CHUNK)
    looks = first_look(lane.source, job.ledger, selected, record, listing, policy)
    further = (listed(lane.source, job.ledger, record, part) for part in listing.parts[1:])
    plans, gone = [], 0
    for found in chain(looks, further):
        fresh = tuple(message for message in found.messages if message.uid not in found.rows)
        left_out = canaries(lane.source, fresh, job.canary_tokens)
        plans.append(plan_copy(found.messages, KeptFlags(), known(found.rows), policy, left_out))
        gone += sum(map(may_be_removed, job.ledger.rows_of(record.id, found.gone).values()))
    return together(plans), gone


def _plan_back(job: CopyJob, lane: Lane) -> CopyPlan:
    """Folder pairs are from the target to the source."""
    snapshot, records = list_both(lane), {record.target_name: record for record in records_of(job).values()}
    folders = []
    for folder in snapshot.target.listed:
        seen_elsewhere = folder.name in snapshot.target.views.names
        if folder.status is not None and folder.status.messages and not seen_elsewhere:
            record = records.get(folder.name, FolderRecord(0, job.mailbox.address, folder.name, folder.name))
            exists = record.source_name in snapshot.source.folders
            pair = FolderPair(folder.name, record.source_name, Rule.KNOWN, exists, folder.subscribed)
            folders.append((pair, _unpaired(job, lane, pair, record)))
    return CopyPlan(tuple(folders))


def _unpaired(job: CopyJob, lane: Lane, pair: FolderPair, record: FolderRecord) -> FolderPlan:
    selected = lane.target.examine(pair.source)
    same = bool(record.id) and record.target_uidvalidity == selected.uidvalidity
    paired = {row.target_uid for row in job.ledger.rows(record.id)} if same else set()
    fresh = tuple(message for message in lane.target.scan("1:*") if message.uid not in paired)
    left_out = canaries(lane.target, fresh, job.canary_tokens)
    return plan_copy(fresh, KeptFlags(), {}, CopyPolicy(flags=False), left_out)
