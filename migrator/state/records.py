"""What the store gives out and takes in: frozen values, never table rows. Every time is aware, in UTC."""

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from migrator.model.message import Flags, Grade, Outcome
from migrator.model.names import Address, FolderName, WaveName
from migrator.model.progress import PassReport
from migrator.model.wave import PassKind, WaveState


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something: a process. `command` is its command line as typed, which never holds a secret."""

    user: str
    host: str
    pid: int
    command: str


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on `key` ("wave:sales", "mailbox:u@x") until `expires`; `fence` grows with each new holder."""

    key: str
    fence: int
    holder: Actor
    since: datetime
    expires: datetime
    ttl: timedelta


@dataclass(frozen=True, slots=True)
class WaveRecord:
    """Where a wave is since when; `error` is what stopped its last run ("" when nothing did)."""

    name: WaveName
    state: WaveState
    since: datetime
    mailboxes: tuple[Address, ...]
    deadline: datetime | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Hold:
    """What keeps a wave that is ready from its cutover; true where something does, whether or not its time has come."""

    not_before: datetime | None = None
    postponed: bool = False

    def holds(self, at: datetime) -> bool:
        """Whether it does so at that moment (aware)."""
        return self.postponed or (self.not_before is not None and self.not_before > at)

    def __bool__(self) -> bool:
        return self.postponed or self.not_before is not None


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One line of the audit log: who did what, when, to what, with which details."""

    id: int
    at: datetime
    actor: Actor
    what: str
    wave: WaveName | None
    mailbox: Address | None
    detail: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class PassRecord:
    """One pass over one mailbox. `finished` is None while it runs, or when it died."""

    address: Address
    wave: WaveName
    kind: PassKind
    started: datetime
    finished: datetime | None
    report: PassReport | None
    error: str = ""


@dataclass(frozen=True, slots=True)
class FolderRecord:
    """A source folder and where its mail goes. `id` 0: not stored yet.

    All source UIDs below `source_uidnext` are in the ledger (0: never looked). `source_modseq` and `source_messages`
    are what the source said when that was so. `gone`: the folder is no longer on the source; its rows stay.
    """

    id: int
    mailbox: Address
    source_name: FolderName
    target_name: FolderName
    source_uidvalidity: int = 0
    target_uidvalidity: int = 0
    source_uidnext: int = 0
    source_modseq: int = 0
    source_messages: int = 0
    gone: bool = False


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """What became of one source message (a message carried back by a reverse pass has the UID the source gave it).

    `digest` is 16 octets, or b"" where the body was never read; `target_uid` is None where nothing is on the target;
    `size` is in octets; `reason` says why when skipped or failed; `gone`: no longer on the source.
    """

    source_uid: int
    target_uid: int | None
    outcome: Outcome
    flags: Flags
    digest: bytes
    reason: str = ""
    size: int = 0
    grade: Grade | None = None
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """A folder's rows in figures: how many are `live` (not gone from the source), and the highest target UID (or 0)."""

    live: int
    top_target_uid: int


@dataclass(frozen=True, slots=True)
class Uids:
    """Source UIDs of a folder's rows, ascending, 8 octets each: those on the source, and those gone from it."""

    live: "array[int]"
    gone: "array[int]"


class IntentKind(StrEnum):
    """How messages are put down: straight into the folder, or by way of the private staging mailbox; or taken away.

    Of a removal, the UIDs are the source UIDs of rows, and what is removed are those rows' messages on the target.
    """

    DIRECT = "direct"
    STAGED = "staged"
    REMOVAL = "removal"


class Direction(StrEnum):
    """Towards the target, or back to the source."""

    FORWARD = "forward"
    REVERSE = "reverse"


@dataclass(frozen=True, slots=True)
class NewIntent:
    """What is about to be appended, and what the receiving folder looked like before.

    `uidvalidity` and `uidnext` are those of the receiving folder (staging, when staged); `uids` are the messages' UIDs
    where they come from, in the order of sending.
    """

    folder_id: int
    kind: IntentKind
    direction: Direction
    uidvalidity: int
    uidnext: int
    uids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class IntentRecord:
    """A journalled intent. Open: what it did is unknown. Doubtful: its appends may still land after a look."""

    id: int
    mailbox: Address
    folder_id: int
    kind: IntentKind
    direction: Direction
    uidvalidity: int
    uidnext: int
    uids: tuple[int, ...]
    opened: datetime
    open: bool
    doubtful: bool


@dataclass(frozen=True, slots=True)
class Settled:
    """An intent whose outcome is known, and the ledger rows that prove it (none: nothing of it arrived)."""

    intent_id: int
    rows: tuple[LedgerRow, ...] = ()


@dataclass(frozen=True, slots=True)
class Staged:
    """One message that sits in the staging mailbox: its UID where it comes from, its UID there, its digest."""

    origin_uid: int
    staged_uid: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class Counts:
    """Messages of a mailbox by outcome, of those that are still on the source; the rest are `gone`.

    `octets` is the size of the copied and the present ones; `removed`: of the gone, those taken off the target as well.
    """

    copied: int = 0
    present: int = 0
    skipped: int = 0
    failed: int = 0
    octets: int = 0
    gone: int = 0
    removed: int = 0


@dataclass(frozen=True, slots=True)
class GoneCounts:
    """Of one folder's rows: those whose message is on the source, and those gone from it that may be mirrored."""

    folder_id: int
    live: int
    removable: int


@dataclass(frozen=True, slots=True)
class NotCarried:
    """A source message that is not on the target (skipped or failed), or is there with altered content (grade)."""

    address: Address
    folder: FolderName
    uid: int
    outcome: Outcome
    reason: str
    grade: Grade | None = None


@dataclass(frozen=True, slots=True)
class RevisionStatus:
    """The schema's revision in a database (None: an empty one), the program's, and what an upgrade would run."""

    current: str | None
    head: str
    pending: tuple[str, ...] = field(default=())
