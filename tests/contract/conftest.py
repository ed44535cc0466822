"""Fixtures of the state's contract suite: every test that uses `url` or `store` runs on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from migrator import state
from migrator.model.names import FolderName
from migrator.state import FolderRecord, Lease, Store
from tests.contract.state_stores import ME, SAKURA, TTL
from tests.lab import processes, require
from tests.lab.postgres import Postgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    require("postgresql")
    with Postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a database that does not exist yet (SQLite) or is empty (PostgreSQL)."""
    if request.param == "postgresql":
        server: Postgres = request.getfixturevalue("postgres")
        yield server.database()
        return
    directory = processes.scratch_directory("state")
    yield f"sqlite:///{directory}/state/migrator.db"
    processes.remove_directory(directory)


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
