"""Carrying out the mirror plan: intent, mark, expunge, evidence. Before the cutover, after everything is copied.

A message is removed only if both sides, asked again, agree: the source that it is gone, the target that it is as we
left it. A run that dies between mark and expunge leaves an open intent; the next pass takes the mark back before it
does anything else, and then decides anew. `take_out` is what happens between the intent and the evidence.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

from migrator.copier.folders import DeletionsPolicy
from migrator.copier.job import CopyJob, FolderChanged
from migrator.copier.left_out import NOWHERE
from migrator.copier.mirror import GoneIn, MirrorPlan, plan_mirror, removed_row
from migrator.copier.take_out import DELETED, Part, take_out
from migrator.copier.work import Pass
from migrator.imap import Session
from migrator.imap.scanning import Glance
from migrator.model.message import Mirrored
from migrator.state.records import (
    Direction,
    FolderRecord,
    IntentKind,
    IntentRecord,
    LedgerRow,
    NewIntent,
    Settled,
)

ROUND = 1000  # messages that are removed between two commits


def remove_gone(shared: Pass) -> None:
    """Remove from the target what went from the source, as the policy and the plan allow (never after the cutover)."""
    job = shared.job
    if not mirrors(job):
        return
    plan = planned(job)
    for folder in plan.held:
        shared.tally.warn(held(folder))
    if not plan.messages:
        return
    if not shared.lanes.first.target.has("UIDPLUS"):
        shared.tally.warn(
            f"{plan.messages} messages gone from the source stay on the target: its server has no UIDPLUS, "
            "so that none can be removed alone"
        )
        return
    for parts in _rounds(job, plan):
        shared.lanes.checkpoint()
        if confirmed := _still_gone(shared, parts):
            _remove(shared, confirmed)


def mirrors(job: CopyJob) -> bool:
    """Whether this pass removes anything at all."""
    return not job.after_cutover and job.folder_policy.deletions is DeletionsPolicy.MIRROR


def planned(job: CopyJob, newly: Mapping[int, int] = MappingProxyType({})) -> MirrorPlan:
    """The plan, from the ledger; `newly`: by folder id, how many more have gone that it does not know of yet."""
    address = job.mailbox.address
    counts = job.ledger.gone_counts(address)
    if not any(count.removable or newly.get(count.folder_id) for count in counts):
        return MirrorPlan()
    records = {record.id: record for record in job.ledger.folders(address)}
    moved = job.ledger.moved(address)
    folders = []
    for count in counts:
        if records[count.folder_id].target_name == NOWHERE:
            continue  # its operator left it out after it was copied: it has no counterpart any more
        more = newly.get(count.folder_id, 0)
        elsewhere = moved.get(count.folder_id, 0)
        folders.append(GoneIn(records[count.folder_id], count.live - more, count.removable + more, elsewhere))
    return plan_mirror(folders)


def held(folder: GoneIn) -> str:
    """What the report says of a folder from which too much went at once."""
    return (
        f"{folder.record.source_name}: {folder.lost} of {folder.live + folder.gone} messages went from the source at "
        "once; they stay on the target. If that is what their user wanted, delete them there before the cutover"
    )


def take_back(shared: Pass) -> None:
    """Half-done removals of a dead run: what is gone was removed; marks on the rest are taken away again."""
    job = shared.job
    intents = [i for i in job.ledger.open_intents(job.mailbox.address) if i.kind is IntentKind.REMOVAL]
    records = {record.id: record for record in job.ledger.folders(job.mailbox.address)} if intents else {}
    for intent in intents:
        rows = _unmark(shared, records[intent.folder_id], intent)
        job.ledger.commit(job.lease, settled=[Settled(intent.id, tuple(rows))])
        _count(shared, rows)


def _unmark(shared: Pass, record: FolderRecord, intent: IntentRecord) -> list[LedgerRow]:
    target = shared.lanes.first.target
    if record.target_name == NOWHERE:
        return []  # left out since: where it went is not known any more
    found = shared.job.ledger.rows_of(record.id, intent.uids)
    rows = {row.target_uid: row for row in found.values() if row.target_uid is not None and row.gone}
    now = _open(target, record, list(rows))
    if not now.uidvalidity and record.target_name in shared.snapshot.target.folders:
        raise FolderChanged(f"{record.target_name!r} on the target cannot be looked into, and it has marks of ours")
    if now.uidvalidity != intent.uidvalidity:
        return []  # made anew: none of ours is in it
    marked = [
        uid for uid, row in rows.items() if uid in now.messages and "\\Deleted" in now.messages[uid].flags - row.flags
    ]
    if marked:
        target.store(marked, DELETED, "-")
    return [removed_row(row) for uid, row in rows.items() if uid not in now.messages]


def _rounds(job: CopyJob, plan: MirrorPlan) -> Iterator[list[Part]]:
    """What is to be removed, up to ROUND messages at a time, from one folder or several."""
    parts: list[Part] = []
    room = ROUND
    for folder in plan.remove:
        after = 0
        while rows := job.ledger.removable(folder.record.id, after, room):
            after, room = rows[-1].source_uid, room - len(rows)
            parts.append((folder.record, rows))
            if not room:
                yield parts
                parts, room = [], ROUND
    if parts:
        yield parts


def _still_gone(shared: Pass, parts: Sequence[Part]) -> list[Part]:
    """Ask the source once more: those rows whose messages it does not show. In one round trip.

    A folder must be the one that the ledger knows, or not be there at all; what cannot be told is left for later.
    """
    there = shared.snapshot.source.folders
    asks = [(r.source_name, [row.source_uid for row in rows] if r.source_name in there else []) for r, rows in parts]
    confirmed = []
    for (record, rows), now in zip(parts, shared.lanes.first.source.glance(asks), strict=True):
        never_there = not now.uidvalidity and record.source_name not in there
        if never_there or now.uidvalidity == record.source_uidvalidity:
            confirmed.append((record, [row for row in rows if row.source_uid not in now.messages]))
    return [(record, rows) for record, rows in confirmed if rows]


def _remove(shared: Pass, parts: Sequence[Part]) -> None:
    """The intents of all folders, their removal, and the evidence."""
    job = shared.job
    intents = [
        NewIntent(
            record.id, IntentKind.REMOVAL, Direction.FORWARD, record.target_uidvalidity, 0,
            tuple(row.source_uid for row in rows),
        )
        for record, rows in parts
    ]  # fmt: skip
    ids = job.ledger.commit(job.lease, intents=intents)
    done = take_out(shared, parts)
    settled = [Settled(intent_id, tuple(done[record.id])) for intent_id, (record, _) in zip(ids, parts, strict=True)]
    job.ledger.commit(job.lease, settled=settled)
    _count(shared, [row for one in settled for row in one.rows])


def _open(target: Session, record: FolderRecord, uids: Sequence[int]) -> Glance:
    return target.glance([(record.target_name, uids)], select=True)[0]


def _count(shared: Pass, rows: Iterable[LedgerRow]) -> None:
    shared.tally.removed(sum(row.reason == Mirrored.REMOVED for row in rows))
