"""What SQLite and PostgreSQL spell alike and SQLAlchemy does not: INSERT with ON CONFLICT, a counted UPDATE."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import CursorResult, Update
from sqlalchemy.dialects import sqlite
from sqlalchemy.orm import Session

from migrator.state.columns import Table

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql


def upsert(session: Session, model: type[Table], keys: Sequence[str], values: Mapping[str, object]) -> None:
    """Insert a row, or set the columns of `values` in the one that has the same `keys` (a unique constraint)."""
    statement = _insert(session, model).values(**values)
    changed = {name: statement.excluded[name] for name in values if name not in keys}
    session.execute(statement.on_conflict_do_update(index_elements=list(keys), set_=changed))


def add_up(session: Session, model: type[Table], keys: Mapping[str, str], numbers: Mapping[str, int]) -> None:
    """Insert a row, or add `numbers` to those of the one that has the same `keys` (a unique constraint)."""
    statement = _insert(session, model).values(**keys, **numbers)
    sums = {name: getattr(model, name) + statement.excluded[name] for name in numbers}
    session.execute(statement.on_conflict_do_update(index_elements=list(keys), set_=sums))


def insert_missing(session: Session, model: type[Table], values: Sequence[Mapping[str, object]]) -> None:
    """Insert those rows whose keys are not there yet."""
    if values:
        session.execute(_insert(session, model).on_conflict_do_nothing(), [dict(row) for row in values])


def change(session: Session, statement: Update) -> int:
    """Run an UPDATE; how many rows it changed."""
    return cast("CursorResult[Any]", session.execute(statement)).rowcount


def _insert(session: Session, model: type[Table]) -> "sqlite.Insert | postgresql.Insert":
    if session.get_bind().dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql  # a tenth of a start that does not need it

        return postgresql.insert(model)
    return sqlite.insert(model)
