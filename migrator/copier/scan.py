"""What changed in one source folder since the ledger last looked. The source is only ever EXAMINEd (I1).

A part of a folder is either listed in full, or only asked for its changes (CONDSTORE, QRESYNC: RFC 7162). Either way a
look holds no more than CHUNK or RANGE messages and what the ledger knows of them, however many the folder has; of the
rest it holds UIDs, where it must.
"""

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import merge
from itertools import chain

from migrator.copier.plan import CopyPolicy, Known
from migrator.imap import Selected, Session, Status
from migrator.imap.scanning import RANGE, Changes
from migrator.imap.vanished import BEYOND, UidRanges
from migrator.model.canary import CANARY_HEADER
from migrator.model.message import ON_NEITHER, MessageMeta
from migrator.state.ledger import Ledger
from migrator.state.records import FolderRecord, LedgerRow

CHUNK = 20_000  # messages listed at once
CANARY_OCTETS = 64 * 1024  # a canary is far smaller than this, whatever header the servers on its way added

Part = tuple[int, int | None]  # first and last UID; None: whatever comes


@dataclass(frozen=True)
class Found:
    """What a look at a part of the folder found.

    `messages`: new ones, those that failed before, and those whose flags may have changed, by UID; `rows`: what the
    ledger knows of them. `fresh`: UIDs among them without a row, or with that of a message that was removed from the
    target and is back. `gone`: UIDs that have a row and are not there any more. `back`: UIDs that were gone, and are
    there again (a server had lost sight of them). `live`: how many messages of this part are there and not fresh.
    """

    messages: tuple[MessageMeta, ...] = ()
    rows: Mapping[int, LedgerRow] = field(default_factory=dict)
    fresh: tuple[int, ...] = ()
    gone: Sequence[int] = ()
    back: Sequence[int] = ()
    live: int = 0


@dataclass(frozen=True, slots=True)
class Listing:
    """The parts of a folder that are to be listed in full, in the order of copying; below UID `first`, changes are
    asked for. `messages` is how many there are in the parts; None where one part is all, and will tell.
    """

    parts: tuple[Part, ...] = ()
    first: int = BEYOND
    messages: int | None = 0


def to_list(source: Session, selected: Selected, record: FolderRecord, policy: CopyPolicy, most: int) -> Listing:
    """What must be listed of the selected folder, in parts of `most` messages."""
    first = _first_to_list(selected.highestmodseq, record, policy)
    if not selected.exists or selected.uidnext <= first:
        return Listing()
    if _at_most(selected.exists, selected.uidnext, first) <= most:
        return Listing(((first, None),), first, None)
    there = source.present().since(first)
    cuts = list(there.cuts(most))
    parts = list(zip([first, *(cut + 1 for cut in cuts)], [*cuts, None], strict=True))
    return Listing(tuple(reversed(parts) if policy.newest_first else parts), first, len(there))


def first_look(
    source: Session, ledger: Ledger, selected: Selected, record: FolderRecord, listing: Listing, policy: CopyPolicy
) -> Iterator[Found]:
    """The first part that is to be listed, and what changed below all of them, range by range."""
    part = listing.parts[0] if listing.parts else None
    new = _range(part) if part else ""
    ranges = _ranges(ledger, selected.highestmodseq if selected.exists else 0, record, policy, listing.first)
    told = _ask(source, record, ranges[:1], new)
    found = _listed(ledger, record, part, told.messages) if part else Found()
    if part:
        yield found
    if listing.first > 1:
        count = listing.messages if listing.messages is not None else found.live + len(found.fresh)
        yield from _changed(source, ledger, record, listing.first, selected.exists - count, told, ranges[1:])


def _ask(source: Session, record: FolderRecord, ranges: Sequence[str], new: str) -> Changes:
    if ranges:
        return source.changes(ranges, record.source_modseq, new)
    return Changes(source.scan(new) if new else [], UidRanges())


def weight(status: Status, record: FolderRecord, policy: CopyPolicy) -> int:
    """How many messages at most have to be listed of a folder for which LIST told `status`."""
    first = _first_to_list(status.highestmodseq, record, policy)
    return _at_most(status.messages, status.uidnext, first) if status.uidnext > first else 0


def ask_ahead(source: Session, ledger: Ledger, status: Status, record: FolderRecord, policy: CopyPolicy) -> None:
    """Ask now what `first_look` will most likely ask; EXAMINE has just been sent ahead."""
    first, listed = _first_to_list(status.highestmodseq, record, policy), weight(status, record, policy)
    if not status.messages or listed > CHUNK or record.source_uidvalidity not in (0, status.uidvalidity):
        return
    new = _range((first, None)) if listed else ""
    if ranges := _ranges(ledger, status.highestmodseq, record, policy, first if listed else BEYOND)[:1]:
        source.ahead.changes(ranges, record.source_modseq, new)
    elif new:
        source.ahead.scan(new)


def _first_to_list(highestmodseq: int, record: FolderRecord, policy: CopyPolicy) -> int:
    """Where flags matter and not both looks had CONDSTORE, all there is is listed."""
    if policy.flags and not (highestmodseq and record.source_modseq):
        return 1
    return max(record.source_uidnext, 1)


def _at_most(exists: int, uidnext: int, first: int) -> int:
    """How many messages can be there from UID `first` on."""
    return min(exists, uidnext - first)


def listed(source: Session, ledger: Ledger, record: FolderRecord, part: Part) -> Found:
    """A part of the selected folder."""
    return _listed(ledger, record, part, source.scan(_range(part)))


def _listed(ledger: Ledger, record: FolderRecord, part: Part, messages: Sequence[MessageMeta]) -> Found:
    """A part that was listed in full: what has a row there and is not among `messages` is gone."""
    first, last = part
    metas = {m.uid: m for m in messages if first <= m.uid <= (last or BEYOND)}
    rows = {row.source_uid: row for row in ledger.rows_between(record.id, first, last or BEYOND)}
    fresh = tuple(uid for uid in metas if uid not in rows or rows[uid].reason in ON_NEITHER)
    return Found(
        tuple(metas.values()),
        {uid: row for uid, row in rows.items() if uid in metas},
        fresh,
        tuple(uid for uid, row in rows.items() if not row.gone and uid not in metas),
        tuple(uid for uid, row in rows.items() if row.gone and uid in metas and row.reason not in ON_NEITHER),
        len(metas) - len(fresh),
    )


def _range(part: Part) -> str:
    return f"{part[0]}:{part[1] or '*'}"


def _changed(
    source: Session, ledger: Ledger, record: FolderRecord, below: int, exist: int, told: Changes, ranges: Sequence[str]
) -> Iterator[Found]:
    """What changed among UIDs `below` since the last look: in the first range as the server `told`, then in `ranges`;
    and at last what is gone, back or was never seen. `exist`: how many are there now.

    All UIDs are asked for only where the number of messages is not what the ledger and the changes make it.
    """
    live, gone, failed = ledger.standing(record.id, below).live, array("Q"), ledger.failed(record.id, below)
    tried, uids = set[int](), None
    for changes in chain([told], (_ask(source, record, [one], "") for one in ranges)):
        metas = _with_rows(ledger, record, [m for m in changes.messages if m.uid < below])
        tried.update(uid for uid in failed if uid in metas)
        if changes.vanished:
            uids = uids or ledger.uids(record.id, below)
            gone.extend(uid for uid in changes.vanished.among(uids.live) if uid not in metas)
        if metas:
            yield _found(ledger, record, metas)
    again = [uid for uid in failed if uid not in tried]
    metas = {m.uid: m for m in source.scan(again)} if again else {}
    if exist == live - len(gone):
        yield _found(ledger, record, metas, gone, live=live - len(gone))
        return
    there, uids = source.present(), uids or ledger.uids(record.id, below)
    gone = array("Q", (uid for uid in uids.live if uid not in there))
    back = list(there.among(uids.gone))
    unseen = [uid for uid in there.without(merge(uids.live, uids.gone)) if uid < below and uid not in metas]
    metas |= {m.uid: m for m in source.scan(unseen)} if unseen else {}
    yield _found(ledger, record, metas, gone, back, len(uids.live) - len(gone) + len(back))


def _with_rows(ledger: Ledger, record: FolderRecord, changed: Sequence[MessageMeta]) -> dict[int, MessageMeta]:
    """Those that the ledger knows, but for what is on neither side any more; by UID."""
    rows = ledger.rows_of(record.id, [m.uid for m in changed])
    return {m.uid: m for m in changed if m.uid in rows and rows[m.uid].reason not in ON_NEITHER}


def _found(
    ledger: Ledger, record: FolderRecord, metas: Mapping[int, MessageMeta], gone: Sequence[int] = (),
    back: Sequence[int] = (), live: int = 0,
) -> Found:  # fmt: skip
    rows = ledger.rows_of(record.id, list(metas))
    fresh = tuple(uid for uid in sorted(metas) if uid not in rows or rows[uid].reason in ON_NEITHER)
    return Found(tuple(metas[uid] for uid in sorted(metas)), rows, fresh, gone, back, live)


def _ranges(ledger: Ledger, highestmodseq: int, record: FolderRecord, policy: CopyPolicy, first: int) -> list[str]:
    """The UIDs below what is listed from `first` on, where changes have to be asked for; none where nothing changed.

    In ranges of no more than RANGE messages that were there.
    """
    last = min(first, record.source_uidnext) - 1
    if last < 1 or not policy.flags or not highestmodseq or highestmodseq == record.source_modseq:
        return []
    live = ledger.uids(record.id, last).live if record.source_messages > RANGE else ()
    ends = [cut for cut in live[RANGE - 1 :: RANGE] if cut < last] + [last]
    return [f"{first}:{end}" for first, end in zip([1, *(cut + 1 for cut in ends)], ends, strict=False)]


def canaries(source: Session, messages: tuple[MessageMeta, ...], tokens: frozenset[str]) -> frozenset[int]:
    """UIDs of those `messages` that are our canaries."""
    small = [message.uid for message in messages if message.size <= CANARY_OCTETS]
    if not tokens or not small:
        return frozenset()
    return frozenset(uid for uid, token in source.scan_header(small, CANARY_HEADER).items() if token in tokens)


def known(rows: Mapping[int, LedgerRow]) -> dict[int, Known]:
    """The rows as the planner wants them."""
    return {uid: Known(row.target_uid, row.outcome, row.flags, row.reason) for uid, row in rows.items()}
