"""The tables of the inventory: sizes, folders, shares, and what directories say of people."""

from datetime import datetime

from sqlalchemy import Boolean, Column, Index, Text
from sqlmodel import Field

from migrator.state.columns import BigInt, Table, number, text, time


class MailboxSizeRow(Table, table=True):
    """What the last look at a mailbox found in all; `due`: it is to be looked at again."""

    __tablename__ = "mailbox_size"
    mailbox: str = text(primary_key=True)
    server: str = text()
    messages: int = number()
    octets: int = number()
    folders: int = number()
    largest: int | None = Field(default=None, sa_column=Column(BigInt))
    seen: datetime = time()
    due: bool = Field(sa_column=Column(Boolean, nullable=False))


class MailboxFolderRow(Table, table=True):
    """One folder that the last look at a mailbox found; those of others too (`whose`)."""

    __tablename__ = "mailbox_folder"
    __table_args__ = ({"sqlite_with_rowid": False},)
    mailbox: str = text(primary_key=True)
    name: str = text(primary_key=True)
    whose: str = text()
    messages: int = number()
    octets: int | None = Field(default=None, sa_column=Column(BigInt))
    largest: int | None = Field(default=None, sa_column=Column(BigInt))
    special_use: str | None = Field(default=None, sa_column=Column(Text))
    mine: str = text()


class MailboxShareRow(Table, table=True):
    """A folder that two share, as the look at `mailbox` found it; NULL: the server's `identifier` is no mailbox."""

    __tablename__ = "mailbox_share"
    mailbox: str = text(primary_key=True)
    folder: str = text(primary_key=True)
    identifier: str = text(primary_key=True)
    owner: str | None = Field(default=None, sa_column=Column(Text))
    grantee: str | None = Field(default=None, sa_column=Column(Text))
    rights: str = text()


class DirectoryEntryRow(Table, table=True):
    """A person, a shared mailbox or a list, as a directory of migrator.yaml says."""

    __tablename__ = "directory_entry"
    directory: str = text(primary_key=True)
    address: str = text(primary_key=True)
    position: int = number()
    kind: str = text()
    name: str = text()
    department: str = text()


class DirectoryTieRow(Table, table=True):
    """What a directory says of an entry and another address: alias, member, forward, delegate."""

    __tablename__ = "directory_tie"
    __table_args__ = (Index(None, "kind", "other"),)
    directory: str = text(primary_key=True)
    address: str = text(primary_key=True)
    kind: str = text(primary_key=True)
    other: str = text(primary_key=True)
    position: int = number()
