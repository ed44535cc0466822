"""Strict building of what goes into a command: flags, dates, names, UID sets.

A server that refuses an APPEND before its non-synchronising literal reads the message text as commands (a body line
`z1 CREATE Pwned` made that mailbox on Dovecot). So nothing that came from a message, a server or a file is passed
through: it is rebuilt here from RFC 9051's grammar, or refused with UnsafeValue.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

from imapclient import imap_utf7  # type: ignore[import-untyped]

from migrator.imap.errors import UnsafeValue
from migrator.model.flags import FLAGS_LIMIT, SYSTEM_BY_LOWER, flag_fits
from migrator.model.names import FolderName, has_control, neutral

LINE_LIMIT = 7_500  # octets of a UID set: the whole command stays under the 8,192 of RFC 7162, section 4
_QUOTABLE = re.compile(rb"[ !#-\[\]-~]*")  # printable ASCII without " and \
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class LiteralText(bytes):
    """A part of a command that is sent as a literal."""


def flag_list(flags: Iterable[str]) -> bytes:
    """`(\\\\Seen $Junk)`, in a stable order. UnsafeValue for what `flag_fits` denies, and beyond FLAGS_LIMIT octets."""
    words = b" ".join(sorted(map(_flag, flags)))
    if len(words) > FLAGS_LIMIT:
        raise UnsafeValue(f"{len(words)} octets of flags on one message", remedy="Leave some of its keywords out.")
    return b"(" + words + b")"


def _flag(flag: str) -> bytes:
    if not flag_fits(flag):
        raise UnsafeValue(f"not a flag that IMAP allows: {neutral(flag)!r}", remedy="Leave this flag out.")
    return SYSTEM_BY_LOWER.get(flag.lower(), flag).encode("ascii")


def date_fits(date: datetime) -> bool:
    """Whether every server parses this INTERNALDATE: aware, whole-minute zone within a day, 1970 to 9999 by UTC.

    Instants before 1970 are BAD on Cyrus and become 2036 to 2038 on Dovecot.
    """
    zone = date.utcoffset()
    if zone is None or zone.seconds % 60 or zone.microseconds:
        return False
    return date.year > 1970 or date >= _EPOCH


def quoted_date(date: datetime) -> bytes:
    """`"09-May-2020 10:11:12 +0900"`. UnsafeValue for a date that `date_fits` denies."""
    if not date_fits(date):
        raise UnsafeValue(f"not a date that IMAP servers take: {date!r}", remedy="Append without a date.")
    if date.year < 1970:  # the last hours of 1969 in a western zone
        date = date.astimezone(UTC)
    text = date.isoformat(" ", "seconds")  # 2020-05-09 10:11:12+09:00
    day, time, zone_hours, zone_minutes = text[8:10], text[11:19], text[19:22], text[23:25]
    return f'"{day}-{_MONTHS[date.month - 1]}-{text[:4]} {time} {zone_hours}{zone_minutes}"'.encode("ascii")


def folder_octets(name: FolderName) -> bytes:
    """The name in modified UTF-7. UnsafeValue for control characters and lone surrogates."""
    if not name or has_control(name):
        raise UnsafeValue(f"not a folder name: {neutral(name)!r}", remedy="Map this folder to another name.")
    try:
        return bytes(imap_utf7.encode(name))
    except UnicodeEncodeError:
        raise UnsafeValue(f"not a folder name: {name!r}", remedy="Map this folder to another name.") from None


def astring(octets: bytes) -> bytes:
    """A quoted string where that is plain, else LiteralText. Never inserts anything into the command line."""
    return b'"' + octets + b'"' if _QUOTABLE.fullmatch(octets) else LiteralText(octets)


def ranges(uids: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Ascending (first, last) runs of consecutive UIDs; duplicates are merged."""
    first = last = 0
    for uid in sorted(uids):
        if first and last <= uid <= last + 1:
            last = uid
            continue
        if first:
            yield first, last
        first = last = uid
    if first:
        yield first, last


def uid_sets(uids: Sequence[int], limit: int = LINE_LIMIT) -> list[bytes]:
    """`1:3,7` for these UIDs, split so that no set is longer than `limit`. ValueError outside 1..2^32-1."""
    if uids and not 0 < min(uids) <= max(uids) < 1 << 32:
        raise ValueError("UIDs are between 1 and 4294967295")
    sets: list[bytes] = []
    parts: list[bytes] = []
    length = 0
    for first, last in ranges(uids):
        part = b"%d" % first if first == last else b"%d:%d" % (first, last)
        if parts and length + len(part) > limit:
            sets.append(b",".join(parts))
            parts, length = [], 0
        parts.append(part)
        length += len(part) + 1
    return [*sets, b",".join(parts)] if parts else sets
