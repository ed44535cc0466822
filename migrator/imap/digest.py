"""Content identity that survives what servers do to line endings; streaming, exact for any chunking."""

from collections.abc import Iterable
from dataclasses import dataclass

from migrator.imap.records import Chunk
from migrator.model.message import Grade


class Digester:
    """Digest of one message in its canonical form: every CR removed, trailing LFs stripped (grade L2)."""

    raw_size: int  # octets seen

    def update(self, data: Chunk) -> None:
        """The next part of the message."""
        raise NotImplementedError

    def digest(self) -> bytes:
        """16 octets of BLAKE2b over the canonical form."""
        raise NotImplementedError

    def l4(self) -> bytes:
        """16 octets over the canonical form with NUL as 0x80 and 8-bit header octets as "X" (grade L4)."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Digests:
    """One digest for each rung of the ladder."""

    raw: bytes
    l1: bytes
    l2: bytes
    l3: bytes
    l4: bytes


def digests(chunks: Iterable[Chunk]) -> Digests:
    """All rungs for one message; for audits, not for the hot path."""
    raise NotImplementedError


def grade(source: Digests, target: Digests) -> Grade | None:
    """The best grade at which both are the same message; None when they are different messages."""
    raise NotImplementedError
