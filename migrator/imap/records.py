"""What the wire tells, as values."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from migrator.model.names import FolderName

Chunk = bytes | memoryview  # a memoryview is valid only until the next chunk is asked for


@dataclass(frozen=True, slots=True)
class Status:
    """STATUS of a folder (RFC 9051, 6.3.11). `highestmodseq` is 0 where the server has none."""

    messages: int
    uidnext: int
    uidvalidity: int
    highestmodseq: int = 0


@dataclass(frozen=True, slots=True)
class Folder:
    """One LIST answer. `raw` is the name as on the wire; `attributes` are lower case ("\\\\sent", "\\\\noselect").

    `status` is None where the folder cannot be selected.
    """

    name: FolderName
    raw: bytes
    separator: str | None
    attributes: frozenset[str]
    subscribed: bool = False
    status: Status | None = None

    @property
    def selectable(self) -> bool:
        """Whether it can hold messages."""
        return not self.attributes & {"\\noselect", "\\nonexistent"}


@dataclass(frozen=True, slots=True)
class Quota:
    """What a mailbox uses of what it may, in octets."""

    used: int
    limit: int


@dataclass(frozen=True, slots=True)
class Namespace:
    """One namespace (RFC 2342): `prefix` decoded ("INBOX."), `separator` or None for a flat one."""

    prefix: str
    separator: str | None


@dataclass(frozen=True, slots=True)
class Spaces:
    """All namespaces: the mailbox's own (one at least), other people's, and the public ones."""

    personal: tuple[Namespace, ...]
    others: tuple[Namespace, ...] = ()
    public: tuple[Namespace, ...] = ()


@dataclass(frozen=True, slots=True)
class Selected:
    """The answers to SELECT or EXAMINE. `any_keyword`: `\\\\*` is among PERMANENTFLAGS, so new keywords are kept."""

    uidvalidity: int
    uidnext: int
    exists: int
    highestmodseq: int
    permanent_flags: frozenset[str]
    any_keyword: bool
    read_only: bool


@dataclass(slots=True)
class Body:
    """One message on its way: `size` octets follow in `chunks`, to be consumed before the next Body is asked for."""

    uid: int
    size: int
    chunks: Iterator[Chunk]


@dataclass(frozen=True, slots=True)
class Refusal:
    """The server's NO: its response code ("OVERQUOTA", "" if none) and its own words."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class AppendResult:
    """What became of one batch.

    `refusal` set: an atomic batch (MULTIAPPEND) was refused, nothing of it is stored.
    `refusals`: one entry a message where messages were appended one by one; empty for an atomic batch.
    `uids`: one entry a message, in order; None for the whole where the server names no UIDs (no UIDPLUS), an entry is
    None where that message was refused or the server did not name its UID.
    """

    tag: object
    uids: tuple[int | None, ...] | None
    uidvalidity: int | None
    refusal: Refusal | None = None
    refusals: tuple[Refusal | None, ...] = field(default=())
