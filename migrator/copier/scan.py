"""What changed in one source folder since the ledger last looked. The source is only ever EXAMINEd (I1)."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from migrator.copier.plan import CopyPolicy, Known
from migrator.imap import Selected, Session
from migrator.imap.scanning import RANGE, Changes
from migrator.imap.vanished import UidRanges
from migrator.model.canary import CANARY_HEADER
from migrator.model.message import ON_NEITHER, MessageMeta, Outcome
from migrator.state.records import FolderRecord, LedgerRow

CANARY_OCTETS = 64 * 1024  # a canary is far smaller than this, whatever header the servers on its way added


@dataclass(frozen=True)
class Scan:
    """`messages`: new ones, those that failed before, and those whose flags may have changed, by UID.

    `fresh`: UIDs among them without a row, or with that of a message that was removed from the target and is back.
    `live`: UIDs that have a row and are there. `gone`: UIDs that have one and are not there any more. `back`: UIDs that
    were gone, and are there again (a server had lost sight of them).
    """

    messages: tuple[MessageMeta, ...]
    fresh: tuple[int, ...]
    live: frozenset[int]
    gone: tuple[int, ...]
    back: tuple[int, ...] = ()


def scan(
    source: Session, selected: Selected, record: FolderRecord, rows: Mapping[int, LedgerRow], policy: CopyPolicy
) -> Scan:
    """Scan the selected source folder against `rows` (by source UID)."""
    new = _from(source, record.source_uidnext) if selected.exists and selected.uidnext > record.source_uidnext else []
    metas = {message.uid: message for message in new}
    removed = {uid for uid, row in rows.items() if row.reason in ON_NEITHER}
    below = {uid for uid in rows if uid < record.source_uidnext} - removed
    live = {row.source_uid for row in rows.values() if not row.gone}
    gone: set[int] = set()
    if policy.flags:
        changed = _maybe_changed(source, selected, record, live)
        metas |= {m.uid: m for m in changed.messages if m.uid in below}
        gone = set(changed.vanished.among(live)) - metas.keys()
    if failed := [uid for uid in below if rows[uid].outcome is Outcome.FAILED and uid not in metas]:
        metas |= {message.uid: message for message in source.scan(sorted(failed))}
    back = {uid for uid in metas if uid in rows and rows[uid].gone} - removed
    if selected.exists != len((live - gone) | {message.uid for message in new}):
        present = set(source.uids())
        gone, back = live - present, (rows.keys() - live - removed) & present
        if unseen := present - (rows.keys() - removed) - metas.keys():  # below the watermark, and yet without a row
            metas |= {message.uid: message for message in source.scan(sorted(unseen))}
    return Scan(
        messages=tuple(metas[uid] for uid in sorted(metas)),
        fresh=tuple(uid for uid in sorted(metas) if uid not in rows or uid in removed),
        live=frozenset((live | back) - gone),
        gone=tuple(sorted(gone)),
        back=tuple(sorted(back)),
    )


def _from(source: Session, uid: int) -> list[MessageMeta]:
    """Messages from `uid` on; "n:*" also names the last message, whatever its UID (RFC 9051, 6.4.9)."""
    first = max(uid, 1)
    return [message for message in source.scan(f"{first}:*") if message.uid >= first]


def _maybe_changed(source: Session, selected: Selected, record: FolderRecord, live: Collection[int]) -> Changes:
    """By QRESYNC, or by CONDSTORE, where both looks had it (RFC 7162); else all that were there before."""
    last = record.source_uidnext - 1
    if last < 1 or not selected.exists:
        return Changes([], UidRanges())
    if selected.highestmodseq and selected.highestmodseq == record.source_modseq:
        return Changes([], UidRanges())
    since = record.source_modseq if selected.highestmodseq else 0
    if since and (found := source.changes(list(_ranges(live, last)), since)):
        return found
    return Changes(source.scan(f"1:{last}", changed_since=since), UidRanges())


def _ranges(live: Collection[int], last: int) -> Iterator[str]:
    """1 to `last`, cut so that each range has no more than RANGE of the messages that were there."""
    cuts = sorted(live)[RANGE::RANGE] if len(live) > RANGE else []
    ends = [cut for cut in cuts if cut < last] + [last]
    for first, end in zip([1, *(cut + 1 for cut in ends)], ends, strict=False):
        yield f"{first}:{end}"


def canaries(source: Session, messages: tuple[MessageMeta, ...], tokens: frozenset[str]) -> frozenset[int]:
    """UIDs of those `messages` that are our canaries."""
    small = [message.uid for message in messages if message.size <= CANARY_OCTETS]
    if not tokens or not small:
        return frozenset()
    return frozenset(uid for uid, token in source.scan_header(small, CANARY_HEADER).items() if token in tokens)


def known(rows: Mapping[int, LedgerRow]) -> dict[int, Known]:
    """The rows as the planner wants them."""
    return {uid: Known(row.target_uid, row.outcome, row.flags, row.reason) for uid, row in rows.items()}
