"""What became of appends whose answer nobody heard: look on the receiving side, by content, before doing them again."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby

from migrator.copier.lanes import Lane
from migrator.copier.match import look, match
from migrator.copier.stream import SentBatch
from migrator.copier.work import FolderWork, Pass
from migrator.imap import Digests, Session
from migrator.imap.errors import CommandRefused
from migrator.model.message import Grade
from migrator.model.names import FolderName
from migrator.state.records import Direction, FolderRecord, IntentKind, IntentRecord, LedgerRow, Settled

Pairs = Mapping[int, tuple[int, Grade]]


def resolve_direct(shared: Pass, lane: Lane) -> None:
    """Settle every open direct intent of the mailbox: what arrived gets its row, the rest will be planned again.

    The intents are remembered as doubtful: their appends may still land after this look (a server goes on executing
    what it has in its buffers), so sweeps look again.
    """
    job = shared.job
    intents = [i for i in job.ledger.open_intents(job.mailbox.address) if i.kind is IntentKind.DIRECT]
    job.ledger.mark_doubtful([intent.id for intent in intents], job.lease)
    for work, group in by_folder(shared, intents):
        rows = _found(shared, lane, work, group)
        settle(shared, group, rows, work)


def by_folder(shared: Pass, intents: Sequence[IntentRecord]) -> Iterable[tuple[FolderWork, list[IntentRecord]]]:
    """Intents by folder and direction, with the folder as they saw it."""
    records = {record.id: record for record in shared.job.ledger.folders(shared.job.mailbox.address)}

    def place(intent: IntentRecord) -> tuple[int, Direction]:
        return intent.folder_id, intent.direction

    for (folder_id, direction), group in groupby(sorted(intents, key=place), key=place):
        yield _work(records[folder_id], direction, found := list(group)), found


def _work(record: FolderRecord, direction: Direction, intents: Sequence[IntentRecord]) -> FolderWork:
    return FolderWork(record, direction, intents[0].uidvalidity, min(intent.uidnext for intent in intents))


def settle(shared: Pass, intents: Sequence[IntentRecord], rows: Mapping[int, LedgerRow], work: FolderWork) -> None:
    """Close `intents` with their `rows` (by origin UID), in one transaction."""
    settled = [Settled(i.id, tuple(rows[uid] for uid in i.uids if uid in rows)) for i in intents]
    shared.job.ledger.commit(shared.job.lease, settled=settled)
    shared.tally.settled(row for one in settled for row in one.rows)
    work.account(row for one in settled for row in one.rows)


def open_if_same(session: Session, name: FolderName, uidvalidity: int) -> bool:
    """EXAMINE the folder; False when it is not there any more, or not the same folder (RFC 9051, 2.3.1.1)."""
    try:
        return session.examine(name).uidvalidity == uidvalidity
    except CommandRefused:
        return False


def _found(shared: Pass, lane: Lane, work: FolderWork, intents: Sequence[IntentRecord]) -> dict[int, LedgerRow]:
    """Rows, by origin UID, of the intents' messages that are on the receiving side. Moved or vanished: no row."""
    origin, destination = work.ends(lane)
    if not open_if_same(destination, work.destination_name, work.destination_uidvalidity):
        return {}
    arrived = _look_until_settled(shared, destination, work)
    if not arrived or not open_if_same(origin, work.origin_name, work.origin_uidvalidity):
        return {}
    wanted = look(origin, sorted(uid for intent in intents for uid in intent.uids))
    return rows_of(work, origin, destination, wanted, match(wanted, arrived))


def _look_until_settled(shared: Pass, destination: Session, work: FolderWork) -> dict[int, Digests]:
    """Unknown messages that arrived since the intents. Where no sweep follows, look until two looks agree."""
    known = shared.known(work)
    arrived = unknown(destination, known, work.uidnext)
    while shared.job.staged:
        time.sleep(shared.job.grace.total_seconds())
        destination.noop()
        again = unknown(destination, known, work.uidnext)
        if again == arrived:
            break
        arrived = again
    return look(destination, arrived)


def unknown(session: Session, known: Iterable[int], since: int) -> list[int]:
    """UIDs from `since` on in the selected folder that are not `known` (ascending)."""
    return list(session.present().since(since).without(known))


def rows_of(
    work: FolderWork, origin: Session, destination: Session, wanted: Mapping[int, Digests], pairs: Pairs
) -> dict[int, LedgerRow]:
    """Rows, by origin UID, of messages found by content, with the flags they have on the target.

    A pair of which one side has meanwhile vanished gets no row.
    """
    metas = {message.uid: message for message in origin.scan(sorted(pairs))} if pairs else {}
    there = {m.uid: m for m in destination.scan(sorted(uid for uid, _ in pairs.values()))} if pairs else {}
    rows = {}
    for uid, (placed, found) in pairs.items():
        if uid in metas and placed in there:
            message, on_target = metas[uid], there[placed] if work.forward else metas[uid]
            row = work.row(message, placed, wanted[uid].l2, message.size)
            rows[uid] = replace(row, flags=on_target.flags, grade=found)
    return rows


def learn_uids(shared: Pass, lane: Lane, work: FolderWork, batches: Sequence[SentBatch]) -> None:
    """Settle batches that were stored by a server that does not name UIDs (no UIDPLUS): find them by digest."""
    ids = {batch.intent_id for batch in batches}
    intents = [i for i in shared.job.ledger.open_intents(shared.job.mailbox.address) if i.id in ids]
    settle(shared, intents, _found(shared, lane, work, intents), work)
