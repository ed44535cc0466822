"""What a selected folder holds: UIDs, flags, dates, sizes, single header fields; never a whole message."""

import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from migrator.imap.channel import Channel, Exchange
from migrator.imap.grammar import uid_sets
from migrator.imap.records import Selected, Status
from migrator.imap.responses import (
    Token,
    flags,
    internal_date,
    message_meta,
    number,
    pairs,
    status_line,
    tokens,
)
from migrator.imap.vanished import UidRanges, uid_ranges, vanished
from migrator.model.message import MessageMeta

SLICE = 50_000  # messages to one SEARCH: an answer of 11 octets a message stays under the line cap
ATTEMPTS = 5  # to see a large folder between two of its deletions
RANGE = 40_000  # messages to one FETCH with VANISHED: as many ranges of UIDs lie between them, of 22 octets at most
_RANGE = re.compile(r"([1-9]\d{0,9})(?::([1-9]\d{0,9}|\*))?")
_ALL = re.compile(rb" ALL ([\d:,]+)", re.IGNORECASE)
_GONE = re.compile(rb"\d+ EXPUNGE|VANISHED .*", re.IGNORECASE | re.DOTALL)
_FIELD = re.compile(r"[!-9;-~]{1,100}")
CHANGED = b" (CHANGEDSINCE %d)"
_VANISHED = b" (CHANGEDSINCE %d VANISHED)"
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


@dataclass(frozen=True, slots=True)
class Changes:
    """What is new in a range of UIDs since a MODSEQ: messages whose flags changed, and UIDs that went (QRESYNC)."""

    messages: list[MessageMeta]
    vanished: UidRanges


@dataclass(frozen=True, slots=True)
class Glance:
    """One folder as it is now: its UIDVALIDITY (0: it, or the look, was refused), and the messages asked for."""

    uidvalidity: int
    messages: Mapping[int, MessageMeta]


def scan(channel: Channel, uids: str | Sequence[int], condition: bytes, limit: int) -> list[MessageMeta]:
    """UID, flags, date and size of messages, by UID ascending; at most `limit` answers are taken from the server."""
    found = _metas(channel, _lines(channel, _ask_metas(channel, uids, condition, bool(condition)), limit))
    least = _least(uids)
    return [found[uid] for uid in sorted(found) if uid >= least]


@dataclass(frozen=True, slots=True)
class Since:
    """A question for changes after a MODSEQ in `ranges` of UIDs; `qresync`: and for what went (it is enabled then).

    `new`: a range of UIDs whose messages are all asked for, too ("" for none). A range has no more than RANGE messages
    in it that are there: then no VANISHED is longer than a line may be.
    """

    modseq: int
    ranges: Sequence[str]
    qresync: bool
    new: str = ""

    @property
    def commands(self) -> list[tuple[bytes, bytes, bytes]]:
        condition = (_VANISHED if self.qresync else CHANGED) % self.modseq
        asked = [(b"UID FETCH", _range(uids), _items(condition, True)) for uids in self.ranges]
        return [*asked, (b"UID FETCH", _range(self.new), _items(b"", False))] if self.new else asked


def changes(channel: Channel, asks: Since, limit: int) -> Changes:
    """The answer, in one round trip. All in one: a server may mix the answers to FETCHes in one folder."""
    channel.keep_to(asks.commands)
    asked = [channel.start(*command) for command in asks.commands]
    found = _metas(channel, _lines(channel, asked, limit))
    told = vanished(parts[0] for exchange in asked for parts in exchange.untagged)
    return Changes([found[uid] for uid in sorted(found)], told)


def scan_ahead(channel: Channel, uids: str) -> None:
    """Ask now what `scan` of a range asks next, without a condition."""
    channel.start_ahead(b"UID FETCH", _range(uids), _items(b"", False))


def changes_ahead(channel: Channel, asks: Since) -> None:
    """Ask now what `changes` asks next."""
    for command in asks.commands:
        channel.start_ahead(*command)


def glance(channel: Channel, asks: Sequence[tuple[Sequence[bytes], Sequence[int]]], modseq: bool) -> list[Glance]:
    """Open folders one after the other, each with its command, and look at some of their messages; one round trip.

    Nothing is asked of a folder without UIDs. The last one stays open.
    """
    asked: deque[tuple[Exchange, list[Exchange]]] = deque()
    found: list[Glance] = []
    for command, uids in asks:
        while asked and not channel.flows(tuple(command)):
            found.append(_glance(channel, *asked.popleft()))
        asked.append((channel.start(*command), _ask_metas(channel, uids, b"", modseq) if uids else []))
    return found + [_glance(channel, *one) for one in asked]


def _glance(channel: Channel, opened: Exchange, looks: Sequence[Exchange]) -> Glance:
    channel.settle(opened)
    limit = SLICE * (len(looks) + 1)
    metas = _metas(channel, _lines(channel, looks, limit, strict=False))
    there = all(one.status is not None and one.status.status == "OK" for one in (opened, *looks))
    return Glance(selected(opened).uidvalidity, metas) if there else Glance(0, {})


def scan_header(channel: Channel, uids: str | Sequence[int], field: str, limit: int) -> dict[int, str]:
    """The value of header field `field` (the first, unfolded) of those messages that have it."""
    if not _FIELD.fullmatch(field):
        raise ValueError(f"not a header field name: {field!r}")
    value = re.compile(rb"^" + re.escape(field.encode()) + rb"[ \t]*:[ \t]*(.*)$", re.IGNORECASE | re.MULTILINE)
    found: dict[int, str] = {}
    asked = _ask(channel, uids, b"(UID BODY.PEEK[HEADER.FIELDS (" + field.encode() + b")])")
    for line in _lines(channel, asked, limit):
        attributes = _attributes(channel, line)
        text = next((text for name, text in attributes.items() if name.startswith(b"BODY[HEADER.FIELDS")), None)
        header = re.sub(rb"\r?\n(?=[ \t])|\r", b"", text) if isinstance(text, bytes) else b""
        uid = number(attributes.get(b"UID"))
        if (match := value.search(header)) and uid >= _least(uids):
            found[uid] = match[1].strip().decode("utf-8", "replace")
    return found


def present(channel: Channel, esearch: bool, exists: int) -> UidRanges:
    """The UIDs of the selected folder; asked for in slices, so that no answer is a giant line."""
    starts = range(1, exists + 1, SLICE) if exists > SLICE else ()
    slices = [b"%d:%b" % (n, b"*" if n + SLICE > exists else b"%d" % (n + SLICE - 1)) for n in starts] or [b"ALL"]
    form = (b"RETURN (ALL)",) if esearch else ()
    for _ in range(ATTEMPTS):
        done = [channel.finish(one) for one in channel.run_all([(b"UID SEARCH", *form, part) for part in slices])]
        if len(slices) == 1 or not any(_GONE.fullmatch(parts[0]) for one in done for parts in one.untagged):
            break  # else a slice may have begun one message too late
    found = UidRanges(one for each in done for parts in each.untagged for one in _searched(parts[0]))
    if len(found) > exists + SLICE:
        channel.violated(f"the server named {len(found)} messages in a folder of {exists}")
    return found


def _searched(line: bytes) -> Iterator[tuple[int, int]]:
    """The ranges of UIDs that an answer to SEARCH names."""
    if line[:8].upper() == b"ESEARCH " and (found := _ALL.search(line)):
        yield from uid_ranges(found[1])
    elif line[:7].upper() in (b"SEARCH", b"SEARCH "):
        yield from ((uid, uid) for uid in map(number, line.split()[1:]))


def with_uidnext(chosen: Selected, status: Status) -> Selected:
    """`chosen`, with the UIDNEXT that only STATUS told."""
    return Selected(
        chosen.uidvalidity, status.uidnext, chosen.exists, chosen.highestmodseq,
        chosen.permanent_flags, chosen.any_keyword, chosen.read_only,
    )  # fmt: skip


def _ask(channel: Channel, uids: str | Sequence[int], items: bytes) -> list[Exchange]:
    """Send UID FETCH, in several commands where the set is long, and do not wait."""
    sets = [_range(uids)] if isinstance(uids, str) else uid_sets(uids)
    return [channel.start(b"UID FETCH", uid_set, items) for uid_set in sets]


def _ask_metas(channel: Channel, uids: str | Sequence[int], condition: bytes, modseq: bool) -> list[Exchange]:
    return _ask(channel, uids, _items(condition, modseq))


def _items(condition: bytes, modseq: bool) -> bytes:
    return b"(UID FLAGS INTERNALDATE RFC822.SIZE" + (b" MODSEQ)" if modseq else b")") + condition


def _lines(channel: Channel, asked: Sequence[Exchange], limit: int, strict: bool = True) -> Iterator[bytes]:
    """The first lines of all FETCH answers; `strict`: CommandRefused where the server refuses."""
    count = 0
    for exchange in asked:
        while exchange.status is None:
            line = channel.line()
            if line.startswith(b"* ") and b" FETCH (" in line[:24].upper():
                count += 1
                if count > limit:
                    channel.violated("the server sent more answers than the folder has messages")
                yield line
            else:
                channel.take_in(line)
        if strict:
            channel.finish(exchange)


def _metas(channel: Channel, lines: Iterable[bytes]) -> dict[int, MessageMeta]:
    """What FETCH answers tell, by UID; those without a size are announcements that nobody asked for."""
    found: dict[int, MessageMeta] = {}
    known_flags = cache(lambda text: flags(text.split()))
    for line in lines:
        usual = _META.fullmatch(line)
        if usual:
            uid, before, words, date, size, after = usual.groups()
            found[int(uid)] = MessageMeta(
                int(uid), int(size), known_flags(words), internal_date(date), int(before or after or 0)
            )
        elif (attributes := _attributes(channel, line)) and b"RFC822.SIZE" in attributes:
            meta = message_meta(attributes)
            found[meta.uid] = meta
    return found


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
