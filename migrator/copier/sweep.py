"""Late appends of dead runs: what landed after somebody looked is taken away, before the target has a user."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from migrator.copier.lanes import Lane
from migrator.copier.match import look, match, same_message
from migrator.copier.resolve import by_folder, open_if_same, rows_of, unknown
from migrator.copier.work import FolderWork, Pass
from migrator.imap import Digests
from migrator.imap.errors import Unsupported
from migrator.model.message import ON_NEITHER
from migrator.state.records import Direction, IntentKind, IntentRecord, LedgerRow


@dataclass(frozen=True, slots=True)
class SweepReport:
    """`removed` surplus copies; `found` late copies that proved to be the only ones and are in the ledger now.

    `doubtful`: surplus copies that could not be removed (the target has no UIDPLUS).
    """

    removed: int = 0
    found: int = 0
    doubtful: int = 0

    def __add__(self, other: "SweepReport") -> "SweepReport":
        return SweepReport(self.removed + other.removed, self.found + other.found, self.doubtful + other.doubtful)


def sweep_folders(shared: Pass, lane: Lane) -> SweepReport:
    """Sweep the target folders of all intents that were ever doubtful. Only before the cutover."""
    job = shared.job
    intents = [i for i in job.ledger.doubtful_intents(job.mailbox.address) if _may_be_swept(i)]
    return sum((_sweep(shared, lane, work, group) for work, group in by_folder(shared, intents)), SweepReport())


def _may_be_swept(intent: IntentRecord) -> bool:
    return intent.kind is IntentKind.DIRECT and intent.direction is Direction.FORWARD and not intent.open


def _sweep(shared: Pass, lane: Lane, work: FolderWork, intents: Sequence[IntentRecord]) -> SweepReport:
    if not open_if_same(lane.target, work.destination_name, work.destination_uidvalidity):
        return SweepReport()  # made anew: it will be matched by content as a whole
    suspects = unknown(lane.target, shared.known(work), work.uidnext)
    if not suspects:
        return SweepReport()
    arrived = look(lane.target, suspects)
    uids = sorted(uid for intent in intents for uid in intent.uids)
    rows = shared.job.ledger.rows_of(work.record.id, uids)
    there = set(lane.target.present().among(row.target_uid for row in rows.values() if row.target_uid is not None))
    wanted = _source_digests(lane, work, uids)
    homeless = _homeless(wanted, rows, there)
    taken_in = _take_in(shared, lane, work, arrived, homeless)
    found = {row.target_uid for row in taken_in.values()}
    ours = [rows[uid] for uid in uids if uid in rows and rows[uid].digest]
    known = {row.digest for row in ours if row.target_uid in there or row.reason in ON_NEITHER}
    at_home = [digests for uid, digests in wanted.items() if uid not in homeless or uid in taken_in]
    surplus = [u for u, d in arrived.items() if u not in found and (d.l2 in known or same_message(d, at_home))]
    return _remove(shared, lane, work, surplus) + SweepReport(found=len(found))


def _source_digests(lane: Lane, work: FolderWork, uids: Sequence[int]) -> dict[int, Digests]:
    if not open_if_same(lane.source, work.origin_name, work.origin_uidvalidity):
        return {}
    return look(lane.source, uids)


def _homeless(wanted: Mapping[int, Digests], rows: Mapping[int, LedgerRow], there: set[int]) -> dict[int, Digests]:
    """Messages of which the ledger names no copy that is on the target."""
    return {uid: d for uid, d in wanted.items() if uid not in rows or rows[uid].target_uid not in there}


def _take_in(
    shared: Pass, lane: Lane, work: FolderWork, arrived: Mapping[int, Digests], homeless: Mapping[int, Digests]
) -> dict[int, LedgerRow]:
    """Late copies of messages that have no other get their rows; returned by source UID."""
    pairs = match(homeless, arrived)
    rows = rows_of(work, lane.source, lane.target, homeless, pairs)
    shared.job.ledger.commit(shared.job.lease, rows=[(work.record.id, row) for row in rows.values()])
    shared.tally.settled(rows.values())
    return rows


def _remove(shared: Pass, lane: Lane, work: FolderWork, surplus: Sequence[int]) -> SweepReport:
    if not surplus:
        return SweepReport()
    folder = work.destination_name
    lane.target.select(folder)
    lane.target.store(surplus, frozenset({"\\Deleted"}), "+")
    try:
        lane.target.expunge(surplus)
    except Unsupported:
        shared.tally.warn(f"{folder}: {len(surplus)} surplus copies marked \\Deleted; the server has no UIDPLUS")
        return SweepReport(doubtful=len(surplus))
    shared.tally.warn(f"{folder}: {len(surplus)} late copies of an interrupted run removed")
    return SweepReport(removed=len(surplus))
