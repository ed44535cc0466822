"""Writing down what came of batches: rows for the ledger, batches to try again, or the end of the pass."""

from collections import deque
from collections.abc import Iterable, Sequence

from migrator.copier.job import Backoff, FolderChanged
from migrator.copier.plan import Batch
from migrator.copier.refusals import Meaning, RefusalLike, WriteOff, judge, meaning, words
from migrator.copier.stream import Parcel, SentBatch
from migrator.copier.work import FolderWork, Pass
from migrator.imap.errors import OverQuota
from migrator.imap.responses import backoff
from migrator.model.message import MessageMeta, Outcome
from migrator.state.records import LedgerRow, NewIntent, Settled


class Journal:
    """What one lane knows of its batches and has not written down yet; `again` collects those to retry."""

    def __init__(self, shared: Pass) -> None:
        self._shared = shared
        self._settled: list[tuple[FolderWork, Settled]] = []
        self._rows: list[tuple[FolderWork, LedgerRow]] = []
        self._missing: dict[int, tuple[FolderWork, list[MessageMeta]]] = {}  # by folder id
        self.again: deque[Parcel] = deque()

    def commit(self, intents: Sequence[NewIntent] = ()) -> tuple[int, ...]:
        """Write what is known and open `intents`, in one durable transaction; the ids of the new intents."""
        if not self._settled and not self._rows and not intents:
            return ()
        job, settled, rows = self._shared.job, self._settled, self._rows
        ids = job.ledger.commit(
            job.lease,
            settled=[one for _, one in settled],
            intents=intents,
            rows=[(work.record.id, row) for work, row in rows],
        )
        self._settled, self._rows = [], []
        written: dict[int, tuple[FolderWork, list[LedgerRow]]] = {}
        for work, some in [*((work, one.rows) for work, one in settled), *((work, (row,)) for work, row in rows)]:
            written.setdefault(id(work), (work, []))[1].extend(some)
        for work, those in written.values():
            work.account(those)
            self._shared.tally.settled(those)
            work.settle_up()
        return ids

    def settle(self, batch: SentBatch, rows: Iterable[LedgerRow]) -> None:
        """The outcome of the whole batch is known: `rows` arrived. To be written with the next commit."""
        self._settled.append((batch.work, Settled(batch.intent_id, tuple(rows))))

    def note_unsent(self, batch: SentBatch) -> None:
        """Take up what of the batch was not even sent."""
        for one in batch.written_off:
            self.write_off(batch.work, one)
        if batch.undated:
            uids = ", ".join(map(str, batch.undated))
            self._shared.tally.warn(
                f"{batch.work.origin_name} UID {uids}: a date that cannot be read or written; they are dated today"
            )
        if not batch.unreadable:
            self._missed(batch.work).extend(batch.missing)
        elif len(batch.missing) > 1:
            self._try_again(batch.work, Batch(tuple(batch.missing)).halves())
        else:
            for message in batch.missing:
                self.write_off(batch.work, WriteOff(message, Outcome.FAILED, f"unreadable: {batch.unreadable}"))

    def write_off(self, work: FolderWork, one: WriteOff) -> None:
        """A message that will not be copied. On the way back there is no row for it: the ledger is about the source."""
        if work.forward:
            message = one.message
            row = LedgerRow(message.uid, None, one.outcome, message.flags, b"", one.reason, message.size)
            self._rows.append((work, row))
        else:
            self._shared.tally.warn(f"{work.origin_name} UID {one.message.uid} not carried back: {one.reason}")

    def refused(self, work: FolderWork, refusal: RefusalLike, messages: Sequence[MessageMeta]) -> None:
        """Nothing of `messages` was stored. Ends the pass where the refusal is not about messages."""
        folder, said = work.destination_name, words(refusal)
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
        self._try_again(work, judgement.again)
        for one in judgement.written_off:
            self.write_off(work, one)
        if judgement.without_keywords:
            self._shared.tally.warn(f"{folder}: a message was refused, and tried without its keywords: {said}")

    def look_for_missing(self, work: FolderWork, present: Iterable[int]) -> None:
        """Bodies that the origin did not send: of those still `present`, "no data" is a failure; others have gone."""
        still = set(present)
        for message in self._missed(work):
            if message.uid in still:
                self.write_off(work, WriteOff(message, Outcome.FAILED, "no-data: listed, but its body was not sent"))
            elif work.forward:
                work.vanished(message.uid)
        self._missing.pop(work.record.id)

    @property
    def missing(self) -> list[tuple[FolderWork, list[int]]]:
        """UIDs asked for and not answered, by folder."""
        return [(work, [m.uid for m in messages]) for work, messages in self._missing.values() if messages]

    def _missed(self, work: FolderWork) -> list[MessageMeta]:
        return self._missing.setdefault(work.record.id, (work, []))[1]

    def _try_again(self, work: FolderWork, batches: Iterable[Batch]) -> None:
        self.again.extend(Parcel(work, batch) for batch in batches)
