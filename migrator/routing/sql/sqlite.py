"""A look-up table in an SQLite file that Postfix reads (sqlite_table(5)).

A Postfix that meets a locked file waits for one second and then takes the whole map for broken: what holds the file
for itself must be short. So nothing reaches the file before the commit (`cache_spill`).
"""

import contextlib
import json
import os
import pwd
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from migrator.model.errors import Locked
from migrator.routing.contract import Finding
from migrator.routing.errors import DatabaseRefused
from migrator.routing.findings import error, warning
from migrator.routing.sql.rows import Columns, Dialect, Rows

LOCK_PATIENCE = 60.0  # seconds; a change of thousands of rows takes less than one
_DIALECT = Dialect("?", "{} IN (SELECT value FROM json_each(?))", lambda keys: json.dumps(keys, ensure_ascii=False))


class SqliteTable:
    """The table in the file at `path`, which is never made here."""

    def __init__(self, path: Path, columns: Columns) -> None:
        self._path, self._columns = path, columns
        self.where = f"{path} {columns.table}"

    @contextlib.contextmanager
    def reading(self) -> Iterator[Rows]:
        with self._transaction("BEGIN") as rows:
            yield rows

    @contextlib.contextmanager
    def changing(self) -> Iterator[Rows]:
        """Durable at the end, or undone whole: by this process, or by the next one that opens the file to write."""
        with self._transaction("BEGIN IMMEDIATE") as rows:
            yield rows

    def findings(self, mail_owner: str | None) -> Iterator[Finding]:
        """Rights: of this user to change the table, and of Postfix's to tidy up after a writer that died."""
        places = (self._path, self._path.parent)
        if not all(os.access(place, os.W_OK) for place in places):
            yield error(
                f"{self._path} and its directory cannot be written by this user",
                "Run as a user that may, such as root.",
            )
        if not self._is_unique():
            yield warning(
                f"nothing keeps {self.where} from having two rows for one `{self._columns.key}`",
                f"Make a unique index on `{self._columns.key}`; it makes flips and look-ups quick, too.",
            )
        if mail_owner and not all(_writable_by(mail_owner, place) for place in places):
            yield warning(*self._untidy(mail_owner))

    def _untidy(self, mail_owner: str) -> tuple[str, str]:
        remedy = f"Let {mail_owner} write both: chgrp {mail_owner}, chmod g+rw the file and g+rwx the directory."
        if self._journal_mode() == "wal":
            return (
                f"{self._path} keeps a write-ahead log, and Postfix's user {mail_owner} cannot write there: when the "
                f"last writer is gone it cannot read it, and all mail waits",
                f"{remedy} Or go back with `PRAGMA journal_mode=delete`.",
            )
        return (
            f"Postfix's user {mail_owner} cannot write {self._path} and its directory: when a writer is killed in the "
            f"middle of a commit, all mail waits until a command of migrator, or sqlite3, opens the file",
            remedy,
        )

    def _is_unique(self) -> bool:
        with self._opened() as connection:
            table = self._columns.table.rpartition(".")[2]
            indexes = connection.execute('SELECT name FROM pragma_index_list(?) WHERE "unique"', (table,)).fetchall()
            wanted = [self._columns.key.lower()]
            return any(
                [column.lower() for (column,) in connection.execute("SELECT name FROM pragma_index_info(?)", index)]
                == wanted
                for index in indexes
            )

    def _journal_mode(self) -> str:
        with self._opened() as connection:
            return str(connection.execute("PRAGMA journal_mode").fetchone()[0])

    @contextlib.contextmanager
    def _transaction(self, begin: str) -> Iterator[Rows]:
        with self._opened() as connection:
            say(connection, begin)
            try:
                yield Rows(connection.cursor(), self._columns, _DIALECT)
                say(connection, "COMMIT")
            finally:
                if connection.in_transaction:
                    say(connection, "ROLLBACK")

    @contextlib.contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        with self._explained():
            connection = sqlite3.connect(
                f"file:{quote(str(self._path))}?mode=rw", uri=True, timeout=LOCK_PATIENCE, isolation_level=None
            )
            try:
                say(connection, "PRAGMA synchronous = FULL")
                say(connection, "PRAGMA cache_spill = OFF")
                yield connection
            finally:
                connection.close()

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise Locked(
                    f"{self._path} is locked by another program for longer than {LOCK_PATIENCE:.0f} s",
                    remedy="See who has it open (`fuser`), and end that transaction; then run again.",
                ) from error
            raise DatabaseRefused(
                f"{self.where}: {error}; nothing was written",
                remedy="Correct `database`, `table`, `key` and `value` in migrator.yaml, or the file and its rights.",
            ) from error


def say(connection: sqlite3.Connection, statement: str) -> None:
    """Every statement that begins or ends a transaction passes here."""
    connection.execute(statement)


def _writable_by(user: str, place: Path) -> bool:
    """Whether the mode bits let `user` write `place`; True for a user that is not known here."""
    try:
        entry, found = pwd.getpwnam(user), place.stat()
    except (KeyError, OSError):
        return True
    if entry.pw_uid in (0, found.st_uid):
        return entry.pw_uid == 0 or bool(found.st_mode & stat.S_IWUSR)
    if found.st_gid in os.getgrouplist(user, entry.pw_gid):
        return bool(found.st_mode & stat.S_IWGRP)
    return bool(found.st_mode & stat.S_IWOTH)
