"""Content identity that survives what servers do to line endings; streaming, exact for any chunking.

The ladder (measured on three servers): L0 the same octets; L1 `\\r*\\n` became `\\n` and the end of the file was
stripped of line ends; L2 every CR removed; L3 NUL became 0x80 (Dovecot); L4 8-bit header octets became `X` (Cyrus).
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import blake2b

from migrator.imap.records import Chunk
from migrator.model.message import Grade

SIZE = 16
_NUL_IS_80 = bytes.maketrans(b"\0", b"\x80")
_LINE_END = re.compile(rb"(?<!\r)\r+\n")
_HIGH_IS_X = bytes.maketrans(bytes([0, *range(128, 256)]), b"X" * 129)


class Digester:
    """Digest of one message in its canonical form: every CR removed, trailing LFs stripped (grade L2)."""

    __slots__ = ("_hash", "_held", "raw_size")

    def __init__(self) -> None:
        self.raw_size = 0  # octets seen
        self._hash = blake2b(digest_size=SIZE)
        self._held = 0  # LFs that are at the end so far

    def update(self, data: Chunk) -> None:
        """The next part of the message."""
        self.raw_size += len(data)
        text = bytes(data).replace(b"\r", b"")
        body = text.rstrip(b"\n")
        if body:
            self._hash_text(b"\n" * self._held + body if self._held else body)
            self._held = 0
        self._held += len(text) - len(body)

    def digest(self) -> bytes:
        """16 octets of BLAKE2b over the canonical form."""
        return self._hash.digest()

    def _hash_text(self, text: bytes) -> None:
        self._hash.update(text)


class LadderDigester(Digester):
    """A Digester that also knows the form of grade L4, which costs more."""

    __slots__ = ("_header", "_l4", "_tail")

    def __init__(self) -> None:
        super().__init__()
        self._l4: blake2b | None = None  # None while both forms are still the same
        self._header = True
        self._tail = b"\n"  # the last octet of the header: a message may begin with the empty line

    def l4(self) -> bytes:
        """16 octets over the canonical form with NUL as 0x80 and 8-bit header octets as "X" (grade L4)."""
        return (self._l4 or self._hash).digest()

    def _hash_text(self, text: bytes) -> None:
        header = self._header_part(text) if self._header else 0
        plain = b"\0" not in text and (not header or text[:header].isascii())
        if self._l4 is None and not plain:
            self._l4 = self._hash.copy()
        self._hash.update(text)
        if self._l4 is not None:
            self._l4.update(text if plain else _l4_text(text, header))

    def _header_part(self, text: bytes) -> int:
        """How many octets of `text` still belong to the header."""
        if self._tail == text[:1] == b"\n":  # the empty line began in the part before
            self._header = False
            return 0
        if at := text.find(b"\n\n") + 1:
            self._header = False
            return at
        self._tail = text[-1:]
        return len(text)


def _l4_text(text: bytes, header: int) -> bytes:
    return text[:header].translate(_HIGH_IS_X) + text[header:].translate(_NUL_IS_80)


@dataclass(frozen=True, slots=True)
class Digests:
    """One digest for each rung of the ladder."""

    raw: bytes
    l1: bytes
    l2: bytes
    l3: bytes
    l4: bytes


class _Stripped:
    """A hash over `rewrite` of the text, without the CRs and LFs at the end of the file; runs of CR stay whole."""

    def __init__(self, rewrite: Callable[[bytes], bytes]) -> None:
        self._rewrite = rewrite
        self._hash = blake2b(digest_size=SIZE)
        self._held = b""

    def update(self, text: bytes) -> None:
        text = self._held + text
        body = text.rstrip(b"\r\n")
        self._hash.update(self._rewrite(body))
        self._held = text[len(body) :]

    def digest(self) -> bytes:
        return self._hash.digest()


def _one_line_end(text: bytes) -> bytes:
    return _LINE_END.sub(b"\n", text)


def digests(chunks: Iterable[Chunk]) -> Digests:
    """All rungs for one message; for audits, not for the hot path."""
    raw, l1, l2 = blake2b(digest_size=SIZE), _Stripped(_one_line_end), LadderDigester()
    l3 = _Stripped(lambda text: text.replace(b"\r", b"").translate(_NUL_IS_80))
    for chunk in chunks:
        data = bytes(chunk)
        for each in (raw, l1, l2, l3):
            each.update(data)
    return Digests(raw.digest(), l1.digest(), l2.digest(), l3.digest(), l2.l4())


def grade(source: Digests, target: Digests) -> Grade | None:
    """The best grade at which both are the same message; None when they are different messages."""
    rungs = (
        (Grade.L0, source.raw == target.raw),
        (Grade.L1, source.l1 == target.l1),
        (Grade.L2, source.l2 == target.l2),
        (Grade.L3, source.l3 == target.l3),
        (Grade.L4, source.l4 == target.l4),
    )
    return next((name for name, same in rungs if same), None)
