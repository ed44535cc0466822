"""Direct commit: intent, APPEND straight into the folder, evidence. For folders in which nobody works yet.

One stream a lane, from folder to folder: the next folder is opened and its first messages are asked for while the last
ones of this one are on their way, and no answer is waited for at a folder's end.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from migrator.copier.job import FolderChanged
from migrator.copier.journal import Journal
from migrator.copier.lanes import Lane, LaneStopped
from migrator.copier.resolve import learn_uids
from migrator.copier.stream import Parcel, SentBatch, stream
from migrator.copier.work import FolderWork, Pass
from migrator.imap import AppendResult
from migrator.imap.errors import CommandRefused
from migrator.model.errors import MigratorError
from migrator.state.records import IntentKind, LedgerRow, NewIntent

WINDOW = 16  # batches sent and not answered
AHEAD = 16  # batches asked for and not sent yet ...
AHEAD_OCTETS = 4 * 1024 * 1024  # ... of so many octets; two of any size: the source reads while we write
UNLEARNT = 8  # batches that were stored without a word on their UIDs, before they are looked for
INTENTS_OCTETS = AHEAD_OCTETS  # batches of so many octets are journalled in one transaction, or one larger one

_Answer = tuple[FolderWork, AppendResult]
Supply = Callable[[], Sequence[Parcel]]  # what else the lane could do; empty when there is nothing just now


@dataclass(slots=True)
class _Asked:
    """A parcel whose messages have been asked for; `opens`: its folder was opened for it."""

    parcel: Parcel
    opens: bool
    octets: int
    intent_id: int = 0


class DirectTransfer:
    """One lane's stream of parcels, all in one direction. No receiving folder is selected."""

    def __init__(self, shared: Pass, lane: Lane, first: FolderWork) -> None:
        """`first`: whose parcels come first."""
        self._shared, self._lane = shared, lane
        self._origin, self._destination = first.ends(lane)
        self._fetcher = self._origin.fetcher()
        self._appender = self._destination.appender(first.destination_name)
        self._journal = Journal(shared)
        self._open: FolderWork | None = None  # whose folder will be open when all that was asked for has come
        self._waiting: deque[Parcel] = deque()
        self._asked: deque[_Asked] = deque()
        self._flying: dict[int, SentBatch] = {}
        self._unlearnt: list[SentBatch] = []
        self._ahead = AHEAD

    def run(self, parcels: Sequence[Parcel], supply: Supply = tuple) -> None:
        """Copy `parcels`, what `supply` gives, and what is left of refused ones. On error, what is in flight is
        doubtful."""
        self._waiting.extend(parcels)
        try:
            while self._ask_ahead(supply) or self._flying or self._finish():
                self._checkpoint()
                if self._asked:
                    self._send()
                self._collect(wait=not self._asked or len(self._flying) >= WINDOW)
        except BaseException:
            self._give_up()
            raise

    def _ask_ahead(self, supply: Supply) -> bool:
        """Ask for as much as may be under way; whether anything is to be sent."""
        octets = sum(one.octets for one in self._asked)
        while len(self._asked) < 2 or (len(self._asked) < self._ahead and octets < AHEAD_OCTETS):
            if len(self._unlearnt) >= UNLEARNT or not (parcel := self._next(supply)):
                break
            if self._asked and parcel.work is not self._open and not self._fetcher.can_open(parcel.work.origin_name):
                self._waiting.appendleft(parcel)  # to open it takes a wait, in which bodies must not come
                break
            size = parcel.batch.octets
            self._spend(parcel, size)
            opens = parcel.work is not self._open
            if opens:
                self._fetcher.open(parcel.work.origin_name)
                self._open = parcel.work
            self._fetcher.request(parcel.batch.uids)
            self._asked.append(_Asked(parcel, opens, size))
            octets += size
        return bool(self._asked)

    def _next(self, supply: Supply) -> Parcel | None:
        if self._journal.again:
            return self._journal.again.popleft()
        if not self._waiting:
            self._waiting.extend(supply())
        return self._waiting.popleft() if self._waiting else None

    def _send(self) -> None:
        """The oldest parcel that was asked for: journal the intent, then forward the bodies."""
        asked = self._asked[0]
        work, batch = asked.parcel.work, asked.parcel.batch
        if asked.opens:
            self._opened(work)
        if not asked.intent_id:
            self._journal_intents(self._asked)
        self._asked.popleft()
        flying = self._flying[asked.intent_id] = SentBatch(asked.intent_id, work)
        self._appender.turn_to(work.destination_name)
        stream(self._fetcher, self._appender, batch, flying)
        self._journal.note_unsent(flying)
        if not flying.sent:
            self._journal.settle(self._flying.pop(asked.intent_id), ())

    def _opened(self, work: FolderWork) -> None:
        name = work.origin_name
        try:
            found = self._fetcher.opened()
        except CommandRefused as error:
            raise FolderChanged(f"{name!r} cannot be opened any more: {error}") from error
        if found.uidvalidity != work.origin_uidvalidity:
            raise FolderChanged(f"{name!r} was made anew during the pass")

    def _journal_intents(self, asked: Iterable[_Asked]) -> None:
        """The intents of the next parcels, with the evidence of earlier ones, in one transaction."""
        octets, some = 0, list[_Asked]()
        for one in asked:
            octets += one.octets
            if some and octets > INTENTS_OCTETS:
                break
            some.append(one)
        ids = self._journal.commit([_intent(one.parcel) for one in some])
        for one, intent_id in zip(some, ids, strict=True):
            one.intent_id = intent_id

    def _collect(self, wait: bool) -> None:
        results = self._answers(wait and bool(self._flying))
        try:
            for work, result in results:
                self._answered(work, result)
        except FolderChanged:
            with suppress(MigratorError):
                self._take_back(results)
            raise

    def _answers(self, wait: bool) -> list[_Answer]:
        answers = self._appender.results(wait=wait)
        return [(self._flying[one.tag].work, one) for one in answers]  # type: ignore[index]  # the tag: an intent's id

    def _answered(self, work: FolderWork, result: AppendResult) -> None:
        batch = self._flying.pop(result.tag)  # type: ignore[call-overload]
        if result.refusal is not None:
            self._journal.settle(batch, ())
            self._journal.refused(work, result.refusal, [one.message for one in batch.sent])
        else:
            self._stored(batch, result)

    def _stored(self, batch: SentBatch, result: AppendResult) -> None:
        if result.uidvalidity not in (None, batch.work.uidvalidity):
            raise FolderChanged(f"{batch.work.destination_name!r} was made anew during the pass")
        count = len(batch.sent)
        uids = result.uids or (None,) * count
        refusals = result.refusals or (None,) * count
        batch.work.placed(uids)
        if any(uid is None and refusal is None for uid, refusal in zip(uids, refusals, strict=True)):
            self._unlearnt.append(batch)
        else:
            self._journal.settle(batch, _rows(batch, uids))
        for one, refusal in zip(batch.sent, refusals, strict=True):
            if refusal is not None:
                self._journal.refused(batch.work, refusal, [one.message])

    def _take_back(self, results: Sequence[_Answer]) -> None:
        """What landed in a folder that is not the one we looked into goes from it again: the next attempt matches that
        folder's content, and would have each of these twice. Nobody has seen them; after the cutover it has a user."""
        landed = list(results)
        while self._appender.unanswered:
            landed += self._answers(wait=True)
        if self._shared.job.after_cutover or not self._destination.has("UIDPLUS"):
            return
        for work in {id(work): work for work, _ in landed}.values():
            with suppress(CommandRefused):  # that folder is gone: the others are looked at all the same
                self._take_strays_back(work, [one for whose, one in landed if whose is work])

    def _take_strays_back(self, work: FolderWork, results: Sequence[AppendResult]) -> None:
        now = self._destination.select(work.destination_name).uidvalidity
        strays = [uid for one in results if one.uidvalidity == now for uid in one.uids or () if uid is not None]
        if strays and now != work.uidvalidity:
            self._destination.store(strays, frozenset({"\\Deleted"}), "+")
            self._destination.expunge(strays)

    def _finish(self) -> bool:
        """What can only be asked when nothing is in flight: missing bodies, and UIDs that the server did not name.
        Whether there is more to copy."""
        self._journal.commit()
        for work, uids in self._journal.missing:
            if work is not self._open:
                self._fetcher.open(work.origin_name)
                self._opened(work)
                self._open = work
            self._journal.look_for_missing(work, (message.uid for message in self._origin.scan(uids)))
        self._journal.commit()
        unlearnt, self._open = list(self._unlearnt), None
        for work in {id(batch.work): batch.work for batch in unlearnt}.values():
            with work.learning:
                learn_uids(self._shared, self._lane, work, [one for one in unlearnt if one.work is work])
            self._unlearnt = [one for one in self._unlearnt if one.work is not work]
        return bool(self._waiting or self._journal.again)

    def _checkpoint(self) -> None:
        with self._settling():
            self._shared.lanes.checkpoint()

    def _spend(self, parcel: Parcel, octets: int) -> None:
        """Before a long wait, or a stop, what was asked for is sent: it is paid for, and so no attempt is in vain.

        Where there are waits, less is asked for ahead.
        """
        job = self._shared.job
        with self._settling():
            try:
                if job.pace.spend(job.mailbox, len(parcel.batch.messages), octets):
                    self._ahead = 2
            except MigratorError:
                with suppress(MigratorError):
                    while self._asked:
                        self._send()
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
        for one in self._asked:
            if one.intent_id:  # nothing of it was sent
                self._journal.settle(SentBatch(one.intent_id, one.parcel.work), ())
        with suppress(MigratorError):
            self._journal.commit()
        with suppress(MigratorError):
            job.ledger.mark_doubtful([*self._flying, *(batch.intent_id for batch in self._unlearnt)], job.lease)


def _intent(parcel: Parcel) -> NewIntent:
    work = parcel.work
    return NewIntent(
        work.record.id, IntentKind.DIRECT, work.direction, work.uidvalidity, work.uidnext, parcel.batch.uids
    )


def _rows(batch: SentBatch, uids: Sequence[int | None]) -> list[LedgerRow]:
    sent = zip(batch.sent, uids, strict=True)
    return [batch.work.row(one.message, uid, one.digest, one.size) for one, uid in sent if uid is not None]
