"""What is known of a mailbox before it is copied: how large it is, and who must move with whom."""

from dataclasses import dataclass
from datetime import datetime

from migrator.model.names import Address


@dataclass(frozen=True, slots=True)
class Size:
    """A mailbox as it was on its source when it was looked at; `largest`: octets of its largest message, if known."""

    messages: int
    octets: int
    folders: int
    largest: int | None
    seen: datetime


@dataclass(frozen=True, slots=True)
class Bond:
    """Mailboxes that should move in one wave, and why in words ("share the folder Sales", "keep_with: board")."""

    members: frozenset[Address]
    why: str
