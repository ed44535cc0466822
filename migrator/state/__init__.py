"""The only SQL: tables, store, ledger, upgrades.

    records    what goes in and comes out: frozen values
    errors     what can go wrong
    store      `Store`: one attribute a noun; made by `open`
    waves, leases, ledger, flips, canaries, audit, mailboxes, spent, doings, throughput, audits,
    belongings      the nouns
    folders, intents, tallies      parts of the ledger
    journal    its hot path: what a batch of a copy writes
    looks      what a pass asks of a folder's rows
    text       how every statement is run: SQL text, for an ORM statement costs many times as much
    codes      how flags, UID sets and outcomes are written compactly
    tables     SQLModel tables: what the schema is made of, and compared with; `columns` is what they are made of
    engine     SQLite and PostgreSQL: transactions, durability, permissions
    failure    a database's error becomes one with a remedy
    process    who we are, and whether another process still lives
    fresh      the schema of an empty database, at once, from schema/, which `ddl` writes from the tables
    upgrade    the schema's revision; revisions/ are Alembic's

SQLAlchemy is imported when a store is opened, not with this package.
"""

from typing import TYPE_CHECKING

from migrator.state.process import here
from migrator.state.records import (
    Actor,
    AuditRow,
    Counts,
    Direction,
    FolderRecord,
    IntentKind,
    IntentRecord,
    Lease,
    LedgerRow,
    NewIntent,
    NotCarried,
    PassRecord,
    Settled,
    Staged,
    WaveRecord,
)

if TYPE_CHECKING:
    from migrator.state.ledger import Ledger
    from migrator.state.store import Store

__all__ = [
    "Actor",
    "AuditRow",
    "Counts",
    "Direction",
    "FolderRecord",
    "IntentKind",
    "IntentRecord",
    "Lease",
    "Ledger",
    "LedgerRow",
    "NewIntent",
    "NotCarried",
    "PassRecord",
    "Settled",
    "Staged",
    "Store",
    "WaveRecord",
    "here",
    "open",
]


def open(url: str, create: bool = True) -> "Store":
    """The store at an SQLAlchemy `url` (sqlite:///PATH or postgresql://...); close it when done.

    With `create`, an empty or missing database is made (directory 0700, files 0600). Raises StateMissing, StateOutdated
    (remedy: `migrator db upgrade`), StateNewer, StateUnusable or StateBusy.
    """
    from migrator.state.store import open_store

    return open_store(url, create)


def __getattr__(name: str) -> object:
    if name == "Store":
        from migrator.state.store import Store

        return Store
    if name == "Ledger":
        from migrator.state.ledger import Ledger

        return Ledger
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
