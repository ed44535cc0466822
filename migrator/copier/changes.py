"""Which folders a forward pass has to look into: read from LIST and the ledger alone."""

from collections.abc import Mapping

from migrator.copier.folders import FolderMap, FolderPair, map_folders
from migrator.copier.gmail import without_views
from migrator.copier.job import CopyJob
from migrator.copier.left_out import known_places
from migrator.copier.snapshot import Snapshot
from migrator.imap import Folder, Status
from migrator.model.message import Outcome
from migrator.model.names import FolderName
from migrator.state.records import FolderRecord

Records = Mapping[FolderName, FolderRecord]  # by source name


def records_of(job: CopyJob) -> Records:
    """What the ledger knows of the mailbox's folders."""
    return {record.source_name: record for record in job.ledger.folders(job.mailbox.address)}


def record_of(job: CopyJob, records: Records, source: FolderName, target: str = "") -> FolderRecord:
    """The record of one source folder; a new one, with id 0, when the ledger does not know it."""
    return records.get(source, FolderRecord(0, job.mailbox.address, source, FolderName(target)))


def map_mailbox(job: CopyJob, snapshot: Snapshot, records: Records) -> FolderMap:
    """Where each source folder goes; INBOX first."""
    places = map_folders(
        snapshot.source.listed,
        snapshot.target.listed,
        without_views(job.folder_policy, snapshot.source.views),
        (snapshot.source.namespace, snapshot.target.namespace),
        known_places(tuple(records.values())),
    )
    order = sorted(places.pairs, key=lambda pair: (pair.source.upper() != "INBOX", pair.source))
    return FolderMap(tuple(order), places.skipped, places.refused)


def failing_folders(job: CopyJob) -> set[FolderName]:
    """Source folders with messages that failed, which each pass tries again."""
    return {one.folder for one in job.ledger.failures([job.mailbox.address]) if one.outcome is Outcome.FAILED}


def unchanged(job: CopyJob, snapshot: Snapshot, pair: FolderPair, record: FolderRecord) -> bool:
    """Whether both sides say that nothing happened since the ledger was last in step.

    After the cutover only new mail on the source counts: what its user does on the target is no business of ours.
    """
    source = _status(snapshot.source.folders.get(pair.source))
    target = _status(snapshot.target.folders.get(pair.target))
    if not record.id or record.gone or record.target_name != pair.target or source is None:
        return False
    seen = (record.source_uidvalidity, record.source_uidnext, record.source_messages)
    if seen != (source.uidvalidity, source.uidnext, source.messages):
        return False
    if job.after_cutover:
        return True
    flags_same = bool(source.highestmodseq) and source.highestmodseq == record.source_modseq
    return flags_same and target is not None and target.uidvalidity == record.target_uidvalidity


def _status(folder: Folder | None) -> Status | None:
    return folder.status if folder else None
