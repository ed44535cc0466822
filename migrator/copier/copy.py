"""One pass over one mailbox, from the lease to the report."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace

from migrator.copier import behind
from migrator.copier.belongings_carry import carry
from migrator.copier.changes import Records, failing_folders, map_mailbox, record_of, records_of, unchanged
from migrator.copier.folders import FolderPair
from migrator.copier.forward import ForwardFolder
from migrator.copier.idle import nothing_to_do
from migrator.copier.job import CopyJob, SourceLooksEmpty
from migrator.copier.lanes import Lane, Lanes, LaneStopped, Work
from migrator.copier.lease import Keeper, TargetLease
from migrator.copier.left_out import refused, skipped
from migrator.copier.looks import Looks, groups
from migrator.copier.plan import CopyPolicy
from migrator.copier.removal import remove_gone, take_back
from migrator.copier.resolve import resolve_direct
from migrator.copier.reverse import reverse_folders
from migrator.copier.snapshot import lease_name, list_both
from migrator.copier.staged import remove_staging, resume_staged
from migrator.copier.sweep import SweepReport, sweep_folders
from migrator.copier.tally import Tally
from migrator.copier.work import Pass
from migrator.imap.errors import CommandRefused, FolderNameChanged
from migrator.model.errors import MigratorError, Unreachable
from migrator.model.names import FolderName
from migrator.model.order import CopyOrder
from migrator.model.progress import PassReport
from migrator.model.wave import PassKind
from migrator.state.records import FolderRecord

SUSPICIOUS = 10  # messages that the ledger knows of, and of which the source shows none


def copy_mailbox(job: CopyJob) -> PassReport:
    """One pass, forward or reverse. Everything it does is journalled: it may be killed, and called again.

    Raises Transient errors (Unreachable, FolderChanged, Backoff, ...), after which the whole pass may be tried again;
    Refused ones (OverQuota, SourceLooksEmpty, TargetTaken, ...); Stopped at a checkpoint when the operator said so.
    """
    lanes = Lanes(job)
    if job.kind is PassKind.DELTA and (report := _idle(job, lanes.first)):
        return report
    with _holding(job, lanes) as shared:
        _settle_the_past(shared)
        if job.kind is PassKind.REVERSE:
            reverse_folders(shared)
        else:
            _forward(shared)
            carry(shared)
        if job.staged:
            _remove_staging(shared)
    return shared.tally.report()


def resolve(job: CopyJob) -> None:
    """Look what became of appends of unknown outcome; every pass begins with this."""
    with _holding(job, Lanes(job)) as shared:
        resolve_direct(shared, shared.lanes.first)
        resume_staged(shared, shared.lanes.first)
        take_back(shared)


def sweep(job: CopyJob) -> SweepReport:
    """Remove late copies that dead runs left on the target: the gate before the cutover, never later (I4)."""
    with _holding(job, Lanes(job)) as shared:
        return sweep_folders(shared, shared.lanes.first)


def _idle(job: CopyJob, lane: Lane) -> PassReport | None:
    """The report when there is nothing to do: then the connections are closed. Else they stay, for the pass."""
    try:
        report = nothing_to_do(job, lane)
    except BaseException:
        lane.abort()
        raise
    if report:
        lane.close()
    return report


@contextmanager
def _holding(job: CopyJob, lanes: Lanes) -> Iterator[Pass]:
    """The target's lease held, and then both sides listed: what another workspace did before is seen. A side that is
    only read is asked for its list before.

    All connections are dropped on error, else logged out.
    """
    lane = lanes.first
    try:
        lane.open_both()
        if job.kind is not PassKind.REVERSE:
            lane.source.folders_ahead()
        run = job.lease.holder
        holder = f"{run.user} on {run.host} (pid {run.pid})"
        lease = TargetLease(job.workspace_id, lease_name(lane.target), job.target_lease, holder)
        lease.acquire(lane.target)
        with _kept(job, lease, lanes):
            yield (shared := Pass(job, lanes, Tally(job), list_both(lane, job.folder_policy.rehearsal)))
        asked = behind.ask(shared)
        released = lease.release_quietly(lane.target)
        lane.farewell()
        released()
        if asked:
            with suppress(MigratorError):  # all is done, only nobody knows how far behind
                behind.tell(shared)
    except BaseException as error:
        lane.abort()
        if isinstance(error, LaneStopped) and lanes.error is not None:
            raise lanes.error from None
        raise
    lane.close()


@contextmanager
def _kept(job: CopyJob, lease: TargetLease, lanes: Lanes) -> Iterator[None]:
    """Keep the lease alive; give it back also when the pass fails, unless the server cannot be reached."""
    try:
        with Keeper(lease, job.target_lease, lambda: job.connect("target"), lanes.fail):
            yield
    except Unreachable:
        raise  # it ends by itself
    except MigratorError:
        lanes.first.abort()
        with suppress(MigratorError), job.connect("target") as session:
            lease.release(session)
        raise


def _settle_the_past(shared: Pass) -> None:
    """What earlier runs left: appends of unknown outcome, staged messages, late copies."""
    lane, job = shared.lanes.first, shared.job
    _refuse_empty_source(shared)
    resolve_direct(shared, lane)
    resume_staged(shared, lane)
    take_back(shared)
    if not job.after_cutover:
        sweep_folders(shared, lane)
    _remove_staging(shared)


def _remove_staging(shared: Pass) -> None:
    snapshot, lane = shared.snapshot, shared.lanes.first
    if shared.job.staged or snapshot.target.has_staging:
        remove_staging(lane.target, snapshot.target.staging)
    if shared.job.kind is PassKind.REVERSE or snapshot.source.has_staging:
        remove_staging(lane.source, snapshot.source.staging)


def _refuse_empty_source(shared: Pass) -> None:
    """A side that suddenly shows no mail is not copied as empty. On the way back it is only told: a user may have
    emptied the target, and a rollback must not hang on that."""
    job, counts = shared.job, shared.job.ledger.counts(shared.job.mailbox.address)
    across = counts.copied + counts.present
    if job.kind is PassKind.REVERSE:
        if across >= SUSPICIOUS and not shared.snapshot.target.messages:
            shared.tally.warn(f"the target shows no mail at all, and {across} messages were across: look at it")
        return
    known = across + counts.skipped + counts.failed
    if known >= SUSPICIOUS and not shared.snapshot.source.messages:
        raise SourceLooksEmpty(
            f"{job.mailbox.address}: the source shows no mail at all, and the ledger knows of {known} messages",
            remedy="Look at the source mailbox. Mail that is across is safe; nothing has been changed.",
        )


def _forward(shared: Pass) -> None:
    records = records_of(shared.job)
    looks, others = _work(shared, records)
    if looks:  # in the lane that has asked; the others have nothing to do before its end
        looks[0](shared.lanes.first)
    others[:0] = looks[1:]
    for work in others:
        shared.lanes.add(work)
    shared.lanes.run(1 if shared.job.staged else shared.job.lanes)
    _note_gone(shared, records)
    remove_gone(shared)


def _work(shared: Pass, records: Records) -> tuple[list[Looks], list[Work]]:
    """What there is to do: looks, the first of which has been asked already, and the rest. Folders without changes are
    only counted."""
    job, changed = shared.job, list[tuple[FolderPair, FolderRecord]]()
    places, failing = map_mailbox(job, shared.snapshot, records), failing_folders(job)
    policy = CopyPolicy(not job.after_cutover, job.folder_policy.deleted, job.order is CopyOrder.NEWEST)
    for pair in places.pairs:
        record = record_of(job, records, pair.source, pair.target)
        if pair.note:
            shared.tally.warn(pair.note)
        if pair.source not in failing and unchanged(job, shared.snapshot, pair, record):
            shared.tally.folder(record.source_messages)
        else:
            changed.append((pair, record))
    looks = list(groups(shared, [ForwardFolder(shared, pair, record, policy) for pair, record in changed]))
    if looks:
        looks[0].ask_source(shared.lanes.first)
    why = {} if job.after_cutover else _make(shared, [pair for pair, _ in changed], looks)
    others: list[Work] = [refused(shared, record, why[pair.target]) for pair, record in changed if pair.target in why]
    others += [skipped(shared, record_of(job, records, left.source)) for left in places.skipped]
    others += [refused(shared, record_of(job, records, left.source), left.reason) for left in places.refused]
    return looks, others


def _make(shared: Pass, pairs: Sequence[FolderPair], looks: Sequence[Looks]) -> dict[FolderName, str]:
    """See to it that the target folders exist, and are subscribed as on the source; by name, why one is not: no look
    looks there."""
    target, there = shared.lanes.first.target, shared.snapshot.target.folders
    missing = {pair.target: pair.attribute for pair in pairs if not pair.exists}
    why: dict[FolderName, str] = {}
    for name, error in target.create_all(list(missing.items())).items():
        if not isinstance(error, CommandRefused | FolderNameChanged):
            raise error
        why[name] = str(error)
    already = {name for name, folder in there.items() if folder.subscribed}
    names = [p.target for p in pairs if p.subscribed and p.target not in already and p.target not in why]
    for name in names:
        target.ahead.subscribe(name)
    for look in looks:
        look.leave_out(why)
    if looks:
        looks[0].ask_target(shared.lanes.first)
    for name in names:
        try:
            target.subscribe(name)
        except CommandRefused as error:
            why[name] = str(error)
    for look in looks:
        look.leave_out(why)
    return why


def _note_gone(shared: Pass, records: Records) -> None:
    """Folders that are on the source no more: their rows stay, marked; on the target nothing is touched."""
    job = shared.job
    for name, record in records.items():
        if name not in shared.snapshot.source.folders and not record.gone:
            job.ledger.mark_gone(record.id, [row.source_uid for row in job.ledger.rows(record.id)], job.lease)
            job.ledger.put_folder(replace(record, gone=True), job.lease)
