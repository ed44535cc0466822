"""What is on the servers, counted without the program that is judged: no code, no state of it is looked at.

What must be there is known from what was put in, what senders got accepted and what people did; what is there is read
over IMAP. A message is known by its content: two that are the same must be there twice.
"""

import base64
import hashlib
import imaplib
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from demo.letters import Letter
from demo.people import mailbox

RECEIVED = re.compile(rb"(?:Received: [^\n]*\n)+")
LISTED = re.compile(rb'\(([^)]*)\) (?:"[^"]*"|NIL) (.+)')
FETCHED = re.compile(rb"FLAGS \(([^)]*)\)")


@dataclass(frozen=True)
class Item:
    """One message. `when` (seconds since 1970) and `flags` (lower case) are None where they are not known."""

    folder: str
    digest: bytes
    flags: frozenset[str] | None = None
    when: int | None = None
    is_canary: bool = False

    @property
    def place(self) -> tuple[str, bytes]:
        """The folder and the content."""
        return self.folder, self.digest


@dataclass
class Verdict:
    """Sentences on what is wrong with a mailbox, and how many messages were as they must be."""

    right: int = 0
    canaries: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)
    """Not put there by anybody we know of."""
    changed: list[str] = field(default_factory=list)
    """Flags or date are not what they were."""

    def __add__(self, other: "Verdict") -> "Verdict":
        return Verdict(
            self.right + other.right,
            self.canaries + other.canaries,
            self.lost + other.lost,
            self.doubled + other.doubled,
            self.strange + other.strange,
            self.changed + other.changed,
        )

    @property
    def faults(self) -> list[str]:
        """All that is wrong."""
        kinds = {"lost": self.lost, "doubled": self.doubled, "strange": self.strange, "changed": self.changed}
        return [f"{kind}: {text}" for kind, texts in kinds.items() for text in texts]


def expected(letters: Iterable[Letter], folders: Mapping[str, str]) -> list[Item]:
    """What a mailbox must hold; `folders` maps the letters' folder names to those of the server, where they differ."""
    return [
        Item(
            folders.get(letter.folder, letter.folder),
            digest(letter.octets),
            frozenset(flag.lower() for flag in letter.flags),
            int(letter.when.timestamp()),
        )
        for letter in letters
    ]


def arrived(octets: bytes) -> Item:
    """What a mailbox must hold of a mail that was accepted; who delivered it when does not matter."""
    return Item("INBOX", digest(octets))


def with_flags(items: Iterable[Item], starred: Iterable[bytes], flags: frozenset[str]) -> list[Item]:
    """The same, after `flags` were added to the messages `starred` of INBOX."""
    places = {("INBOX", digest(octets)) for octets in starred}
    return [
        replace(item, flags=item.flags | flags) if item.place in places and item.flags is not None else item
        for item in items
    ]


def look(port: int, address: str, password: str) -> list[Item]:
    """Everything in a mailbox, canaries too. Nothing is changed: EXAMINE and BODY.PEEK."""
    items: list[Item] = []
    with mailbox(port, address, password) as server:
        for name in _folders(server):
            kind, count = server.select(name.decode("ascii"), readonly=True)
            if kind != "OK":
                raise RuntimeError(f"{address}: EXAMINE {name!r}: {count}")
            if count[0] not in (None, b"0"):
                items += _read(server, _decoded(name.strip(b'"')))
    return items


def compare(address: str, wanted: Iterable[Item], found: Iterable[Item]) -> Verdict:
    """Pair what must be there with what is there, one to one."""
    seen = list(found)
    verdict = Verdict(canaries=sum(item.is_canary for item in seen))
    must, have = _by_place(wanted), _by_place(item for item in seen if not item.is_canary)
    for place in must.keys() | have.keys():
        mine, theirs = must.get(place, []), have.get(place, [])
        name = f"{address} {place[0]} {place[1].hex()[:8]}"
        verdict.right += min(len(mine), len(theirs))
        verdict.lost += [name] * (len(mine) - len(theirs))
        (verdict.doubled if mine else verdict.strange).extend([name] * (len(theirs) - len(mine)))
        if not _same_marks(mine, theirs):
            verdict.changed.append(f"{name}: {[_marks(item) for item in mine]} became {[_marks(i) for i in theirs]}")
    return verdict


def digest(octets: bytes) -> bytes:
    """The content without what servers add on its way, and whatever they do to line ends."""
    plain = octets.replace(b"\r", b"").rstrip(b"\n")
    return hashlib.sha256(RECEIVED.sub(b"", plain, count=1) if plain.startswith(b"Received:") else plain).digest()


def _by_place(items: Iterable[Item]) -> dict[tuple[str, bytes], list[Item]]:
    places: dict[tuple[str, bytes], list[Item]] = {}
    for item in items:
        places.setdefault(item.place, []).append(item)
    return places


def _same_marks(mine: list[Item], theirs: list[Item]) -> bool:
    """Whether flags and dates agree, as far as they are known; where numbers differ, that is said elsewhere."""
    if len(mine) != len(theirs) or any(item.flags is None for item in mine):
        return True
    return Counter(map(_marks, mine)) == Counter(map(_marks, theirs))


def _marks(item: Item) -> tuple[tuple[str, ...], int]:
    return tuple(sorted(item.flags or ())), item.when or 0


def _folders(server: imaplib.IMAP4) -> list[bytes]:
    _, lines = server.list()
    found = [LISTED.match(line) for line in lines if isinstance(line, bytes)]
    return [match[2] for match in found if match and b"\\noselect" not in match[1].lower()]


def _read(server: imaplib.IMAP4, folder: str) -> list[Item]:
    kind, data = server.uid("FETCH", "1:*", "(FLAGS INTERNALDATE BODY.PEEK[])")
    if kind != "OK":
        raise RuntimeError(f"FETCH of {folder}: {data}")
    # imaplib gives a pair for each message (text before the literal, the literal), then the text behind it
    behind = [part if isinstance(part, bytes) else b"" for part in data[1:]] + [b""]
    return [
        _item(folder, part[0] + rest, part[1])
        for part, rest in zip(data, behind, strict=True)
        if isinstance(part, tuple)
    ]


def _item(folder: str, text: bytes, octets: bytes) -> Item:
    flags = FETCHED.search(text)
    date = re.search(rb'INTERNALDATE "([^"]+)"', text)
    if not flags or not date:
        raise RuntimeError(f"{folder}: no flags or date in {text!r}")
    names = frozenset(flag.lower() for flag in flags[1].decode().split()) - {"\\recent"}
    when = int(datetime.strptime(date[1].decode().strip(), "%d-%b-%Y %H:%M:%S %z").timestamp())
    header = octets.replace(b"\r", b"").partition(b"\n\n")[0]
    return Item(folder, digest(octets), names, when, b"\nx-migrator-canary:" in header.lower())


def _decoded(name: bytes) -> str:
    """Modified UTF-7 (RFC 3501, 5.1.3)."""

    def plain(match: re.Match[str]) -> str:
        packed = match[1].replace(",", "/")
        return base64.b64decode(packed + "=" * (-len(packed) % 4)).decode("utf-16-be") if packed else "&"

    return re.sub(r"&([A-Za-z0-9+,]*)-", plain, name.decode("ascii"))
