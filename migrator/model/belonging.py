"""What belongs to a mailbox beside its mail, and what became of it."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What can belong to a mailbox."""

    RIGHTS = "acl"  # place: folder; name: identifier
    SUBSCRIPTION = "subscriptions"  # place: folder
    QUOTA = "quota"  # name: resource
    ENTRY = "metadata"  # place: folder, or "" for the account; name: entry
    SCRIPT = "sieve"  # name: script
    ACTIVE = "sieve-active"  # the script that runs
    SPACE = "namespaces"  # place: folders that are not this mailbox's own


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """One thing; `place` as the target calls it (or would)."""

    kind: Kind
    place: str = ""
    name: str = ""

    def __str__(self) -> str:
        return " ".join(word for word in (self.kind.value, self.place and repr(self.place), self.name) if word)


@dataclass(frozen=True, slots=True)
class Belonging:
    """What is known of one thing.

    `ours`: what we put on the target, None for nothing (text as it is, or a digest). `intended`: what we were about to
    put there when this was written, "" for taking it away, None when nothing is under way.
    `reason` and `remedy` are empty where it is carried.
    """

    key: Key
    ours: str | None = None
    intended: str | None = None
    reason: str = ""
    remedy: str = ""

    @property
    def carried(self) -> bool:
        return not self.reason
