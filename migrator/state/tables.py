"""The tables. Persistence only: nothing outside `state` sees a row, and states are strings, never database enums.

`message` is the one that grows: a row a message, with neither rowid nor second index, and small integers for what has
few values (`codes`). The others hold some rows a mailbox or a wave.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlmodel import Field, SQLModel

BigInt = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows by itself only in an INTEGER key


class UtcTime(TypeDecorator[datetime]):
    """An aware UTC time. SQLite has no zone to store: it is left out there and put back here."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a time without a zone cannot be stored: {value}")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Table(SQLModel):
    """Base of our tables; their metadata is what Alembic compares a database with."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


def _text(**options: Any) -> Any:
    return Field(sa_column=Column(Text, nullable=False, **options))


def _key() -> Any:
    return Field(default=None, sa_column=Column(BigInt, primary_key=True, autoincrement=True))


def _number() -> Any:
    return Field(default=0, sa_column=Column(BigInt, nullable=False))


def _time(nullable: bool = False) -> Any:
    return Field(sa_column=Column(UtcTime, nullable=nullable))


def _owned_by(table: str, **options: Any) -> Any:
    """A reference to a row of `table`, with which this row goes away."""
    return Field(sa_column=Column(BigInt, ForeignKey(f"{table}.id", ondelete="CASCADE"), nullable=False, **options))


class WorkspaceRow(Table, table=True):
    """One row: which workspace this database belongs to."""

    __tablename__ = "workspace"
    id: str = Field(sa_column=Column(String(36), primary_key=True))


class WaveRow(Table, table=True):
    __tablename__ = "wave"
    name: str = _text(primary_key=True)
    state: str = _text()
    since: datetime = _time()
    deadline: datetime | None = _time(nullable=True)
    error: str = _text()


class WaveMailboxRow(Table, table=True):
    __tablename__ = "wave_mailbox"
    wave: str = Field(sa_column=Column(Text, ForeignKey("wave.name", ondelete="CASCADE"), primary_key=True))
    address: str = _text(primary_key=True)
    position: int = _number()


class AuditLogRow(Table, table=True):
    """Append-only: triggers (revision 0001) refuse UPDATE and DELETE."""

    __tablename__ = "audit"
    __table_args__ = (Index(None, "wave"),)
    id: int | None = _key()
    at: datetime = _time()
    user: str = _text()
    host: str = _text()
    pid: int = _number()
    command: str = _text()
    what: str = _text()
    wave: str | None = Field(default=None, sa_column=Column(Text))
    mailbox: str | None = Field(default=None, sa_column=Column(Text))
    detail: str = _text()


class LeaseRow(Table, table=True):
    """A key once leased stays, so that its fence only grows; `process` is the holder's `process.identity`."""

    __tablename__ = "lease"
    key: str = _text(primary_key=True)
    fence: int = _number()
    held: bool = Field(sa_column=Column(Boolean, nullable=False))
    user: str = _text()
    host: str = _text()
    pid: int = _number()
    command: str = _text()
    process: str = _text()
    since: datetime = _time()
    expires: datetime = _time()
    ttl_seconds: float = Field(nullable=False)


class PassRow(Table, table=True):
    """`report` is the PassReport as JSON, once there is one."""

    __tablename__ = "pass"
    __table_args__ = (UniqueConstraint("mailbox", "wave", "started"),)
    id: int | None = _key()
    mailbox: str = _text()
    wave: str = _text()
    kind: str = _text()
    started: datetime = _time()
    finished: datetime | None = _time(nullable=True)
    report: str | None = Field(default=None, sa_column=Column(Text))
    error: str = _text()


class DecisionRow(Table, table=True):
    """What the operator decided about a mailbox: `accepted` is the JSON list of the messages accepted as they are."""

    __tablename__ = "decision"
    mailbox: str = _text(primary_key=True)
    accepted_reason: str | None = Field(default=None, sa_column=Column(Text))
    accepted: str | None = Field(default=None, sa_column=Column(Text))
    skipped_reason: str | None = Field(default=None, sa_column=Column(Text))


class FolderRow(Table, table=True):
    __tablename__ = "folder"
    __table_args__ = (
        UniqueConstraint("mailbox", "source_name"),
        {"sqlite_autoincrement": True},
    )  # an id is never reused
    id: int | None = _key()
    mailbox: str = _text()
    source_name: str = _text()
    target_name: str = _text()
    source_uidvalidity: int = _number()
    target_uidvalidity: int = _number()
    source_uidnext: int = _number()
    source_modseq: int = _number()
    source_messages: int = _number()
    gone: bool = Field(sa_column=Column(Boolean, nullable=False))


class MessageRow(Table, table=True):
    """A LedgerRow; `outcome`, `flags` and `grade` as `codes` writes them, empty values as NULL, which cost nothing."""

    __tablename__ = "message"
    __table_args__ = {"sqlite_with_rowid": False}
    folder_id: int = _owned_by("folder", primary_key=True, autoincrement=False)
    source_uid: int = Field(sa_column=Column(BigInt, primary_key=True, autoincrement=False))
    target_uid: int | None = Field(default=None, sa_column=Column(BigInt))
    outcome: int = Field(sa_column=Column(SmallInteger, nullable=False))
    flags: str = _text()
    digest: bytes | None = Field(default=None, sa_column=Column(LargeBinary(16)))
    reason: str | None = Field(default=None, sa_column=Column(Text))
    size: int = _number()
    grade: int | None = Field(default=None, sa_column=Column(SmallInteger))
    gone: int = Field(default=0, sa_column=Column(SmallInteger, nullable=False))


class IntentRow(Table, table=True):
    """Open intents, and settled ones that are doubtful; the others are deleted when their rows are in."""

    __tablename__ = "intent"
    __table_args__ = (Index(None, "folder_id"), {"sqlite_autoincrement": True})
    id: int | None = _key()
    folder_id: int = _owned_by("folder")
    kind: str = _text()
    direction: str = _text()
    uidvalidity: int = _number()
    uidnext: int = _number()
    uids: str = _text()
    opened: datetime = _time()
    open: bool = Field(sa_column=Column(Boolean, nullable=False))
    doubtful: bool = Field(sa_column=Column(Boolean, nullable=False))


class StagedRow(Table, table=True):
    __tablename__ = "staged"
    intent_id: int = _owned_by("intent", primary_key=True, autoincrement=False)
    origin_uid: int = Field(sa_column=Column(BigInt, primary_key=True, autoincrement=False))
    staged_uid: int = _number()
    digest: bytes = Field(sa_column=Column(LargeBinary(16), nullable=False))


class ObservedRow(Table, table=True):
    """What an ingress said of an address before the wave's first flip (nexthop NULL: no entry)."""

    __tablename__ = "observed"
    wave: str = _text(primary_key=True)
    ingress: str = _text(primary_key=True)
    address: str = _text(primary_key=True)
    nexthop: str | None = Field(default=None, sa_column=Column(Text))


class FlipRow(Table, table=True):
    """One change of one entry, intended and, once read back, confirmed (nexthop NULL: no entry)."""

    __tablename__ = "flip"
    __table_args__ = (Index(None, "wave", "ingress"),)
    id: int | None = _key()
    wave: str = _text()
    ingress: str = _text()
    step: str = _text()
    address: str = _text()
    expected: str | None = Field(default=None, sa_column=Column(Text))
    wanted: str | None = Field(default=None, sa_column=Column(Text))
    intended: datetime = _time()
    confirmed: datetime | None = _time(nullable=True)


class CanaryRow(Table, table=True):
    __tablename__ = "canary"
    __table_args__ = (UniqueConstraint("token"), Index(None, "address"), Index(None, "wave"))
    id: int | None = _key()
    token: str = _text()
    wave: str = _text()
    phase: str = _text()
    address: str = _text()
    ingress: str = _text()
    expected: str = _text()
    absent_on: str = _text()
    state: str = _text()
    sent_at: datetime | None = _time(nullable=True)
    detail: str = _text()
