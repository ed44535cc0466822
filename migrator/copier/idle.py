"""A mailbox in which nothing has happened: told by one look at each side, without the lease on the target."""

from migrator.copier.changes import Records, failing_folders, map_mailbox, record_of, records_of, unchanged
from migrator.copier.job import CopyJob
from migrator.copier.lanes import Lane
from migrator.copier.removal import mirrors, planned
from migrator.copier.snapshot import Snapshot, list_both
from migrator.copier.tally import Tally
from migrator.model.progress import PassReport


def nothing_to_do(job: CopyJob, lane: Lane) -> PassReport | None:
    """The report of a pass that has nothing to do, before the cutover; None where there is, or may be, something.

    Nothing is written, on either side, so no lease is needed. A pass that has something to do looks again under it.
    """
    ledger, address = job.ledger, job.mailbox.address
    if ledger.open_intents(address) or ledger.doubtful_intents(address) or failing_folders(job):
        return None
    if mirrors(job) and (plan := planned(job)) and (plan.remove or plan.held):
        return None
    return _idle(job, list_both(lane, job.folder_policy.rehearsal))


def _idle(job: CopyJob, snapshot: Snapshot) -> PassReport | None:
    if snapshot.source.has_staging or snapshot.target.has_staging or snapshot.target.has_lease:
        return None
    records, tally = records_of(job), Tally(job)
    places = map_mailbox(job, snapshot, records)
    if places.skipped or places.refused or _went(snapshot, records):
        return None
    for pair in places.pairs:
        record = record_of(job, records, pair.source, pair.target)
        if pair.note or not unchanged(job, snapshot, pair, record):
            return None
        tally.folder(record.source_messages)
    tally.behind = 0
    return tally.report()


def _went(snapshot: Snapshot, records: Records) -> bool:
    return any(not one.gone and name not in snapshot.source.folders for name, one in records.items())
