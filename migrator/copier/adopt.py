"""Matching by content instead of UIDs: a target that is not empty at the first pass, and folders made anew."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from migrator.copier.lanes import Lane
from migrator.copier.match import look, match, match_digest
from migrator.copier.resolve import rows_of, unknown
from migrator.copier.work import FolderWork, Pass
from migrator.model.message import Outcome
from migrator.state.records import FolderRecord, LedgerRow

ON_TARGET = frozenset({Outcome.COPIED, Outcome.PRESENT})


def adopt(shared: Pass, lane: Lane, work: FolderWork, candidates: Sequence[int]) -> list[LedgerRow]:
    """Take what is on the target already into the ledger, one to one by content, so that it is not doubled.

    `candidates`: source UIDs without a row; the source folder is selected. Only what was on the target when the pass
    began is looked at: what came since is being put there by our own lanes.
    """
    listed = shared.snapshot.target.folders.get(work.destination_name)
    if not listed or not listed.status or not listed.status.messages:
        return []
    lane.target.examine(work.destination_name)
    there = [uid for uid in unknown(lane.target, shared.known(work), 0) if uid < listed.status.uidnext]
    found = {}
    if there:
        arrived, wanted = look(lane.target, there), look(lane.source, candidates)
        found = rows_of(work, lane.source, lane.target, wanted, match(wanted, arrived))
    lane.target.unselect()
    rows = [replace(row, outcome=Outcome.PRESENT) for row in found.values()]
    shared.job.ledger.commit(shared.job.lease, rows=[(work.record.id, row) for row in rows])
    shared.tally.settled(rows)
    return rows


def forget_target(shared: Pass, record: FolderRecord) -> FolderRecord:
    """The target folder was made anew before the cutover: nothing of what the ledger says is there any more."""
    shared.tally.warn(f"{record.target_name}: made anew on the target (UIDVALIDITY); its content is matched afresh")
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

    The source folder is selected. Messages that the ledger does not know are new mail; rows without a message go.
    """
    ledger, lease = shared.job.ledger, shared.job.lease
    shared.tally.warn(f"{record.source_name}: made anew on the source (UIDVALIDITY); its content is matched afresh")
    old = {row.source_uid: row for row in ledger.rows(record.id) if row.outcome in ON_TARGET and row.digest}
    rows = _renumbered(old, lane)
    ledger.drop_folder(record.id, lease)
    fresh = ledger.put_folder(
        replace(record, id=0, source_uidvalidity=uidvalidity, source_uidnext=0, source_modseq=0, gone=False), lease
    )
    ledger.commit(lease, rows=[(fresh.id, row) for row in rows])
    return fresh


def _renumbered(old: Mapping[int, LedgerRow], lane: Lane) -> list[LedgerRow]:
    found = look(lane.source, lane.source.uids())
    pairs = match_digest({uid: row.digest for uid, row in old.items()}, found)
    return [replace(old[was], source_uid=now, gone=False) for was, now in pairs.items()]
