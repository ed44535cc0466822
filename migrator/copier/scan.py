"""What changed in one source folder since the ledger last looked. The source is only ever EXAMINEd (I1)."""

from collections.abc import Mapping
from dataclasses import dataclass

from migrator.copier.plan import CopyPolicy, Known
from migrator.imap import Selected, Session
from migrator.model.canary import CANARY_HEADER
from migrator.model.message import MessageMeta, Outcome
from migrator.state.records import FolderRecord, LedgerRow

CANARY_OCTETS = 64 * 1024  # a canary is far smaller than this, whatever header the servers on its way added


@dataclass(frozen=True)
class Scan:
    """`messages`: new ones, those that failed before, and those whose flags may have changed, by UID.

    `fresh`: UIDs among them that have no row. `live`: UIDs that have a row and are there. `gone`: UIDs that have one
    and are not there any more. `back`: UIDs that were gone, and are there again (a server had lost sight of them).
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
    below = {uid for uid in rows if uid < record.source_uidnext}
    if policy.flags:
        metas |= {m.uid: m for m in _maybe_changed(source, selected, record) if m.uid in below}
    if failed := [uid for uid in below if rows[uid].outcome is Outcome.FAILED and uid not in metas]:
        metas |= {message.uid: message for message in source.scan(sorted(failed))}
    live = {row.source_uid for row in rows.values() if not row.gone}
    gone: set[int] = set()
    back = {uid for uid in metas if uid in rows and rows[uid].gone}
    if selected.exists != len(live | {message.uid for message in new}):
        present = set(source.uids())
        gone, back = live - present, (rows.keys() - live) & present
        if unseen := present - rows.keys() - metas.keys():  # below the watermark, and yet without a row
            metas |= {message.uid: message for message in source.scan(sorted(unseen))}
    return Scan(
        messages=tuple(metas[uid] for uid in sorted(metas)),
        fresh=tuple(uid for uid in sorted(metas) if uid not in rows),
        live=frozenset((live | back) - gone),
        gone=tuple(sorted(gone)),
        back=tuple(sorted(back)),
    )


def _from(source: Session, uid: int) -> list[MessageMeta]:
    """Messages from `uid` on; "n:*" also names the last message, whatever its UID (RFC 9051, 6.4.9)."""
    first = max(uid, 1)
    return [message for message in source.scan(f"{first}:*") if message.uid >= first]


def _maybe_changed(source: Session, selected: Selected, record: FolderRecord) -> list[MessageMeta]:
    """By CONDSTORE where both looks had it (RFC 7162), else all that were there before."""
    if record.source_uidnext <= 1 or not selected.exists:
        return []
    if selected.highestmodseq and selected.highestmodseq == record.source_modseq:
        return []
    since = record.source_modseq if selected.highestmodseq else 0
    return source.scan(f"1:{record.source_uidnext - 1}", changed_since=since)


def canaries(source: Session, messages: tuple[MessageMeta, ...], tokens: frozenset[str]) -> frozenset[int]:
    """UIDs of those `messages` that are our canaries."""
    small = [message.uid for message in messages if message.size <= CANARY_OCTETS]
    if not tokens or not small:
        return frozenset()
    return frozenset(uid for uid, token in source.scan_header(small, CANARY_HEADER).items() if token in tokens)


def known(rows: Mapping[int, LedgerRow]) -> dict[int, Known]:
    """The rows as the planner wants them."""
    return {uid: Known(row.target_uid, row.outcome, row.flags, row.reason) for uid, row in rows.items()}
