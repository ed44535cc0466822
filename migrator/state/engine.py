"""SQLite and PostgreSQL: transactions, durability, permissions. Nothing here knows a table.

SQLite: WAL; every write transaction begins with BEGIN IMMEDIATE (SQLAlchemy's default loses concurrent
read-modify-writes); readers have connections of their own and never take the write lock. Writers of this process queue
for its one writing connection, those of other processes for SQLite's lock (`busy_timeout`).
"""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, func, make_url, select
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import NullPool

from migrator.state.errors import StateMissing, StateUnusable
from migrator.state.failure import remedied

BUSY_SECONDS = 30
_READERS = 64  # more threads than ever read at once
_CREATION_LOCK = 0x6D696772  # PostgreSQL advisory lock, held while the schema is made or upgraded


class Database:
    """The two engines of one database. `where` names it in messages, without a password."""

    def __init__(self, url: str) -> None:
        self._url = parse(url)
        self.where = place(self._url)
        self._writer = _writer(self._url)
        self._reader = _reader(self._url)

    @contextmanager
    def write_text(self, durable: bool = False) -> Iterator[Connection]:
        """One transaction, committed at the end, rolled back on an error. Not to be nested.

        `durable`: on the disk when this returns. Otherwise a power cut may undo the last such transactions (a killed
        process never does), always in order: what is on the disk is a state that once was.
        """
        with remedied(self.where), self._writer.connect() as connection:
            connection.execution_options(durable=durable)
            with connection.begin():
                yield connection

    @contextmanager
    def read_text(self) -> Iterator[Connection]:
        """One consistent view; takes no lock and refuses to write."""
        with remedied(self.where), self._reader.connect() as connection:
            yield connection

    def close(self) -> None:
        self._writer.dispose()
        self._reader.dispose()


def parse(url: str) -> URL:
    """The SQLAlchemy URL of a database on disk or of a PostgreSQL (then with driver psycopg 3)."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise StateUnusable("`state:` is not a database URL", remedy="sqlite:///state/migrator.db is one.") from error
    if parsed.get_backend_name() == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() != "sqlite" or parsed.database in (None, "", ":memory:"):
        raise StateUnusable(
            f"{place(parsed)}: not an SQLite file and not PostgreSQL",
            remedy="Write sqlite:///state/migrator.db or postgresql://USER@HOST/DATABASE as `state:` in migrator.yaml.",
        )
    return parsed


def place(url: URL) -> str:
    """What a message calls the database: the file, or the URL without its password."""
    if url.get_backend_name() == "sqlite":
        return f"state {url.database or 'in memory'}"
    return f"state {url.render_as_string(hide_password=True)}"


def prepare_file(url: URL, create: bool) -> None:
    """See that an SQLite file exists and is its owner's alone: file 0600, a directory made here 0700, any umask.

    SQLite gives its -wal and -shm files the mode of the database. Raises StateMissing when it is not to be created.
    """
    if url.get_backend_name() != "sqlite":
        return
    path = Path(str(url.database))
    if not create and not path.exists():
        raise StateMissing(
            f"{place(url)}: there is none yet", remedy="`migrator wave run WAVE` makes it; or correct `state:`."
        )
    try:
        _private_directory(path.parent)
        _private_file(path)
    except OSError as error:
        raise StateUnusable(
            f"{place(url)}: {error.strerror}: {error.filename or path}",
            remedy="Make the state directory and its files writable for this user.",
        ) from error


@contextmanager
def schema_connection(url: URL) -> Iterator[Connection]:
    """A write transaction for making or upgrading the schema, one at a time over all processes.

    Foreign keys are not enforced in it (SQLite cannot rebuild a table otherwise), but checked at its end.
    """
    engine = _engine(url, poolclass=NullPool)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _wait_and_log_ahead)
        event.listen(engine, "begin", _begin_immediate)
    with remedied(place(url)), engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(select(func.pg_advisory_xact_lock(_CREATION_LOCK)))
        yield connection
        if engine.dialect.name == "sqlite" and connection.exec_driver_sql("PRAGMA foreign_key_check").first():
            raise StateUnusable(f"{place(url)}: rows refer to rows that are not there", remedy="Restore a backup.")


def _private_directory(directory: Path) -> None:
    if directory.exists():
        return  # the operator's choice
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o700)


def _private_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if os.fstat(descriptor).st_mode & 0o777 != 0o600:
            os.fchmod(descriptor, 0o600)
    finally:
        os.close(descriptor)


def _engine(url: URL, **options: Any) -> Engine:
    return create_engine(url, hide_parameters=True, **options)  # addresses do not belong into errors and logs


def _writer(url: URL) -> Engine:
    if url.get_backend_name() != "sqlite":
        return _engine(url, pool_pre_ping=True, pool_size=8, max_overflow=_READERS)
    engine = _engine(url, pool_size=1, max_overflow=0, pool_timeout=BUSY_SECONDS)
    event.listen(engine, "connect", _wait_and_log_ahead)
    event.listen(engine, "connect", _enforce_references)
    event.listen(engine, "begin", _begin_immediate)
    return engine


def _reader(url: URL) -> Engine:
    if url.get_backend_name() != "sqlite":
        return _engine(url, pool_pre_ping=True, max_overflow=_READERS, execution_options={"postgresql_readonly": True})
    engine = _engine(url, pool_size=4, max_overflow=_READERS)
    event.listen(engine, "connect", _read_only)
    event.listen(engine, "begin", _begin)
    return engine


def _wait_and_log_ahead(connection: Any, record: Any) -> None:
    connection.isolation_level = None  # transactions begin where we say, not where sqlite3 guesses
    connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
    _log_ahead(connection)


def _log_ahead(connection: Any) -> None:
    """WAL. While another process writes to a file not yet in WAL, SQLite does not heed `busy_timeout`: we wait here."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if not error.sqlite_errorname.startswith("SQLITE_BUSY") or time.monotonic() >= deadline:
                raise
        time.sleep(0.01)


def _enforce_references(connection: Any, record: Any) -> None:
    connection.execute("PRAGMA foreign_keys = ON")


def _read_only(connection: Any, record: Any) -> None:
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
    connection.execute("PRAGMA query_only = ON")


# The driver itself begins: by way of SQLAlchemy, that takes longer than most of our statements.


def _begin_immediate(connection: Connection) -> None:
    driver: Any = connection.connection.dbapi_connection
    level = "FULL" if connection.get_execution_options().get("durable", True) else "NORMAL"
    if connection.info.get("synchronous") != level:  # cannot be changed inside a transaction
        driver.execute(f"PRAGMA synchronous = {level}")
        connection.info["synchronous"] = level
    driver.execute("BEGIN IMMEDIATE")


def _begin(connection: Connection) -> None:
    driver: Any = connection.connection.dbapi_connection
    driver.execute("BEGIN")
