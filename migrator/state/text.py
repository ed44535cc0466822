"""SQL text, run through SQLAlchemy's connection: what a copy uses instead of the ORM.

An ORM object a message doubles the cost of a whole copy, Core's insert() adds a quarter, and one statement by way of
either takes many times as long as SQLite takes to run it. The statements are those that SQLite and PostgreSQL have in
common; `?` becomes `%s` for the latter.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy import Connection, CursorResult

T = TypeVar("T")

_AT_ONCE = 500  # values in one statement; SQLite before 3.32 takes 999
_STREAMED = {"stream_results": True, "max_row_buffer": 2000}  # PostgreSQL would hand over the whole answer at once


def run(connection: Connection, statement: str, *values: object) -> "CursorResult[*tuple[Any, ...]]":
    """Run a statement with the `values` of its question marks."""
    return connection.exec_driver_sql(_spelt(connection, statement), values)


def stream(connection: Connection, statement: str, *values: object) -> "CursorResult[*tuple[Any, ...]]":
    """The same for an answer of any length, of which only a part is in memory at a time."""
    return connection.exec_driver_sql(_spelt(connection, statement), values, _STREAMED)


def run_many(connection: Connection, statement: str, values: Sequence[tuple[object, ...]]) -> None:
    """Run a statement once for each of `values`."""
    if values:
        connection.exec_driver_sql(_spelt(connection, statement), list(values))


def upsert(table: str, keys: Sequence[str], columns: Sequence[str]) -> str:
    """INSERT of a row (values: those of `keys`, then of `columns`), or UPDATE of the one that has the same `keys`."""
    changes = ", ".join(f"{name} = excluded.{name}" for name in columns)
    marks = ", ".join("?" * (len(keys) + len(columns)))
    return (
        f"INSERT INTO {table} ({', '.join((*keys, *columns))}) VALUES ({marks}) "
        f"ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {changes}"
    )


def some(values: Sequence[T]) -> Iterator[tuple[Sequence[T], str]]:
    """`values` in parts that one statement can take, each with its question marks: "(?, ?, ?)"."""
    for at in range(0, len(values), _AT_ONCE):
        part = values[at : at + _AT_ONCE]
        yield part, f"({', '.join('?' * len(part))})"


def for_update(connection: Connection) -> str:
    """The end of a SELECT that nobody may overtake; SQLite's writers are alone anyway."""
    return "" if is_sqlite(connection) else " FOR UPDATE"


def now(connection: Connection) -> datetime:
    """The database's clock: all hosts that share a PostgreSQL agree on it."""
    if is_sqlite(connection):
        return datetime.now(UTC)
    return read_time(run(connection, "SELECT clock_timestamp()").scalar_one())


def written(connection: Connection, at: datetime) -> object:
    """An aware time as its column stores it: SQLite has no zone, so that UTC is understood."""
    if at.tzinfo is None:
        raise ValueError(f"a time without a zone cannot be stored: {at}")
    utc = at.astimezone(UTC)
    return utc.replace(tzinfo=None).isoformat(" ", "microseconds") if is_sqlite(connection) else utc


def read_time(stored: object) -> datetime:
    """What `written` wrote, aware and in UTC."""
    if isinstance(stored, str):
        return datetime.fromisoformat(stored).replace(tzinfo=UTC)
    assert isinstance(stored, datetime), f"{stored!r} is not a time"
    return stored.astimezone(UTC)


def is_sqlite(connection: Connection) -> bool:
    return connection.dialect.name == "sqlite"


def _spelt(connection: Connection, statement: str) -> str:
    return statement if is_sqlite(connection) else statement.replace("?", "%s")
