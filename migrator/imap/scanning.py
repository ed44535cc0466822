"""What a selected folder holds: UIDs, flags, dates, sizes, single header fields; never a whole message."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache

from migrator.imap.channel import Channel, Exchange
from migrator.imap.grammar import uid_sets
from migrator.imap.records import Selected, Status
from migrator.imap.responses import (
    Token,
    expand,
    flags,
    internal_date,
    message_meta,
    number,
    pairs,
    status_line,
    tokens,
)
from migrator.model.message import MessageMeta

SLICE = 50_000  # messages to one SEARCH: an answer of 11 octets a message stays under the line cap
_RANGE = re.compile(r"([1-9]\d{0,9})(?::([1-9]\d{0,9}|\*))?")
_FIELD = re.compile(r"[!-9;-~]{1,100}")
_META = re.compile(
    rb"\* \d+ FETCH \(UID (\d{1,10}) (?:MODSEQ \((\d{1,19})\) )?FLAGS \(([^()]*)\)"
    rb' INTERNALDATE "([^"]*)" RFC822\.SIZE (\d{1,19})(?: MODSEQ \((\d{1,19})\))?\)'
)


def selected(done: Exchange) -> Selected:
    """The answers to SELECT or EXAMINE; UIDNEXT is 0 where the server did not tell it."""
    exists, values = 0, dict[str, bytes]()
    lines = [parts[0] for parts in done.untagged]
    for line in lines:
        if line.upper().endswith(b" EXISTS"):
            exists = number(line.split()[0])
        elif line[:3].upper() == b"OK " and (status := status_line(line)):
            values[status.code] = status.args
    permanent = flags(values["PERMANENTFLAGS"].strip(b"()").split()) if "PERMANENTFLAGS" in values else None
    if permanent is None:  # all flags of FLAGS may be changed then (RFC 3501, 7.1)
        permanent = next(
            (flags(line[6:].strip(b" ()").split()) for line in lines if line[:6].upper() == b"FLAGS "), frozenset()
        )
    return Selected(
        uidvalidity=number(values.get("UIDVALIDITY")),
        uidnext=number(values.get("UIDNEXT")),
        exists=exists,
        highestmodseq=number(values.get("HIGHESTMODSEQ")),
        permanent_flags=permanent - {"\\*"},
        any_keyword="\\*" in permanent,
        read_only=bool(done.status and done.status.code == "READ-ONLY"),
    )


def scan(channel: Channel, uids: str | Sequence[int], condition: bytes, limit: int) -> list[MessageMeta]:
    """UID, flags, date and size of messages, by UID ascending; at most `limit` answers are taken from the server."""
    found: dict[int, MessageMeta] = {}
    known_flags = cache(lambda text: flags(text.split()))
    items = b"(UID FLAGS INTERNALDATE RFC822.SIZE" + (b" MODSEQ)" if condition else b")")
    for line in _fetch(channel, uids, items + condition, limit):
        usual = _META.fullmatch(line)
        if usual:
            uid, before, words, date, size, after = usual.groups()
            found[int(uid)] = MessageMeta(
                int(uid), int(size), known_flags(words), internal_date(date), int(before or after or 0)
            )
        elif (attributes := _attributes(channel, line)) and b"RFC822.SIZE" in attributes:
            meta = message_meta(attributes)
            found[meta.uid] = meta
    least = _least(uids)
    return [found[uid] for uid in sorted(found) if uid >= least]


def scan_header(channel: Channel, uids: str | Sequence[int], field: str, limit: int) -> dict[int, str]:
    """The value of header field `field` (the first, unfolded) of those messages that have it."""
    if not _FIELD.fullmatch(field):
        raise ValueError(f"not a header field name: {field!r}")
    value = re.compile(rb"^" + re.escape(field.encode()) + rb"[ \t]*:[ \t]*(.*)$", re.IGNORECASE | re.MULTILINE)
    found: dict[int, str] = {}
    for line in _fetch(channel, uids, b"(UID BODY.PEEK[HEADER.FIELDS (" + field.encode() + b")])", limit):
        attributes = _attributes(channel, line)
        text = next((text for name, text in attributes.items() if name.startswith(b"BODY[HEADER.FIELDS")), None)
        header = re.sub(rb"\r?\n(?=[ \t])|\r", b"", text) if isinstance(text, bytes) else b""
        uid = number(attributes.get(b"UID"))
        if (match := value.search(header)) and uid >= _least(uids):
            found[uid] = match[1].strip().decode("utf-8", "replace")
    return found


def search_uids(channel: Channel, esearch: bool, exists: int) -> list[int]:
    """All UIDs of the selected folder, ascending; in slices, so that no answer is a giant line."""
    if esearch:
        done = channel.run(b"UID SEARCH", b"RETURN (ALL)", b"ALL")
        lines = [parts[0] for parts in done.untagged if parts[0].upper().startswith(b"ESEARCH ")]
        found = re.search(rb" ALL ([\d:,]+)", lines[0], re.IGNORECASE) if lines else None
        return sorted(expand(found[1], exists + SLICE)) if found else []
    uids: set[int] = set()
    for first in range(1, exists + 1, SLICE):
        last = b"*" if first + SLICE > exists else b"%d" % (first + SLICE - 1)
        for parts in channel.run(b"UID SEARCH", b"%d:" % first + last).untagged:
            if parts[0].upper().startswith(b"SEARCH"):
                uids.update(map(number, parts[0].split()[1:]))
    return sorted(uids)


def with_uidnext(chosen: Selected, status: Status) -> Selected:
    """`chosen`, with the UIDNEXT that only STATUS told."""
    return Selected(
        chosen.uidvalidity, status.uidnext, chosen.exists, chosen.highestmodseq,
        chosen.permanent_flags, chosen.any_keyword, chosen.read_only,
    )  # fmt: skip


def _fetch(channel: Channel, uids: str | Sequence[int], items: bytes, limit: int) -> Iterator[bytes]:
    """The first lines of all FETCH answers; all commands are sent at once."""
    sets = [_range(uids)] if isinstance(uids, str) else uid_sets(uids)
    count = 0
    for exchange in [channel.start(b"UID FETCH", uid_set, items) for uid_set in sets]:
        while exchange.status is None:
            line = channel.line()
            if line.startswith(b"* ") and b" FETCH (" in line[:24].upper():
                count += 1
                if count > limit:
                    channel.violated("the server sent more answers than the folder has messages")
                yield line
            else:
                channel.take_in(line)
        channel.finish(exchange)


def _attributes(channel: Channel, line: bytes) -> Mapping[bytes, Token]:
    answer = tokens(channel.whole(line))
    return pairs(answer[3]) if len(answer) > 3 else {}


def _range(uids: str) -> bytes:
    if not _RANGE.fullmatch(uids):
        raise ValueError(f"not a UID range: {uids!r}")
    return uids.encode("ascii")


def _least(uids: str | Sequence[int]) -> int:
    """The first UID asked for: `17:*` is also answered with the last message, be its UID below 17 (RFC 3501, 6.4.8)."""
    return int(uids.partition(":")[0]) if isinstance(uids, str) and uids.endswith("*") else 1
