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


ON_TARGET = frozenset({Outcome.COPIED, Outcome.PRESENT})


class Meant(StrEnum):
    """Reasons for skipping a message that nobody misses. Any other one needs somebody's consent before the cutover."""

    CANARY = "canary"
    FOLDER = "folder listed under folders.skip"
    DELETED = "marked \\Deleted on the source (folders.deleted: skip)"
    EMPTY = "empty message: IMAP cannot append zero octets (RFC 3502: it means cancel)"


class Mirrored(StrEnum):
    """The reason in the row of a copied message on which mirroring deletions has no more say."""

    REMOVED = "removed from the target, as it had gone from the source"
    TOUCHED = "gone from the source; kept, as somebody changed it on the target"
    MISSED = "gone from the source, and no longer where it was put on the target"
    CARRIED_BACK = "came from the target by a rollback"  # so not placed there by us


ON_NEITHER = frozenset({Mirrored.REMOVED, Mirrored.MISSED})  # should the source show it again, it is new mail


class Grade(StrEnum):
    """How much a target changed a message's bytes (the ladder of content comparison)."""

    L0 = "L0"  # the same bytes
    L1 = "L1"  # line endings: \\r*\\n became \\n, end of file stripped
    L2 = "L2"  # every CR removed
    L3 = "L3"  # NUL became 0x80
    L4 = "L4"  # 8-bit header bytes became X


ALTERED = frozenset({Grade.L3, Grade.L4})  # the content is not the same any more


def needs_consent(outcome: Outcome, reason: str, grade: Grade | None) -> bool:
    """Whether a person must accept this before the cutover: not on the target, against the will, or altered there."""
    missing = outcome is Outcome.FAILED or (outcome is Outcome.SKIPPED and reason not in frozenset(Meant))
    return missing or grade in ALTERED
