"""A database's error becomes one that says where, why, and what to do."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, TimeoutError

from migrator.model.errors import MigratorError
from migrator.state.errors import StateBusy, StateUnusable

# By the beginning of SQLite's result code name (sqlite.org/rescode.html): what it is, and the remedy.
_SQLITE = {
    "SQLITE_FULL": (
        "the disk is full",
        "Free some space there and run the same command again; nothing was half written.",
    ),
    "SQLITE_NOTADB": ("it is not an SQLite database", "Correct `state:` in migrator.yaml, or move that file away."),
    "SQLITE_CORRUPT": (
        "it is damaged",
        "Restore a backup of the whole state directory, or try `sqlite3 FILE .recover`.",
    ),
    "SQLITE_READONLY": ("it is read-only", "Make the state directory and its files writable for this user."),
    "SQLITE_CANTOPEN": ("it cannot be opened", "Make the state directory and its files accessible to this user."),
    "SQLITE_PERM": ("access is denied", "Make the state directory and its files writable for this user."),
    "SQLITE_IOERR": ("the disk reports an error", "Look at the system log; the disk may be full, or failing."),
}
_SQLITE_BUSY = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_PROTOCOL")

# By the beginning of PostgreSQL's SQLSTATE (its manual, appendix A).
_POSTGRES = {
    "28": (
        "the login is refused",
        "Correct user and password of `state:` in migrator.yaml (PGPASSFILE can hold them).",
    ),
    "3D": ("there is no such database", "Create it (`createdb`), or correct `state:` in migrator.yaml."),
    "42501": ("this user lacks a right there", "Grant this user CREATE and USAGE on the schema."),
    "53100": ("its disk is full", "Free some space there and run the same command again."),
    "25006": ("it is read-only", "Point `state:` to the primary server."),
}
_POSTGRES_BUSY = ("08", "40", "53", "55P03", "57P")


@contextmanager
def remedied(where: str) -> Iterator[None]:
    """Turn a database error inside into StateBusy or StateUnusable; `where` names the database (no password)."""
    try:
        yield
    except DBAPIError as error:
        raise failure_of(error.orig, where) from error
    except sqlite3.Error as error:
        raise failure_of(error, where) from error
    except TimeoutError as error:
        raise StateBusy(f"{where}: other threads hold it for too long", remedy="Run the same command again.") from error


def failure_of(error: BaseException | None, where: str) -> MigratorError:
    """The error for what the driver raised."""
    if isinstance(error, sqlite3.Error):
        return _sqlite_failure(error, where)
    return _postgres_failure(error, where)


def _sqlite_failure(error: sqlite3.Error, where: str) -> MigratorError:
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith(_SQLITE_BUSY):
        return StateBusy(f"{where}: another program holds it locked", remedy="End that program, or run again later.")
    for prefix, (what, remedy) in _SQLITE.items():
        if name.startswith(prefix):
            return StateUnusable(f"{where}: {what} ({error})", remedy=remedy)
    return StateUnusable(f"{where}: {error}", remedy="`migrator db check` tells whether its schema is this program's.")


def _postgres_failure(error: BaseException | None, where: str) -> MigratorError:
    state = getattr(error, "sqlstate", None)
    text = " ".join(str(error).split())
    for prefix, (what, remedy) in _POSTGRES.items():
        if (state or "").startswith(prefix):
            return StateUnusable(f"{where}: {what} ({text})", remedy=remedy)
    if state is None or state.startswith(_POSTGRES_BUSY):
        return StateBusy(f"{where}: the database server is away ({text})", remedy="See that it runs, then run again.")
    return StateUnusable(f"{where}: {text}", remedy="`migrator db check` tells whether its schema is this program's.")
