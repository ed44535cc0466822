"""Staged commit: APPEND into a private mailbox, journal, UID MOVE into the folder, journal. For folders with a user.

APPEND cannot be repeated safely, UID MOVE of named UIDs can: what has moved already is ignored (RFC 6851, 3.1). A late
append of a dead run only ever lands in the staging mailbox, which is ours alone and is emptied of what the journal
does not know.
"""

from collections.abc import Mapping, Sequence

from migrator.copier.job import FolderChanged
from migrator.copier.journal import Journal
from migrator.copier.lanes import Lane
from migrator.copier.match import look, match_digest
from migrator.copier.plan import Batch
from migrator.copier.resolve import by_folder, open_if_same, settle, unknown
from migrator.copier.stream import Parcel, SentBatch, stream
from migrator.copier.work import FolderWork, Pass
from migrator.imap import AppendResult, Session
from migrator.imap.errors import CommandRefused
from migrator.model.message import MessageMeta
from migrator.model.names import FolderName
from migrator.state.records import IntentKind, IntentRecord, LedgerRow, NewIntent, Staged


class StagedTransfer:
    """One folder's batches, one after the other. The origin's folder is selected."""

    def __init__(self, shared: Pass, lane: Lane, work: FolderWork) -> None:
        self._shared, self._lane, self._work = shared, lane, work
        self._origin, destination = work.ends(lane)
        self._staging = Staging(shared, work, destination, work.mover(lane))
        self._fetcher = self._origin.fetcher()
        self._appender = destination.appender(self._staging.name)
        self._journal = Journal(shared)

    def run(self, batches: Sequence[Batch]) -> None:
        """Carry `batches`, and what is left of refused ones. On error, the intents stay open for the next start."""
        self._staging.open()
        self._journal.again.extend(Parcel(self._work, batch) for batch in batches)
        while self._journal.again:
            self._shared.lanes.checkpoint()
            self._carry(self._journal.again.popleft().batch)
        self._journal.commit()
        for work, uids in self._journal.missing:
            self._journal.look_for_missing(work, (message.uid for message in self._origin.scan(uids)))
        self._journal.commit()

    def _carry(self, batch: Batch) -> None:
        work = self._work
        self._shared.job.pace.spend(self._shared.job.mailbox, len(batch.messages), batch.octets)
        self._fetcher.request(batch.uids)
        intent = NewIntent(
            work.record.id, IntentKind.STAGED, work.direction, self._staging.uidvalidity, work.uidnext, batch.uids
        )
        (intent_id,) = self._journal.commit([intent])
        sending = SentBatch(intent_id, work)
        try:
            stream(self._fetcher, self._appender, batch, sending)
            result = self._answer() if sending.sent else None
        except BaseException:
            self._appender.abort()
            raise
        self._journal.note_unsent(sending)
        self._conclude(sending, result)

    def _answer(self) -> AppendResult:
        while not (results := self._appender.results(wait=True)):
            pass
        return results[0]

    def _conclude(self, batch: SentBatch, result: AppendResult | None) -> None:
        if result is None or result.refusal is not None:
            self._journal.settle(batch, ())
            if result is not None and result.refusal is not None:
                self._journal.refused(self._work, result.refusal, [one.message for one in batch.sent])
            return
        staged = self._journal_staged(batch, result)
        placed = self._staging.move(staged)
        sent = {one.message.uid: one for one in batch.sent}
        ours = [(sent[one.origin_uid], placed.get(one.staged_uid)) for one in staged]
        rows = [self._row(one.message, uid, one.digest, one.size) for one, uid in ours]
        self._work.placed(uid for _, uid in ours)
        self._journal.settle(batch, [row for row in rows if row is not None])
        for one, refusal in zip(batch.sent, result.refusals, strict=False):
            if refusal is not None:
                self._journal.refused(self._work, refusal, [one.message])

    def _journal_staged(self, batch: SentBatch, result: AppendResult) -> list[Staged]:
        refusals = result.refusals or (None,) * len(batch.sent)
        stored = [one for one, refusal in zip(batch.sent, refusals, strict=True) if refusal is None]
        uids = dict(zip(batch.sent, result.uids or (None,) * len(batch.sent), strict=True))
        placed = {one.message.uid: uid for one in stored if (uid := uids[one]) is not None}
        if len(placed) < len(stored):
            placed |= self._staging.find({one.message.uid: one.digest for one in stored})
        digests = {one.message.uid: one.digest for one in stored}
        staged = [Staged(origin, uid, digests[origin]) for origin, uid in placed.items()]
        self._shared.job.ledger.stage(batch.intent_id, staged, self._shared.job.lease)
        return staged

    def _row(self, message: MessageMeta, placed: int | None, digest: bytes, size: int) -> LedgerRow | None:
        return row_of(self._shared, self._work, message, placed, digest, size)


def row_of(
    shared: Pass, work: FolderWork, message: MessageMeta, placed: int | None, digest: bytes, size: int
) -> LedgerRow | None:
    """The row of a message that has left staging. Where it went and is not found, its user has taken it further (I4):
    forward, it counts as copied; on the way back there is nothing on the source to write a row about."""
    if placed is not None:
        return work.row(message, placed, digest, size)
    shared.tally.warn(f"{work.destination_name}: UID {message.uid} was delivered and is there no more")
    if not work.forward:
        return None
    row = work.row(message, 0, digest, size)
    return LedgerRow(row.source_uid, None, row.outcome, row.flags, digest, row.reason, size)


class Staging:
    """The staging mailbox of the receiving side. `session` looks, `mover` has it selected."""

    def __init__(self, shared: Pass, work: FolderWork, session: Session, mover: Session) -> None:
        self._shared, self._work, self._session, self._mover = shared, work, session, mover
        self.name = staging_name(shared, work)
        self.uidvalidity = 0

    def open(self) -> None:
        """Select it; it is made when it is missing, and never subscribed."""
        if not self._select():
            self._mover.create(self.name)
            self._select()

    def open_if_same(self, uidvalidity: int) -> bool:
        """Select it; False when it is not there any more, or not the same mailbox."""
        return self._select() and self.uidvalidity == uidvalidity

    def find(self, wanted: Mapping[int, bytes]) -> dict[int, int]:
        """Staged UIDs, by origin UID, of messages whose digest is known (a server without UIDPLUS does not tell)."""
        self._mover.noop()
        return match_digest(wanted, look(self._mover, self._mover.uids()))

    def move(self, staged: Sequence[Staged]) -> dict[int, int]:
        """Move into the folder; by staged UID, where each now is. Those not found there are absent.

        Raises FolderChanged when the server leaves some in staging.
        """
        uids = [one.staged_uid for one in staged]
        try:
            placed = self._mover.move(uids, self._work.destination_name)
        except CommandRefused as error:
            if error.code != "TRYCREATE":
                raise
            self._mover.create(self._work.destination_name)  # its user took the folder away; late mail still comes
            placed = self._mover.move(uids, self._work.destination_name)
        rest = [one for one in staged if one.staged_uid not in placed]
        return placed | self._look(rest) if rest else placed

    def _look(self, rest: Sequence[Staged]) -> dict[int, int]:
        """The server did not say where these went: look into the folder, by digest."""
        left = set(self._mover.uids()) & {one.staged_uid for one in rest}
        if left:
            raise FolderChanged(
                f"{self._work.destination_name!r}: {len(left)} messages could not be moved out of staging"
            )
        return find_moved(self._shared, self._work, self._session, rest)

    def _select(self) -> bool:
        try:
            self.uidvalidity = self._mover.select(self.name).uidvalidity
        except CommandRefused:
            return False
        return True


def find_moved(shared: Pass, work: FolderWork, session: Session, staged: Sequence[Staged]) -> dict[int, int]:
    """Where messages are that have left staging, by staged UID, looking by digest at what the ledger does not know."""
    if not open_if_same(session, work.destination_name, work.destination_uidvalidity):
        return {}
    there = look(session, unknown(session, shared.known(work), work.uidnext))
    return match_digest({one.staged_uid: one.digest for one in staged}, there)


def resume_staged(shared: Pass, lane: Lane) -> None:
    """Settle every open staged intent: move again what is journalled, look for what has moved, forget the rest."""
    job = shared.job
    intents = [i for i in job.ledger.open_intents(job.mailbox.address) if i.kind is IntentKind.STAGED]
    for work, group in by_folder(shared, intents):
        for intent in group:
            settle(shared, [intent], _resume(shared, lane, work, intent), work)


def _resume(shared: Pass, lane: Lane, work: FolderWork, intent: IntentRecord) -> dict[int, LedgerRow]:
    """Rows by origin UID. Not in staging, not in the folder: its user moved it on, if staging is the same mailbox;
    otherwise somebody deleted staging with the message in it, and it will be copied again."""
    staged = shared.job.ledger.staged(intent.id)
    origin, destination = work.ends(lane)
    if not staged or not open_if_same(origin, work.origin_name, work.origin_uidvalidity):
        return {}
    staging = Staging(shared, work, destination, work.mover(lane))
    same = staging.open_if_same(intent.uidvalidity)
    placed = staging.move(staged) if same else find_moved(shared, work, destination, staged)
    metas = {message.uid: message for message in origin.scan([one.origin_uid for one in staged])}
    certain = [one for one in staged if one.origin_uid in metas and (same or one.staged_uid in placed)]
    rows = {
        one.origin_uid: row_of(
            shared, work, metas[one.origin_uid], placed.get(one.staged_uid), one.digest, metas[one.origin_uid].size
        )
        for one in certain
    }
    return {uid: row for uid, row in rows.items() if row is not None}


def staging_name(shared: Pass, work: FolderWork) -> FolderName:
    """The staging mailbox of the side that receives."""
    return (shared.snapshot.target if work.forward else shared.snapshot.source).staging


def remove_staging(session: Session, name: FolderName) -> None:
    """Delete the staging mailbox with all that is in it: no open intent knows it. No effect when there is none."""
    try:
        session.delete(name)
    except CommandRefused:
        if _exists(session, name):
            raise


def _exists(session: Session, name: FolderName) -> bool:
    try:
        session.status(name)
    except CommandRefused:
        return False
    return True
