"""One side of an audit: what a folder holds, read without changing anything in it."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from migrator.copier.compare import Seen
from migrator.copier.content import Content, content
from migrator.copier.job import CopyJob
from migrator.copier.plan import KeptFlags
from migrator.copier.sample import Keys
from migrator.copier.scan import canaries
from migrator.imap import Body, Selected, Session, Status
from migrator.imap.errors import CommandRefused
from migrator.imap.grammar import date_fits
from migrator.model.message import Flags, MessageMeta
from migrator.model.names import FolderName

CHUNK = 100  # UIDs in one FETCH; the next is sent ahead
Kept = Callable[[Flags], Flags]


@dataclass(frozen=True)
class FolderLook:
    """A folder's messages below `uidnext`: what has come since the audit began is not looked at. Canaries of ours are
    left out, and counted."""

    name: FolderName
    selected: Selected
    metas: Mapping[int, MessageMeta]
    canaries: int = 0
    uidnext: int = 1


NOWHERE_YET = Selected(0, 1, 0, 0, frozenset(), False, True)


def look_at(
    job: CopyJob, session: Session, name: FolderName, listed: Status | None = None, writable: bool = False
) -> FolderLook:
    """Flags, dates and sizes of a folder, which stays selected. `listed`: what it was when the audit began.

    `writable`: SELECT instead of EXAMINE, since only that tells which flags are kept; nothing is set by looking.
    """
    selected = session.select(name) if writable else session.examine(name)
    same = listed is not None and listed.uidvalidity == selected.uidvalidity
    uidnext = min(listed.uidnext, selected.uidnext) if listed and same else selected.uidnext
    metas = session.scan("1:*") if selected.exists else []
    metas = [meta for meta in metas if meta.uid < uidnext]
    ours = canaries(session, tuple(metas), job.canary_tokens)
    return FolderLook(name, selected, {meta.uid: meta for meta in metas if meta.uid not in ours}, len(ours), uidnext)


def keys(session: Session, look: FolderLook) -> Keys:
    """The cheap key of each message in the selected folder."""
    if not look.metas:
        return {}
    names = session.scan_header(sorted(look.metas), "Message-ID")
    nameless = [uid for uid in sorted(look.metas) if uid not in names]
    dates = session.scan_header(nameless, "Date") if nameless else {}
    return {uid: (names.get(uid) or dates.get(uid, ""), meta.size) for uid, meta in look.metas.items()}


def read(job: CopyJob, session: Session, look: FolderLook, uids: Sequence[int], paced: bool) -> dict[int, Content]:
    """Messages of the selected folder, read in full; what the server did not send is absent.

    `paced`: they are paid for from the budgets (a message once, not on both sides).
    """
    return {body.uid: content(body.chunks) for body in _bodies(job, session, look, uids, paced)}


def _bodies(job: CopyJob, session: Session, look: FolderLook, uids: Sequence[int], paced: bool) -> Iterator[Body]:
    """The messages one after the other, stopping where the operator says so."""
    chunks = [uids[at : at + CHUNK] for at in range(0, len(uids), CHUNK)]
    fetcher = session.fetcher()
    for number, chunk in enumerate(chunks):
        job.checkpoint()
        for ahead in chunks[number : number + 2] if number == 0 else chunks[number + 1 : number + 2]:
            if paced:
                job.pace.spend(job.mailbox, len(ahead), sum(look.metas[uid].size for uid in ahead))
            fetcher.request(ahead)
        with suppress(CommandRefused):  # what it refuses to send is absent
            yield from fetcher.replies()
        job.progress.copied(job.mailbox, len(chunk), sum(look.metas[uid].size for uid in chunk))


def seen(
    look: FolderLook,
    contents: Mapping[int, Content],
    kept: Kept,
    hints: Mapping[int, int] | None = None,
    origins: Mapping[int, tuple[FolderName, int]] | None = None,
) -> Iterator[Seen]:
    """The folder's messages as the comparison wants them; what has no content went away while the audit read.

    `kept`: the flags that count, of those a message has. `hints` and `origins`: see Seen.
    """
    for uid, found in contents.items():
        meta = look.metas[uid]
        flags = lower(kept(meta.flags))
        yield Seen(
            look.name,
            uid,
            meta.size,
            flags,
            int(meta.internaldate.timestamp()),
            found,
            hint=(hints or {}).get(uid, 0),
            dated=date_fits(meta.internaldate),
            lost_flags=flags != lower(meta.flags),
            origin=(origins or {}).get(uid),
        )


def kept_by(selected: Selected) -> Kept:
    """The flags that a folder, once SELECTed, says that it stores."""
    if not selected.permanent_flags and not selected.any_keyword:
        return KeptFlags().of
    return KeptFlags(lower(selected.permanent_flags), selected.any_keyword).of


def keep_all(flags: Flags) -> Flags:
    """For the side whose flags are what they are."""
    return flags


def lower(flags: Iterable[str]) -> Flags:
    r"""Flags are case-insensitive; \Recent is the server's own."""
    return frozenset(flag.lower() for flag in flags) - {"\\recent"}
