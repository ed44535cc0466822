"""Direct commit: intent, APPEND straight into the folder, evidence. For folders in which nobody works yet."""

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from migrator.copier.job import FolderChanged
from migrator.copier.journal import Journal
from migrator.copier.lanes import Lane, LaneStopped
from migrator.copier.plan import Batch
from migrator.copier.resolve import learn_uids
from migrator.copier.stream import SentBatch, stream
from migrator.copier.work import FolderWork, Pass
from migrator.imap import AppendResult
from migrator.model.errors import MigratorError
from migrator.state.records import IntentKind, LedgerRow, NewIntent

WINDOW = 4  # batches sent and not answered


class DirectTransfer:
    """One lane's stream of one folder's batches. The origin's folder is selected, the receiving one is not."""

    def __init__(self, shared: Pass, lane: Lane, work: FolderWork) -> None:
        self._shared, self._lane, self._work = shared, lane, work
        self._origin, destination = work.ends(lane)
        self._fetcher = self._origin.fetcher()
        self._appender = destination.appender(work.destination_name)
        self._journal = Journal(shared, work)
        self._asked: deque[Batch] = deque()
        self._flying: dict[int, SentBatch] = {}
        self._unlearnt: list[SentBatch] = []

    def run(self, batches: Sequence[Batch]) -> None:
        """Copy `batches`, and what is left of refused ones. On error, what is in flight is doubtful."""
        self._journal.again.extend(batches)
        try:
            while self._journal.again or self._asked or self._flying:
                self._checkpoint()
                self._step()
            self._journal.commit()
            self._finish()
        except BaseException:
            self._give_up()
            raise

    def _step(self) -> None:
        while self._journal.again and len(self._asked) < 2:  # one ahead: the source reads while we write
            batch = self._journal.again.popleft()
            self._spend(batch)
            self._fetcher.request(batch.uids)
            self._asked.append(batch)
        if self._asked:
            self._send(self._asked.popleft())
        self._collect(wait=not self._asked or len(self._flying) >= WINDOW)

    def _send(self, batch: Batch) -> None:
        """Journal the intent with the evidence of earlier batches in one transaction, then forward the bodies."""
        work = self._work
        intent = NewIntent(
            work.record.id, IntentKind.DIRECT, work.direction, work.uidvalidity, work.uidnext, batch.uids
        )
        (intent_id,) = self._journal.commit([intent])
        flying = self._flying[intent_id] = SentBatch(intent_id)
        stream(self._fetcher, self._appender, batch, flying)
        self._journal.note_unsent(flying)
        if not flying.sent:
            self._journal.settle(self._flying.pop(intent_id), ())

    def _collect(self, wait: bool) -> None:
        results = self._appender.results(wait=wait and bool(self._flying))
        try:
            for result in results:
                self._answered(result)
        except FolderChanged:
            with suppress(MigratorError):
                self._take_back(results)
            raise

    def _answered(self, result: AppendResult) -> None:
        batch = self._flying.pop(result.tag)  # type: ignore[call-overload]  # the tag is the intent's id
        if result.refusal is not None:
            self._journal.settle(batch, ())
            self._journal.refused(result.refusal, [one.message for one in batch.sent])
        else:
            self._stored(batch, result)

    def _stored(self, batch: SentBatch, result: AppendResult) -> None:
        if result.uidvalidity not in (None, self._work.uidvalidity):
            raise FolderChanged(f"{self._work.destination_name!r} was made anew during the pass")
        count = len(batch.sent)
        uids = result.uids or (None,) * count
        refusals = result.refusals or (None,) * count
        self._work.placed(uids)
        if any(uid is None and refusal is None for uid, refusal in zip(uids, refusals, strict=True)):
            self._unlearnt.append(batch)
        else:
            self._journal.settle(batch, self._rows(batch, uids))
        for one, refusal in zip(batch.sent, refusals, strict=True):
            if refusal is not None:
                self._journal.refused(refusal, [one.message])

    def _take_back(self, results: Sequence[AppendResult]) -> None:
        """What landed in a folder that is not the one we looked into goes from it again: the next attempt matches that
        folder's content, and would have each of these twice. Nobody has seen them; after the cutover it has a user."""
        landed = list(results)
        while self._appender.unanswered:
            landed += self._appender.results(wait=True)
        _, destination = self._work.ends(self._lane)
        if self._shared.job.after_cutover or not destination.has("UIDPLUS"):
            return
        now = destination.select(self._work.destination_name).uidvalidity
        strays = [uid for one in landed if one.uidvalidity == now for uid in one.uids or () if uid is not None]
        if strays and now != self._work.uidvalidity:
            destination.store(strays, frozenset({"\\Deleted"}), "+")
            destination.expunge(strays)

    def _rows(self, batch: SentBatch, uids: Sequence[int | None]) -> list[LedgerRow]:
        sent = zip(batch.sent, uids, strict=True)
        return [self._work.row(one.message, uid, one.digest, one.size) for one, uid in sent if uid is not None]

    def _finish(self) -> None:
        """What can only be asked when nothing is in flight: missing bodies, and UIDs that the server did not name."""
        if missing := self._journal.missing:
            self._journal.look_for_missing(message.uid for message in self._origin.scan(missing))
            self._journal.commit()
        if self._unlearnt:
            learn_uids(self._shared, self._lane, self._work, self._unlearnt)

    def _checkpoint(self) -> None:
        with self._settling():
            self._shared.lanes.checkpoint()

    def _spend(self, batch: Batch) -> None:
        """Before a long wait, or a stop, what was asked for is sent: it is paid for, and so no attempt is in vain."""
        job = self._shared.job
        with self._settling():
            try:
                job.pace.spend(job.mailbox, len(batch.messages), batch.octets)
            except MigratorError:
                with suppress(MigratorError):
                    while self._asked:
                        self._send(self._asked.popleft())
                raise

    @contextmanager
    def _settling(self) -> Iterator[None]:
        """Before stopping, wait for the answers to what was sent: then nothing is doubtful."""
        try:
            yield
        except (MigratorError, LaneStopped):
            with suppress(MigratorError):
                while self._flying:
                    self._collect(wait=True)
            raise

    def _give_up(self) -> None:
        """Drop the connection first: a half-sent literal must not become a message. Then remember what is unknown."""
        self._appender.abort()
        job = self._shared.job
        with suppress(MigratorError):
            self._journal.commit()
        with suppress(MigratorError):
            job.ledger.mark_doubtful([*self._flying, *(batch.intent_id for batch in self._unlearnt)], job.lease)
