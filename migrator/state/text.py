"""SQL text, run through SQLAlchemy's connection: what the hot paths use instead of the ORM.

An ORM object a message doubles the cost of a whole copy, Core's insert() adds a quarter, and one statement by way of
either costs more than it takes SQLite to run it. The statements are those that SQLite and PostgreSQL have in common;
`?` becomes `%s` for the latter.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, CursorResult

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


def stored(connection: Connection, at: datetime) -> object:
    """An aware time as the column types of `tables` store it."""
    utc = at.astimezone(UTC)
    return utc.replace(tzinfo=None).isoformat(" ", "microseconds") if is_sqlite(connection) else utc


def is_sqlite(connection: Connection) -> bool:
    return connection.dialect.name == "sqlite"


def _spelt(connection: Connection, statement: str) -> str:
    return statement if is_sqlite(connection) else statement.replace("?", "%s")
