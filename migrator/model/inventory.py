"""What is known of a mailbox before it is copied: how large it is, and who must move with whom."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from migrator.model.names import Address, FolderName, ServerName


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


class Whose(StrEnum):
    """To whom a folder belongs that a mailbox shows (RFC 2342)."""

    OWN = "own"
    OTHERS = "others"
    PUBLIC = "public"


@dataclass(frozen=True, slots=True)
class FolderStock:
    """One folder as a look found it. `octets` and `largest` are None where nobody could tell, or it is not its own.

    `rights` (RFC 4314): of an own folder by identifier, as far as the server tells; `mine`: what the mailbox's own
    login may do there.
    """

    name: FolderName
    whose: Whose
    messages: int
    octets: int | None
    largest: int | None
    special_use: str | None = None
    rights: Mapping[str, str] = field(default_factory=dict)
    mine: str = ""


@dataclass(frozen=True, slots=True)
class Share:
    """A folder of `owner` that `grantee` may use, as the look at one of the two (`told_by`) found it.

    `identifier` is what the server calls the other one, which need not be a mailbox (None). `folder`: without the
    prefix of a namespace, so that it is the same from both sides.
    """

    told_by: Address
    owner: Address | None
    grantee: Address | None
    folder: FolderName
    identifier: str
    rights: str


@dataclass(frozen=True, slots=True)
class Stock:
    """What a look at one mailbox found on `server`: all its folders, and with whom it shares some."""

    address: Address
    server: ServerName
    seen: datetime
    folders: tuple[FolderStock, ...]
    shares: tuple[Share, ...] = ()

    @property
    def size(self) -> Size:
        """The sums of its own folders; folders of others are counted with their owners."""
        own = [folder for folder in self.folders if folder.whose is Whose.OWN]
        known = [folder.largest for folder in own if folder.largest is not None]
        return Size(
            messages=sum(folder.messages for folder in own),
            octets=sum(folder.octets or 0 for folder in own),
            folders=len(own),
            largest=max(known, default=None),
            seen=self.seen,
        )


class EntryKind(StrEnum):
    """What an entry of a directory is."""

    PERSON = "person"
    SHARED = "shared mailbox"
    LIST = "list"


class Tie(StrEnum):
    """How a directory connects an entry with another address."""

    ALIAS = "alias"  # mail for the other address comes here
    MEMBER = "member"  # mail for this list goes there
    FORWARD = "forward"  # mail for this address goes there too
    DELEGATE = "delegate"  # whoever it is works in this mailbox


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a directory with a mail address; `ties` in the order in which the directory tells them."""

    address: Address
    kind: EntryKind
    name: str = ""
    department: str = ""
    ties: tuple[tuple[Tie, Address], ...] = ()

    def tied(self, tie: Tie) -> tuple[Address, ...]:
        """The addresses of one kind of tie."""
        return tuple(other for kind, other in self.ties if kind is tie)
