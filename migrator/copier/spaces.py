"""Whose a folder is, by the namespace that it is in (RFC 2342). Pure.

A folder that others share with a mailbox is listed there too, and so are public ones. They are not the mailbox's: who
owns them carries them, once.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from migrator.copier.folders import FolderLike, NamespaceLike


class Owner(StrEnum):
    OURS = "the mailbox's own"
    OTHERS = "of other people"
    PUBLIC = "public"


class SpacesLike(Protocol):
    """All namespaces of a server, as one mailbox sees them."""

    @property
    def personal(self) -> Sequence[NamespaceLike]: ...
    @property
    def others(self) -> Sequence[NamespaceLike]: ...
    @property
    def public(self) -> Sequence[NamespaceLike]: ...


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A namespace that is not the mailbox's own, and names of folders in it that can hold mail."""

    prefix: str
    owner: Owner
    folders: tuple[str, ...] = field(default=())


def owner_of(name: str, spaces: SpacesLike) -> tuple[Owner, str]:
    """Whose the folder is, and the prefix of its namespace: the longest that fits, the mailbox's own before others."""
    if name.upper() == "INBOX":
        return Owner.OURS, ""
    found = (Owner.OURS, -1, "")
    for owner, several in (
        (Owner.OURS, spaces.personal),
        (Owner.OTHERS, spaces.others),
        (Owner.PUBLIC, spaces.public),
    ):
        for space in several:
            if _within(name, space) and len(space.prefix) > found[1]:
                found = (owner, len(space.prefix), space.prefix)
    return found[0], found[2]


def elsewhere(folders: Iterable[FolderLike], spaces: SpacesLike) -> tuple[Elsewhere, ...]:
    """The namespaces with folders that are not the mailbox's own."""
    found: dict[tuple[str, Owner], list[str]] = {}
    for folder in folders:
        owner, prefix = owner_of(folder.name, spaces)
        if owner is not Owner.OURS and folder.selectable:
            found.setdefault((prefix, owner), []).append(folder.name)
    return tuple(Elsewhere(prefix, owner, tuple(names)) for (prefix, owner), names in sorted(found.items()))


def _within(name: str, space: NamespaceLike) -> bool:
    root = space.prefix.removesuffix(space.separator or "")
    return name.startswith(space.prefix) or (bool(root) and name == root)
