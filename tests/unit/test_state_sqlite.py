"""What is special about SQLite: durability, locks, permissions, and errors that say what to do."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import text

from migrator import state
from migrator.model.errors import MigratorError, Transient
from migrator.model.message import Outcome
from migrator.model.names import Address, FolderName, WaveName
from migrator.state import FolderRecord, LedgerRow, Store, engine
from migrator.state.engine import Database
from migrator.state.errors import StateBusy, StateMissing, StateUnusable
from migrator.state.failure import failure_of
from tests.contract.state_stores import ME, SAKURA, TTL, row
from tests.lab import processes

SALES = WaveName("sales")
COPY = """
import sys
from datetime import timedelta
from migrator import state
from migrator.state import Direction, IntentKind, NewIntent, Settled
from tests.contract.state_stores import ME, row
with state.open(sys.argv[1]) as store:
    lease = store.leases.acquire("mailbox:sakura@example.co.jp", ME, timedelta(minutes=1))
    folder = store.ledger.folders("sakura@example.co.jp")[0].id
    first = NewIntent(folder, IntentKind.DIRECT, Direction.FORWARD, 1, 1, (1,))
    (intent,) = store.ledger.commit(lease, intents=[first])
    for batch in range(1, 100_000):
        rows = tuple(row(uid) for uid in range(10 * batch, 10 * batch + 10))
        new = NewIntent(folder, IntentKind.DIRECT, Direction.FORWARD, 1, 1, (batch + 1,))
        (intent,) = store.ledger.commit(lease, settled=[Settled(intent, rows)], intents=[new])
        print(batch, flush=True)
"""


@pytest.fixture
def path() -> Iterator[Path]:
    directory = processes.scratch_directory("sqlite")
    yield directory / "state" / "migrator.db"
    processes.remove_directory(directory)


@pytest.fixture
def url(path: Path) -> str:
    return f"sqlite:///{path}"


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with state.open(url) as opened:
        yield opened


@pytest.fixture
def database(store: Store, url: str) -> Iterator[Database]:
    opened = Database(url)
    yield opened
    opened.close()


def make_folder(store: Store) -> FolderRecord:
    lease = store.leases.acquire(f"mailbox:{SAKURA}", ME, TTL)
    folder = store.ledger.put_folder(FolderRecord(0, SAKURA, FolderName("INBOX"), FolderName("INBOX")), lease)
    store.leases.release(lease)
    return folder


def test_sixteen_threads_on_two_connections_lose_no_update(database: Database, store: Store, url: str) -> None:
    store.waves.ensure(SALES, [SAKURA], ME)
    store.waves.set_error(SALES, "0")
    second = Database(url)

    def add(of: Database) -> None:
        for _ in range(25):
            with of.write_text() as connection:
                number = int(connection.execute(text("SELECT error FROM wave")).scalar_one())
                connection.execute(text("UPDATE wave SET error = :number"), {"number": str(number + 1)})

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(add, [database, second] * 8))
    second.close()
    assert store.waves.all()[0].error == "400"


def test_opening_a_database_new_or_old_loads_neither_alembic_nor_the_orm(url: str) -> None:
    program = """if True:
        import sys
        from migrator import state
        state.open(sys.argv[1]).workspace_id
        assert not {"alembic", "sqlmodel", "sqlalchemy.orm", "pydantic"} & sys.modules.keys()
    """
    for _ in ("new", "old"):
        assert subprocess.run([sys.executable, "-c", program, url]).returncode == 0


def test_reading_neither_waits_for_a_writer_nor_sees_its_work(database: Database, store: Store) -> None:
    store.waves.ensure(SALES, [SAKURA], ME)
    with database.write_text() as connection:
        connection.execute(text("UPDATE wave SET error = 'half'"))
        assert store.waves.all()[0].error == ""
    assert store.waves.all()[0].error == "half"


def test_an_error_inside_a_transaction_undoes_it(database: Database, store: Store) -> None:
    store.waves.ensure(SALES, [SAKURA], ME)

    def fail_half_way() -> None:
        with database.write_text() as connection:
            connection.execute(text("UPDATE wave SET error = 'half'"))
            connection.execute(text("UPDATE no_such_table SET error = ''"))

    with pytest.raises(StateUnusable, match="no such table"):
        fail_half_way()
    assert store.waves.all()[0].error == ""
    store.waves.set_error(SALES, "the next transaction works")
    assert store.waves.all()[0].error == "the next transaction works"


def test_a_reading_connection_cannot_write(database: Database) -> None:
    with pytest.raises(StateUnusable, match="read-only"), database.read_text() as connection:
        connection.execute(text("DELETE FROM wave"))


@pytest.mark.parametrize(("durable", "level"), [(True, 2), (False, 1)])
def test_durable_transactions_wait_for_the_disk(database: Database, durable: bool, level: int) -> None:
    with database.write_text(durable=not durable):
        pass
    with database.write_text(durable=durable) as connection:
        pragmas = ("synchronous", "journal_mode", "foreign_keys", "busy_timeout")
        found = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in pragmas]
    assert found == [level, "wal", 1, 30_000]


@pytest.mark.parametrize("mask", [0o000, 0o077, 0o777])
def test_the_state_is_its_owner_s_alone_whatever_the_umask(path: Path, url: str, mask: int) -> None:
    before = os.umask(mask)
    try:
        with state.open(url) as store:
            store.audit.record(ME, "written")
            modes = {found.name: found.stat().st_mode & 0o777 for found in path.parent.iterdir()}
    finally:
        os.umask(before)
    assert modes == dict.fromkeys(["migrator.db", "migrator.db-shm", "migrator.db-wal"], 0o600)
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_directory_that_was_there_keeps_its_mode_and_a_loose_file_is_closed(path: Path, url: str) -> None:
    path.parent.mkdir()
    path.parent.chmod(0o755)
    path.touch(0o666)
    state.open(url).close()
    assert path.parent.stat().st_mode & 0o777 == 0o755
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_killed_copy_leaves_every_batch_that_it_had_committed(store: Store, url: str) -> None:
    folder = make_folder(store)
    for seen in range(3):
        copier = subprocess.Popen([sys.executable, "-c", COPY, url], stdout=subprocess.PIPE, text=True)
        assert copier.stdout is not None
        told = [copier.stdout.readline() for _ in range(20 + 7 * seen)]
        copier.send_signal(signal.SIGKILL)
        told += copier.stdout.readlines()
        copier.wait()
        committed = int([line for line in told if line.endswith("\n")][-1])
        uids = {found.source_uid for found in store.ledger.rows(folder.id)}
        assert uids >= set(range(10, 10 * committed + 10))
        assert not len(uids) % 10, "a batch is there as a whole or not at all"
        assert len(store.ledger.open_intents(SAKURA)) == seen + 1
    with sqlite3.connect(url.removeprefix("sqlite:///")) as raw:
        assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_a_message_takes_at_most_sixty_octets(path: Path, url: str) -> None:
    with state.open(url) as store:
        folder = make_folder(store)
        lease = store.leases.acquire(f"mailbox:{SAKURA}", ME, TTL)
        common, rare = frozenset({"\\Seen"}), frozenset({"\\Seen", "\\Answered", "$Forwarded", "NonJunk"})
        for start in range(100_000, 120_000, 100):
            rows = [row(uid, flags=rare if uid % 10 == 0 else common) for uid in range(start, start + 100)]
            store.ledger.commit(lease, rows=[(folder.id, one) for one in rows])
    assert path.stat().st_size / 20_000 <= 60


def test_a_missing_database_is_not_made_by_a_command_that_only_reads(path: Path, url: str) -> None:
    with pytest.raises(StateMissing) as refused:
        state.open(url, create=False)
    assert str(path) in str(refused.value)
    assert "migrator wave run" in refused.value.remedy
    assert not path.parent.exists()


@pytest.mark.parametrize("bad", ["sqlite://", "sqlite:///:memory:", "mysql://host/x", "state/migrator.db"])
def test_a_url_that_cannot_hold_the_state_is_refused(bad: str) -> None:
    with pytest.raises(StateUnusable) as refused:
        state.open(bad)
    assert "sqlite:///" in refused.value.remedy


def test_a_file_that_is_no_database_is_left_alone(path: Path, url: str) -> None:
    path.parent.mkdir()
    path.write_text("minutes of the meeting\n" * 100)
    with pytest.raises(StateUnusable, match="not an SQLite database") as refused:
        state.open(url)
    assert "state:" in refused.value.remedy
    assert path.read_text().startswith("minutes")


def test_another_program_s_database_is_left_alone(path: Path, url: str) -> None:
    path.parent.mkdir()
    with sqlite3.connect(path) as raw:
        raw.execute("CREATE TABLE wave (height)")
    with pytest.raises(StateUnusable, match="another program"):
        state.open(url)
    with sqlite3.connect(path) as raw:
        assert raw.execute("SELECT name FROM sqlite_master").fetchall() == [("wave",)]


def test_a_damaged_database_says_so(path: Path, url: str) -> None:
    with state.open(url) as store:
        store.waves.ensure(SALES, [Address(f"u{n}@example.co.jp") for n in range(2000)], ME)
    with path.open("r+b") as file:
        file.seek(8192)
        file.write(b"\xaa" * (path.stat().st_size - 8192))
    with pytest.raises(StateUnusable, match="damaged") as refused, state.open(url) as store:
        store.waves.all()
    assert "backup" in refused.value.remedy


def test_a_state_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    with pytest.raises(StateUnusable, match="Not a directory") as refused:
        state.open(f"sqlite:///{tmp_path}/state/migrator.db")
    assert "writable" in refused.value.remedy


def test_a_full_disk_says_so_and_nothing_is_half_written(store: Store) -> None:
    folder = make_folder(store)
    lease = store.leases.acquire(f"mailbox:{SAKURA}", ME, TTL)
    with store._database.write_text() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    with store._database._writer.connect() as connection:
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 4}")
    with pytest.raises(StateUnusable, match="disk is full") as refused:
        store.ledger.commit(lease, rows=[(folder.id, row(uid)) for uid in range(1, 5000)])
    assert "Free some space" in refused.value.remedy
    assert store.ledger.rows(folder.id) == []
    store.ledger.commit(lease, rows=[(folder.id, row(1))])


def test_a_database_that_stays_locked_is_a_passing_trouble(
    url: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state.open(url).close()
    monkeypatch.setattr(engine, "BUSY_SECONDS", 0)
    raw = sqlite3.connect(path, isolation_level=None)
    raw.execute("BEGIN IMMEDIATE")
    with state.open(url) as store:
        with pytest.raises(StateBusy) as refused:
            store.audit.record(ME, "too early")
        raw.execute("ROLLBACK")
        raw.close()
        store.audit.record(ME, "free again")
    assert isinstance(refused.value, Transient)
    assert "locked" in str(refused.value)


class Raised(sqlite3.OperationalError):
    def __init__(self, name: str) -> None:
        super().__init__("as the driver says it")
        self.sqlite_errorname = name


@pytest.mark.parametrize(
    ("name", "kind", "says"),
    [
        ("SQLITE_READONLY_DIRECTORY", StateUnusable, "read-only"),
        ("SQLITE_CANTOPEN", StateUnusable, "cannot be opened"),
        ("SQLITE_IOERR_WRITE", StateUnusable, "disk reports an error"),
        ("SQLITE_BUSY_RECOVERY", StateBusy, "locked"),
        ("SQLITE_ERROR", StateUnusable, "as the driver says it"),
    ],
)
def test_every_failure_has_a_remedy(name: str, kind: type[MigratorError], says: str) -> None:
    error = failure_of(Raised(name), "state x.db")
    assert type(error) is kind
    assert says in str(error)
    assert str(error).startswith("state x.db")
    assert error.remedy


def test_a_failed_row_needs_no_digest(store: Store) -> None:
    folder = make_folder(store)
    lease = store.leases.acquire(f"mailbox:{SAKURA}", ME, TTL)
    unread = LedgerRow(1, None, Outcome.FAILED, frozenset(), b"", "no answer")
    store.ledger.commit(lease, rows=[(folder.id, unread)])
    assert store.ledger.rows(folder.id) == [unread]


def test_a_new_database_that_another_process_is_just_making_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "migrator.db"
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    release = threading.Timer(0.3, other.execute, ("COMMIT",))
    release.start()
    with state.open(f"sqlite:///{path}") as store:
        assert store.waves.all() == ()
    release.join()
    other.close()
