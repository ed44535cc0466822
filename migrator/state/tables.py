"""The tables. Persistence only: nothing outside `state` sees a row, and states are strings, never database enums.

`message` is the one that grows: a row a message, with neither rowid nor second index, and small integers for what has
few values (`codes`). The others hold some rows a mailbox or a wave.
"""

from datetime import datetime

from sqlalchemy import Boolean, Column, ForeignKey, Index, LargeBinary, SmallInteger, String, Text, UniqueConstraint
from sqlmodel import Field

from migrator.state.columns import BigInt, Table, key, number, owned_by, text, time
from migrator.state.inventory_tables import MailboxSizeRow  # noqa: F401  # its module's tables belong to METADATA

METADATA = Table.metadata  # complete once this module is imported


class WorkspaceRow(Table, table=True):
    """One row: which workspace this database belongs to."""

    __tablename__ = "workspace"
    id: str = Field(sa_column=Column(String(36), primary_key=True))


class WaveRow(Table, table=True):
    __tablename__ = "wave"
    name: str = text(primary_key=True)
    state: str = text()
    since: datetime = time()
    deadline: datetime | None = time(nullable=True)
    error: str = text()


class WaveMailboxRow(Table, table=True):
    __tablename__ = "wave_mailbox"
    wave: str = Field(sa_column=Column(Text, ForeignKey("wave.name", ondelete="CASCADE"), primary_key=True))
    address: str = text(primary_key=True)
    position: int = number()


class HoldRow(Table, table=True):
    """What keeps a wave that is ready from its cutover; no row: nothing does."""

    __tablename__ = "hold"
    wave: str = text(primary_key=True)
    not_before: datetime | None = time(nullable=True)
    postponed: bool = Field(sa_column=Column(Boolean, nullable=False))


class AuditLogRow(Table, table=True):
    """Append-only: triggers (revision 0001) refuse UPDATE and DELETE."""

    __tablename__ = "audit"
    __table_args__ = (Index(None, "wave"),)
    id: int | None = key()
    at: datetime = time()
    user: str = text()
    host: str = text()
    pid: int = number()
    command: str = text()
    what: str = text()
    wave: str | None = Field(default=None, sa_column=Column(Text))
    mailbox: str | None = Field(default=None, sa_column=Column(Text))
    detail: str = text()


class LeaseRow(Table, table=True):
    """A key once leased stays, so that its fence only grows; `process` is the holder's `process.identity`."""

    __tablename__ = "lease"
    key: str = text(primary_key=True)
    fence: int = number()
    held: bool = Field(sa_column=Column(Boolean, nullable=False))
    user: str = text()
    host: str = text()
    pid: int = number()
    command: str = text()
    process: str = text()
    since: datetime = time()
    expires: datetime = time()
    ttl_seconds: float = Field(nullable=False)


class PassRow(Table, table=True):
    """`report` is the PassReport as JSON, once there is one."""

    __tablename__ = "pass"
    __table_args__ = (UniqueConstraint("mailbox", "wave", "started"),)
    id: int | None = key()
    mailbox: str = text()
    wave: str = text()
    kind: str = text()
    started: datetime = time()
    finished: datetime | None = time(nullable=True)
    report: str | None = Field(default=None, sa_column=Column(Text))
    error: str = text()


class DecisionRow(Table, table=True):
    """What the operator decided about a mailbox: `accepted` is the JSON list of the messages accepted as they are."""

    __tablename__ = "decision"
    mailbox: str = text(primary_key=True)
    accepted_reason: str | None = Field(default=None, sa_column=Column(Text))
    accepted: str | None = Field(default=None, sa_column=Column(Text))
    skipped_reason: str | None = Field(default=None, sa_column=Column(Text))


class FolderRow(Table, table=True):
    __tablename__ = "folder"
    __table_args__ = (
        UniqueConstraint("mailbox", "source_name"),
        {"sqlite_autoincrement": True},
    )  # an id is never reused
    id: int | None = key()
    mailbox: str = text()
    source_name: str = text()
    target_name: str = text()
    source_uidvalidity: int = number()
    target_uidvalidity: int = number()
    source_uidnext: int = number()
    source_modseq: int = number()
    source_messages: int = number()
    gone: bool = Field(sa_column=Column(Boolean, nullable=False))


class MessageRow(Table, table=True):
    """A LedgerRow; `outcome`, `flags` and `grade` as `codes` writes them, empty values as NULL, which cost nothing."""

    __tablename__ = "message"
    __table_args__ = ({"sqlite_with_rowid": False},)
    folder_id: int = owned_by("folder", primary_key=True, autoincrement=False)
    source_uid: int = Field(sa_column=Column(BigInt, primary_key=True, autoincrement=False))
    target_uid: int | None = Field(default=None, sa_column=Column(BigInt))
    outcome: int = Field(sa_column=Column(SmallInteger, nullable=False))
    flags: str = text()
    digest: bytes | None = Field(default=None, sa_column=Column(LargeBinary(16)))
    reason: str | None = Field(default=None, sa_column=Column(Text))
    size: int = number()
    grade: int | None = Field(default=None, sa_column=Column(SmallInteger))
    gone: int = Field(default=0, sa_column=Column(SmallInteger, nullable=False))


class IntentRow(Table, table=True):
    """Open intents, and settled ones that are doubtful; the others are deleted when their rows are in."""

    __tablename__ = "intent"
    __table_args__ = (Index(None, "folder_id"), {"sqlite_autoincrement": True})
    id: int | None = key()
    folder_id: int = owned_by("folder")
    kind: str = text()
    direction: str = text()
    uidvalidity: int = number()
    uidnext: int = number()
    uids: str = text()
    opened: datetime = time()
    open: bool = Field(sa_column=Column(Boolean, nullable=False))
    doubtful: bool = Field(sa_column=Column(Boolean, nullable=False))


class StagedRow(Table, table=True):
    __tablename__ = "staged"
    intent_id: int = owned_by("intent", primary_key=True, autoincrement=False)
    origin_uid: int = Field(sa_column=Column(BigInt, primary_key=True, autoincrement=False))
    staged_uid: int = number()
    digest: bytes = Field(sa_column=Column(LargeBinary(16), nullable=False))


class ObservedRow(Table, table=True):
    """What an ingress said of an address before the wave's first flip (nexthop NULL: no entry)."""

    __tablename__ = "observed"
    wave: str = text(primary_key=True)
    ingress: str = text(primary_key=True)
    address: str = text(primary_key=True)
    nexthop: str | None = Field(default=None, sa_column=Column(Text))


class FlipRow(Table, table=True):
    """One change of one entry, intended and, once read back, confirmed (nexthop NULL: no entry)."""

    __tablename__ = "flip"
    __table_args__ = (Index(None, "wave", "ingress"),)
    id: int | None = key()
    wave: str = text()
    ingress: str = text()
    step: str = text()
    address: str = text()
    expected: str | None = Field(default=None, sa_column=Column(Text))
    wanted: str | None = Field(default=None, sa_column=Column(Text))
    intended: datetime = time()
    confirmed: datetime | None = time(nullable=True)


class CanaryRow(Table, table=True):
    __tablename__ = "canary"
    __table_args__ = (UniqueConstraint("token"), Index(None, "address"), Index(None, "wave"))
    id: int | None = key()
    token: str = text()
    wave: str = text()
    phase: str = text()
    address: str = text()
    ingress: str = text()
    expected: str = text()
    absent_on: str = text()
    state: str = text()
    sent_at: datetime | None = time(nullable=True)
    detail: str = text()


class SpentRow(Table, table=True):
    """What was moved on a day (ISO date, in the workspace's time zone) over a server, or over all ("*")."""

    __tablename__ = "spent"
    server: str = text(primary_key=True)
    day: str = text(primary_key=True)
    octets: int = number()
    messages: int = number()


class DoingRow(Table, table=True):
    """What a run does with a mailbox at the moment, or what it waits for; true only while that run lives."""

    __tablename__ = "doing"
    mailbox: str = text(primary_key=True)
    wave: str = text()
    kind: str = text()
    held_by: str = text()
    detail: str = text()
    until: datetime | None = time(nullable=True)
    since: datetime = time()
    started: datetime | None = time(nullable=True)
    planned_messages: int = number()
    planned_octets: int = number()
    messages: int = number()
    octets: int = number()


class ThroughputRow(Table, table=True):
    """One measured stretch of copying between two servers, all mailboxes together."""

    __tablename__ = "throughput"
    __table_args__ = (Index(None, "source", "target"),)
    id: int | None = key()
    source: str = text()
    target: str = text()
    ended: datetime = time()
    seconds: float = Field(nullable=False)
    octets: int = number()
    messages: int = number()


class ContentAuditRow(Table, table=True):
    """The last audit of a mailbox; `counts` is a JSON object of faults by kind."""

    __tablename__ = "content_audit"
    mailbox: str = text(primary_key=True)
    at: datetime = time()
    grade: str = text()
    mode: str = text()
    compared: int = number()
    counts: str = text()


class BelongingRow(Table, table=True):
    """What became of one thing that belongs to a mailbox; `model.belonging` says what the columns mean."""

    __tablename__ = "belonging"
    mailbox: str = text(primary_key=True)
    kind: str = text(primary_key=True)
    place: str = text(primary_key=True)
    name: str = text(primary_key=True)
    ours: str | None = Field(default=None, sa_column=Column(Text))
    intended: str | None = Field(default=None, sa_column=Column(Text))
    reason: str = text()
    remedy: str = text()
