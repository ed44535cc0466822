"""Matching by content instead of UIDs: a target that is not empty at the first pass, and folders made anew."""

from collections.abc import Sequence
from dataclasses import replace

from migrator.copier.job import FolderChanged
from migrator.copier.lanes import Lane
from migrator.copier.match import look, match, match_digest
from migrator.copier.resolve import rows_of, unknown
from migrator.copier.work import FolderWork, Pass
from migrator.model.message import ON_NEITHER, ON_TARGET, Mirrored, Outcome
from migrator.state.records import FolderRecord, LedgerRow


def strangers(shared: Pass, lane: Lane, work: FolderWork) -> list[int]:
    """UIDs in the target folder that the ledger does not know, of what was there when the pass began.

    What came since is being put there by our own lanes.
    """
    listed = shared.snapshot.target.folders.get(work.destination_name)
    if listed and listed.status and listed.status.uidvalidity != work.uidvalidity:
        raise FolderChanged(f"{work.destination_name!r} was made anew during the pass")
    if not listed or not listed.status or not listed.status.messages:
        return []
    lane.target.examine(work.destination_name)
    found = unknown(lane.target, shared.known(work), 0)
    lane.target.unselect()
    return [uid for uid in found if uid < listed.status.uidnext]


def adopt(
    shared: Pass, lane: Lane, work: FolderWork, candidates: Sequence[int], there: Sequence[int]
) -> list[LedgerRow]:
    """Take what is on the target already into the ledger, one to one by content, so that it is not doubled.

    `candidates`: source UIDs without a row; the source folder is selected. `there`: what `strangers` found.
    """
    lane.target.examine(work.destination_name)
    arrived, wanted = look(lane.target, there), look(lane.source, candidates)
    found = rows_of(work, lane.source, lane.target, wanted, match(wanted, arrived))
    lane.target.unselect()
    rows = [replace(row, outcome=Outcome.PRESENT) for row in found.values()]
    shared.job.ledger.commit(shared.job.lease, rows=[(work.record.id, row) for row in rows])
    shared.tally.settled(rows)
    return rows


def forget_target(shared: Pass, record: FolderRecord) -> FolderRecord:
    """The target folder was made anew before the cutover: nothing of what the ledger says is there any more."""
    shared.job.ledger.drop_folder(record.id, shared.job.lease)
    return replace(record, id=0, source_uidnext=0, source_modseq=0, source_messages=0)


def forget_places(shared: Pass, record: FolderRecord) -> FolderRecord:
    """The same after the cutover, when its user did it: what was copied stays copied, only its UIDs are not known."""
    shared.tally.warn(f"{record.target_name}: made anew by its user; what was in it is not copied again")
    ledger, lease = shared.job.ledger, shared.job.lease
    rows = [replace(row, target_uid=None) for row in ledger.rows(record.id)]
    ledger.commit(lease, rows=[(record.id, row) for row in rows])
    return ledger.put_folder(replace(record, target_uidvalidity=0), lease)


def rematch_source(shared: Pass, lane: Lane, record: FolderRecord, uidvalidity: int) -> FolderRecord:
    """The source folder was made anew: its messages have new UIDs. Those that are in the ledger keep their rows.

    The source folder is selected. Messages that the ledger does not know are new mail. Rows without a message go, and
    their messages stay on the target: by content alone nobody can tell a deletion from an altered message.
    """
    ledger, lease = shared.job.ledger, shared.job.lease
    old = {row.source_uid: row for row in ledger.rows(record.id) if _placed(row)}
    found = look(lane.source, lane.source.uids())
    pairs = match_digest({uid: row.digest for uid, row in old.items()}, found)
    fresh = replace(record, source_uidvalidity=uidvalidity, source_uidnext=0, source_modseq=0, gone=False)
    ledger.renumber(fresh, [_renumbered(old[was], now) for was, now in pairs.items()], pairs, lease)
    left = sum(not row.gone for uid, row in old.items() if uid not in pairs)
    shared.tally.warn(
        f"{record.source_name}: made anew on the source (UIDVALIDITY): {len(pairs)} messages matched by content, "
        f"{len(found) - len(pairs)} new, {left} gone from it (they stay on the target)"
    )
    return fresh


def _placed(row: LedgerRow) -> bool:
    return row.outcome in ON_TARGET and bool(row.digest) and row.reason not in ON_NEITHER


def _renumbered(row: LedgerRow, uid: int) -> LedgerRow:
    """What was settled about a message that had gone is open again; where it came from is not."""
    reason = row.reason if row.reason == Mirrored.CARRIED_BACK else ""
    return replace(row, source_uid=uid, gone=False, reason=reason)
