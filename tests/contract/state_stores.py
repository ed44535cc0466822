"""Stores for the contract suite: an empty database of each kind, and who works with it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from migrator import state
from migrator.model.message import Outcome
from migrator.model.names import Address, FolderName
from migrator.state import Actor, FolderRecord, Lease, LedgerRow, Store
from tests.lab import require
from tests.lab.postgres import Postgres

ME = state.here(["migrator", "wave", "run", "sales"])
SAKURA = Address("sakura@example.co.jp")
TTL = timedelta(minutes=1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    require("postgresql")
    with Postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database that does not exist yet (SQLite), or is empty (PostgreSQL)."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/state/migrator.db"
    server: Postgres = request.getfixturevalue("postgres")
    return server.database()


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with state.open(url) as opened:
        yield opened


@pytest.fixture
def lease(store: Store) -> Lease:
    return store.leases.acquire(f"mailbox:{SAKURA}", ME, TTL)


@pytest.fixture
def folder(store: Store, lease: Lease) -> FolderRecord:
    return store.ledger.put_folder(FolderRecord(0, SAKURA, FolderName("INBOX"), FolderName("INBOX")), lease)


def row(uid: int, outcome: Outcome = Outcome.COPIED, **more: object) -> LedgerRow:
    """A ledger row; what is not given is plausible."""
    given: dict[str, object] = {
        "target_uid": uid + 1000 if outcome in (Outcome.COPIED, Outcome.PRESENT) else None,
        "flags": frozenset({"\\Seen"}),
        "digest": uid.to_bytes(16),
        "size": 4000,
        **more,
    }
    return LedgerRow(source_uid=uid, outcome=outcome, **given)  # type: ignore[arg-type]


def other(pid: int = 1, host: str = "elsewhere") -> Actor:
    """Somebody on another host."""
    return Actor("hanako", host, pid, "migrator wave run sales")
