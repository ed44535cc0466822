"""One message, as seen from outside its bytes."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

Flags = frozenset[str]  # as the server spells them: "\\Seen", "$Forwarded"; never "\\Recent"


@dataclass(frozen=True, slots=True)
class MessageMeta:
    """What a scan of a folder tells about a message.

    `size` is RFC822.SIZE in octets (servers may misstate it: plan with it, never frame a literal by it);
    `internaldate` is aware.
    """

    uid: int
    size: int
    flags: Flags
    internaldate: datetime
    modseq: int = 0


class Outcome(StrEnum):
    """What became of a source message: every one ends in exactly one of these (I3)."""

    COPIED = "copied"
    PRESENT = "present"  # was on the target already; adopted, not copied
    SKIPPED = "skipped"  # the reason says why: refused by the target, a canary, ...
    FAILED = "failed"  # the reason gives the class


class Grade(StrEnum):
    """How much a target changed a message's bytes (the ladder of content comparison)."""

    L0 = "L0"  # the same bytes
    L1 = "L1"  # line endings: \\r*\\n became \\n, end of file stripped
    L2 = "L2"  # every CR removed
    L3 = "L3"  # NUL became 0x80
    L4 = "L4"  # 8-bit header bytes became X
