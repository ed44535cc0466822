"""What an audit keeps of a message: its digests, and traces by which it is known again when it was altered."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from hashlib import blake2b

from migrator.imap.digest import SIZE, Digester, Digests, digests
from migrator.imap.records import Chunk

HEADER_OCTETS = 64 * 1024  # what comes later counts as body: a file without an empty line need not be held
_MESSAGE_ID = re.compile(rb"^message-id:\s*(\S+)", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Content:
    """Digests of the whole, and of its header, its body and its Message-ID (b"": it has none, or an empty one)."""

    digests: Digests
    header: bytes = b""
    body: bytes = b""
    message_id: bytes = b""


class _Traces:
    """Header, body and Message-ID on their way past, without CRs."""

    def __init__(self) -> None:
        self._header: bytearray | None = bytearray()
        self._text, self._body, self._has_body = b"", Digester(), False

    def update(self, data: bytes) -> None:
        text = data.replace(b"\r", b"")
        if self._header is None:
            return self._below(text)
        self._header += text
        end = self._header.find(b"\n\n")
        end = end if end >= 0 else HEADER_OCTETS
        if len(self._header) > end:
            rest, self._text = bytes(self._header[end:]), bytes(self._header[:end])
            self._header = None
            self._below(rest)

    def _below(self, text: bytes) -> None:
        self._has_body = self._has_body or bool(text.strip())
        self._body.update(text)

    def of(self, found: Digests) -> Content:
        header = (self._text if self._header is None else bytes(self._header)).rstrip(b"\n")
        named = _MESSAGE_ID.search(header)
        body = self._body.digest() if self._has_body else b""
        return Content(found, digest(header) if header else b"", body, digest(named[1]) if named else b"")


def content(chunks: Iterable[Chunk]) -> Content:
    """Everything for one message, in constant memory."""
    traces = _Traces()

    def passing() -> Iterator[bytes]:
        for chunk in chunks:
            data = bytes(chunk)
            traces.update(data)
            yield data

    return traces.of(_shared(digests(passing())))


def digest(octets: bytes) -> bytes:
    """16 octets of BLAKE2b."""
    return blake2b(octets, digest_size=SIZE).digest()


def _shared(found: Digests) -> Digests:
    """Equal digests as one object: of an ordinary message four of the five are, and there may be a million."""
    same = {value: value for value in (found.l1, found.l2, found.l3, found.l4)}
    return replace(found, l1=same[found.l1], l2=same[found.l2], l3=same[found.l3], l4=same[found.l4])


class Beginning:
    """Whether a text, fed in chunks, begins with another one, of which only length and digest are known.

    Both in canonical form: without CRs, and the shorter one without the LFs at its end.
    """

    def __init__(self, octets: int, digest: bytes) -> None:
        self._left, self._wanted, self._hash = octets, digest, blake2b(digest_size=SIZE)

    def update(self, data: bytes) -> None:
        text = data.replace(b"\r", b"")[: self._left]
        self._left -= len(text)
        self._hash.update(text)

    @property
    def holds(self) -> bool:
        return not self._left and self._hash.digest() == self._wanted


def measure(chunks: Iterable[Chunk]) -> tuple[int, bytes]:
    """Length and digest of a text in canonical form, for `Beginning`."""
    found, octets, held = Digester(), 0, 0
    for chunk in chunks:
        text = bytes(chunk).replace(b"\r", b"")
        found.update(text)
        bare = text.rstrip(b"\n")
        octets, held = (octets + held + len(bare), len(text) - len(bare)) if bare else (octets, held + len(text))
    return octets, found.digest()


def begins_with(longer: Iterable[Chunk], beginning: tuple[int, bytes]) -> bool:
    """Whether the longer text begins with the one that `measure` has measured."""
    looked = Beginning(*beginning)
    for chunk in longer:
        looked.update(bytes(chunk))
    return looked.holds
