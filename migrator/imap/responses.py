"""What IMAP responses mean: tokens of a line with its literals, response codes, LIST, STATUS, FETCH, SEARCH."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache

from imapclient import imap_utf7  # type: ignore[import-untyped]

from migrator.imap.errors import ProtocolViolation
from migrator.imap.records import Status
from migrator.model.message import Flags, MessageMeta
from migrator.model.names import FolderName

Token = bytes | None | list["Token"]
UNKNOWN_DATE = datetime(1970, 1, 1, tzinfo=UTC)  # stands for an INTERNALDATE that cannot be read
DEPTH_CAP = 50
_TOKEN = re.compile(
    rb' *(?:(?P<open>\()|(?P<close>\))|"(?P<quoted>[^"\\]*(?:\\.[^"\\]*)*)"|(?P<literal>~?\{\d+\+?\}\Z)'
    rb'|(?P<atom>(?:\[[^\[\]]*\]|[^ ()"])+))'
)
_STATUS_LINE = re.compile(rb"(OK|NO|BAD|BYE|PREAUTH)(?: (?:\[([A-Z0-9-]+)(?: ([^\]]*))?\] ?)?(.*))?\Z", re.I | re.S)
_DATE = re.compile(rb" ?(\d{1,2})-([A-Za-z]{3})-(\d{4}) (\d\d):(\d\d):(\d\d) ([+-]\d\d\d\d)")
_MONTH = {
    name: number
    for number, name in enumerate(
        (b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec"), 1
    )
}
_BACKOFF = re.compile(r"backoff\D{0,20}(\d{1,9}) *(ms|millisecond|s|second)?", re.I)


@dataclass(frozen=True, slots=True)
class StatusLine:
    """`OK [CODE args] text`, from a tagged or an untagged response; `code` upper case, "" where there is none."""

    status: str
    code: str
    args: bytes
    text: str


def status_line(line: bytes) -> StatusLine | None:
    """The status response in `line` (without tag or `* `); None for anything else."""
    found = _STATUS_LINE.match(line)
    if not found:
        return None
    status, code, args, text = found.groups()
    return StatusLine(
        status.decode().upper(), (code or b"").decode().upper(), args or b"", (text or b"").decode("utf-8", "replace")
    )


def backoff(text: str) -> float | None:
    """Seconds of a "Suggested Backoff Time: N milliseconds" hint; None where there is none."""
    found = _BACKOFF.search(text)
    if not found:
        return None
    return int(found[1]) / (1 if (found[2] or "ms").lower() in ("s", "second") else 1000)


def tokens(parts: list[bytes]) -> list[Token]:
    """The tokens of a response: atoms and strings as octets, NIL as None, parentheses as lists.

    `parts` are the line's pieces and its literals, in turn: [line, literal, line, ...]. ProtocolViolation for
    unbalanced parentheses and open quotes.
    """
    stack: list[list[Token]] = [[]]
    for index in range(0, len(parts), 2):
        for kind, value in _line_tokens(parts[index]):
            if kind == "open":
                _push(stack)
            elif kind == "close":
                _pop(stack)
            elif kind == "literal":
                stack[-1].append(parts[index + 1] if index + 1 < len(parts) else b"")
            else:
                stack[-1].append(value)
    if len(stack) != 1:
        raise ProtocolViolation("the server sent unbalanced parentheses")
    return stack[0]


def _line_tokens(line: bytes) -> Iterator[tuple[str, bytes | None]]:
    at, end = 0, len(line.rstrip(b" "))
    while at < end:
        found = _TOKEN.match(line, at)
        if not found or found.lastgroup is None:
            raise ProtocolViolation(f"the server sent what is not IMAP: {line[at : at + 60]!r}")
        at = found.end()
        value: bytes | None = found[found.lastgroup]
        if found.lastgroup == "quoted" and value is not None and b"\\" in value:
            value = re.sub(rb"\\(.)", rb"\1", value, flags=re.S)
        elif found.lastgroup == "atom" and value is not None and value.upper() == b"NIL":
            value = None
        yield found.lastgroup, value


def _push(stack: list[list[Token]]) -> None:
    if len(stack) > DEPTH_CAP:
        raise ProtocolViolation("the server nests parentheses too deeply")
    inner: list[Token] = []
    stack[-1].append(inner)
    stack.append(inner)


def _pop(stack: list[list[Token]]) -> None:
    if len(stack) == 1:
        raise ProtocolViolation("the server sent unbalanced parentheses")
    stack.pop()


def folder_name(raw: bytes) -> FolderName:
    """The name that `raw` stands for: modified UTF-7, else UTF-8 as some servers send, else the octets as Latin-1."""
    try:
        raw.decode("ascii")
        name = str(imap_utf7.decode(raw))
        name.encode("utf-8")
    except (UnicodeError, ValueError):
        try:
            name = raw.decode("utf-8")
        except UnicodeDecodeError:
            name = raw.decode("latin-1")
    return FolderName(name)


def pairs(values: Token) -> dict[bytes, Token]:
    """A list of name, value, name, value, ... as a mapping with upper-case names."""
    if not isinstance(values, list) or len(values) % 2:
        raise ProtocolViolation("the server sent a list of names and values that does not match up")
    return {
        name.upper(): value for name, value in zip(values[::2], values[1::2], strict=True) if isinstance(name, bytes)
    }


def fetched(parts: list[bytes]) -> Mapping[bytes, Token]:
    """The attributes that a FETCH answer (without `* `) tells; none for any other answer."""
    if b" FETCH (" not in parts[0][:24].upper():
        return {}
    answer = tokens(parts)
    return pairs(answer[2]) if len(answer) > 2 else {}


def number(value: Token) -> int:
    """A number, also where it is in a list of its own (MODSEQ); 0 for None."""
    if isinstance(value, list):
        value = value[0] if value else None
    if value is None:
        return 0
    if isinstance(value, list) or not value.isdigit() or len(value) > 20:
        raise ProtocolViolation("the server sent something else where a number must be")
    return int(value)


def status_values(values: Token) -> Status:
    """`(MESSAGES 3 UIDNEXT 4 ...)`."""
    found = {name: number(value) for name, value in pairs(values).items()}
    names = (b"MESSAGES", b"UIDNEXT", b"UIDVALIDITY", b"HIGHESTMODSEQ")
    return Status(*(found.get(name, 0) for name in names))


def flags(value: Iterable[bytes]) -> Flags:
    """Flags as the server spells them, without \\Recent."""
    return frozenset(flag.decode("utf-8", "replace") for flag in value if flag.lower() != b"\\recent")


def internal_date(value: bytes) -> datetime:
    """An INTERNALDATE (with a space or a zero before a one-digit day); UNKNOWN_DATE when it is none."""
    found = _DATE.fullmatch(value)
    if not found:
        return UNKNOWN_DATE
    day, month, year, hour, minute, second, zone = found.groups()
    try:
        return datetime(
            int(year), _MONTH[month.lower()], int(day), int(hour), int(minute), min(int(second), 59),
            tzinfo=_zone(zone),
        )  # fmt: skip
    except (KeyError, ValueError):
        return UNKNOWN_DATE


@lru_cache(maxsize=256)
def _zone(text: bytes) -> timezone:
    """Of `+0900`; ValueError beyond a day."""
    minutes = 60 * int(text[1:3]) + int(text[3:])
    return timezone(timedelta(minutes=-minutes if text[:1] == b"-" else minutes))


def message_meta(attributes: Mapping[bytes, Token]) -> MessageMeta:
    """One FETCH answer with UID, FLAGS, INTERNALDATE, RFC822.SIZE and maybe MODSEQ."""
    set_flags, date = attributes.get(b"FLAGS"), attributes.get(b"INTERNALDATE")
    return MessageMeta(
        uid=number(attributes.get(b"UID")),
        size=number(attributes.get(b"RFC822.SIZE")),
        flags=flags(flag for flag in set_flags or () if isinstance(flag, bytes)),
        internaldate=internal_date(date) if isinstance(date, bytes) else UNKNOWN_DATE,
        modseq=number(attributes.get(b"MODSEQ")),
    )


def expand(uid_set: bytes, limit: int) -> list[int]:
    """The UIDs of `1:3,7` in the order given. ProtocolViolation for what is no set, or names more than `limit`."""
    uids: list[int] = []
    for part in uid_set.split(b","):
        first, colon, last = part.partition(b":")
        if not first.isdigit() or (colon and not last.isdigit()) or len(part) > 21:
            raise ProtocolViolation(f"the server sent a bad UID set: {uid_set[:60]!r}")
        low, high = sorted((int(first), int(last or first)))
        if len(uids) + high - low >= limit:
            raise ProtocolViolation(f"the server named more than {limit} UIDs where that cannot be")
        uids.extend(range(low, high + 1))
    return uids
