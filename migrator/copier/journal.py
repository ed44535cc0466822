"""Writing down what came of a batch: rows for the ledger, batches to try again, or the end of the pass."""

from collections import deque
from collections.abc import Iterable, Sequence

from migrator.copier.job import Backoff, FolderChanged
from migrator.copier.plan import Batch
from migrator.copier.refusals import Meaning, RefusalLike, WriteOff, judge, meaning, words
from migrator.copier.stream import SentBatch
from migrator.copier.work import FolderWork, Pass
from migrator.imap.errors import OverQuota
from migrator.imap.responses import backoff
from migrator.model.message import MessageMeta, Outcome
from migrator.state.records import LedgerRow, NewIntent, Settled


class Journal:
    """What one lane knows of one folder's batches and has not written down yet; `again` collects batches to retry."""

    def __init__(self, shared: Pass, work: FolderWork) -> None:
        self._shared, self._work = shared, work
        self._settled: list[Settled] = []
        self._rows: list[LedgerRow] = []
        self._missing: list[MessageMeta] = []
        self.again: deque[Batch] = deque()

    def commit(self, intents: Sequence[NewIntent] = ()) -> tuple[int, ...]:
        """Write what is known and open `intents`, in one durable transaction; the ids of the new intents."""
        settled, rows = self._settled, [(self._work.record.id, row) for row in self._rows]
        if not settled and not rows and not intents:
            return ()
        job = self._shared.job
        ids = job.ledger.commit(job.lease, settled=settled, intents=intents, rows=rows)
        self._settled, self._rows = [], []
        written = [row for one in settled for row in one.rows] + [row for _, row in rows]
        self._work.account(written)
        self._shared.tally.settled(written)
        return ids

    def settle(self, batch: SentBatch, rows: Iterable[LedgerRow]) -> None:
        """The outcome of the whole batch is known: `rows` arrived. To be written with the next commit."""
        self._settled.append(Settled(batch.intent_id, tuple(rows)))

    def note_unsent(self, batch: SentBatch) -> None:
        """Take up what of the batch was not even sent."""
        for one in batch.written_off:
            self.write_off(one)
        if batch.undated:
            uids = ", ".join(map(str, batch.undated))
            self._shared.tally.warn(
                f"{self._work.origin_name} UID {uids}: a date that cannot be read or written; they are dated today"
            )
        if not batch.unreadable:
            self._missing.extend(batch.missing)
        elif len(batch.missing) > 1:
            self.again.extend(Batch(tuple(batch.missing)).halves())
        else:
            for message in batch.missing:
                self.write_off(WriteOff(message, Outcome.FAILED, f"unreadable: {batch.unreadable}"))

    def write_off(self, one: WriteOff) -> None:
        """A message that will not be copied. On the way back there is no row for it: the ledger is about the source."""
        if self._work.forward:
            message = one.message
            self._rows.append(LedgerRow(message.uid, None, one.outcome, message.flags, b"", one.reason, message.size))
        else:
            self._shared.tally.warn(f"{self._work.origin_name} UID {one.message.uid} not carried back: {one.reason}")

    def refused(self, refusal: RefusalLike, messages: Sequence[MessageMeta]) -> None:
        """Nothing of `messages` was stored. Ends the pass where the refusal is not about messages."""
        folder, said = self._work.destination_name, words(refusal)
        match meaning(refusal):
            case Meaning.MAILBOX_FULL:
                raise OverQuota(
                    "APPEND", refusal.code, refusal.text, remedy="Raise the mailbox's quota, then run again."
                )
            case Meaning.BACK_OFF:
                raise Backoff(
                    f"{folder!r}: the server asks for patience: {said}",
                    alone=refusal.code.upper() == "INUSE",
                    retry_after=backoff(refusal.text),
                )
            case Meaning.FOLDER_GONE:
                raise FolderChanged(f"{folder!r} was taken away during the pass: {said}")
        judgement = judge(refusal, Batch(tuple(messages)))
        self.again.extend(judgement.again)
        for one in judgement.written_off:
            self.write_off(one)
        if judgement.without_keywords:
            self._shared.tally.warn(f"{folder}: keywords refused, tried without: {said}")

    def look_for_missing(self, present: Iterable[int]) -> None:
        """Bodies that the origin did not send: of those still `present`, "no data" is a failure; others have gone."""
        still = set(present)
        for message in self._missing:
            if message.uid in still:
                self.write_off(WriteOff(message, Outcome.FAILED, "no-data: listed, but its body was not sent"))
            elif self._work.forward:
                self._work.vanished.add(message.uid)
        self._missing = []

    @property
    def missing(self) -> list[int]:
        """UIDs asked for and not answered."""
        return [message.uid for message in self._missing]
