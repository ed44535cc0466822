"""What a server holds, read by the judge's own means: EXAMINE and BODY.PEEK[] over a raw socket.

Content has a digest for each grade, the strictest first:
    L0  the same bytes
    L1  `\\r*\\n` taken as `\\n`, end of file stripped        (line endings)
    L2  all CR removed                                       (line endings)
    L3  NUL taken as 0x80                                    (content changed)
    L4  8-bit bytes in the header taken as X                 (content changed)
"""

from __future__ import annotations

import datetime
import hashlib
import re
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from tests.lab.traffic import TOKEN
from tests.lab.wire import MONTHS, Imap, ListedFolder, Token

CANARY_HEADER = b"x-migrator-canary:"
GRADES = ("L0", "L1", "L2", "L3", "L4")
ITEMS = "UID FLAGS INTERNALDATE BODY.PEEK[]"
DATE = re.compile(r"\s*(\d+)-(\w{3})-(\d{4}) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)")


class CheckerError(Exception):
    """The judge could not see enough to judge; no evidence is never a pass."""


class Server(Protocol):
    """Anything that hands out a logged-in connection for a user."""

    def connect(self, user: str) -> Imap: ...


@dataclass(frozen=True)
class Message:
    """One message as a server holds it."""

    folder: str
    uid: int
    digests: tuple[bytes, ...]
    """Of the content in the grades L0 to L4."""
    flags: frozenset[str]
    """Lower case, without \\recent."""
    instant: int
    """INTERNALDATE, seconds since 1970 UTC."""
    size: int
    header: bytes = b""
    """Digest of the header, to recognise an altered message."""
    body: bytes = b""
    message_id: bytes = b""
    canary: bool = False
    tokens: frozenset[str] = frozenset()

    def __str__(self) -> str:
        identity = self.message_id.decode("utf-8", "replace") or "no id"
        return f"{self.folder} UID {self.uid} ({self.size} octets, {identity})"


@dataclass(frozen=True)
class Snapshot:
    """A mailbox at one moment: folder path ("/"-separated, namespace prefix taken off) to its messages."""

    user: str
    folders: Mapping[str, tuple[Message, ...]]
    subscribed: frozenset[str] = frozenset()

    def messages(self, canaries: bool = False) -> list[Message]:
        """All messages; canaries only where asked for."""
        return [m for messages in self.folders.values() for m in messages if canaries or not m.canary]

    @property
    def canaries(self) -> list[Message]:
        return [message for message in self.messages(canaries=True) if message.canary]


def snapshot(server: Server, user: str) -> Snapshot:
    """Read one whole mailbox."""
    with server.connect(user) as connection:
        listed = connection.folders()
        readable = [folder for folder in listed if folder.selectable]
        folders = {folder.path: _read(connection, folder) for folder in readable}
        if len(folders) != len(readable):
            raise CheckerError(f"{user}: two folders look the same: {sorted(folder.name for folder in readable)}")
        return Snapshot(user, folders, frozenset(folder.path for folder in readable if folder.subscribed))


def snapshots(server: Server, users: Iterable[str], threads: int = 4) -> dict[str, Snapshot]:
    """Read many mailboxes."""
    with ThreadPoolExecutor(threads) as pool:
        return {one.user: one for one in pool.map(lambda user: snapshot(server, user), users)}


def _read(connection: Imap, folder: ListedFolder) -> tuple[Message, ...]:
    exists = connection.examine(folder.name)["exists"]
    if not exists:
        return ()
    messages = tuple(_message(folder.path, answer) for answer in connection.fetch("1:*", ITEMS) if "BODY[]" in answer)
    if len({message.uid for message in messages}) < exists:
        raise CheckerError(f"{folder.path}: {exists} messages announced, {len(messages)} received")
    return messages


def _message(folder: str, answer: Mapping[str, Token]) -> Message:
    uid, flags, date, octets = (answer.get(key) for key in ("UID", "FLAGS", "INTERNALDATE", "BODY[]"))
    if not (
        isinstance(uid, bytes) and isinstance(flags, list) and isinstance(date, bytes) and isinstance(octets, bytes)
    ):
        raise CheckerError(f"{folder}: incomplete answer {list(answer)}")
    names = frozenset(flag.decode().lower() for flag in flags if isinstance(flag, bytes)) - {"\\recent"}
    return make_message(octets, folder=folder, uid=int(uid), flags=names, instant=instant(date.decode()))


def make_message(
    octets: bytes, *, folder: str = "INBOX", uid: int = 0, flags: Iterable[str] = (), instant: int = 0
) -> Message:
    """A message with its digests, from its octets."""
    plain = octets.replace(b"\r", b"")
    header, _, body = plain.partition(b"\n\n")
    found = re.search(rb"^message-id:\s*(\S+)", header, re.IGNORECASE | re.MULTILINE)
    return Message(
        folder=folder,
        uid=uid,
        digests=grade_digests(octets),
        flags=frozenset(flags),
        instant=instant,
        size=len(octets),
        header=_digest(header.rstrip(b"\n")),
        body=_digest(body.rstrip(b"\n")) if body.strip() else b"",
        message_id=found[1] if found else b"",
        canary=any(line.startswith(CANARY_HEADER) for line in header.lower().split(b"\n")),
        tokens=frozenset(token.decode() for token in TOKEN.findall(plain)),
    )


def grade_digests(octets: bytes) -> tuple[bytes, ...]:
    """The digests of a message's content in the grades L0 to L4."""
    l1 = re.sub(rb"\r*\n", b"\n", octets).rstrip(b"\r\n")
    l2 = l1.replace(b"\r", b"").rstrip(b"\n")
    l3 = l2.replace(b"\0", b"\x80")
    header, mark, body = l3.partition(b"\n\n")
    l4 = re.sub(rb"[\x80-\xff]", b"X", header) + mark + body
    return tuple(_digest(form) for form in (octets, l1, l2, l3, l4))


def _digest(octets: bytes) -> bytes:
    return hashlib.blake2b(octets, digest_size=16).digest()


def instant(date: str) -> int:
    """An INTERNALDATE as seconds since 1970 UTC."""
    match = DATE.match(date)
    if not match:
        raise CheckerError(f"not a date: {date!r}")
    day, month, year, hour, minute, second, sign, zone_hours, zone_minutes = match.groups()
    zone = (int(zone_hours) * 60 + int(zone_minutes)) * (-1 if sign == "-" else 1)
    stamp = datetime.datetime(
        int(year), MONTHS.index(month.title()) + 1, int(day), int(hour), int(minute), int(second), tzinfo=datetime.UTC
    )
    return int(stamp.timestamp()) - zone * 60
