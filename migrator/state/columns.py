"""What the tables are made of: their base, and the kinds of columns."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, Column, DateTime, Dialect, ForeignKey, Integer, MetaData, Text, TypeDecorator
from sqlmodel import Field, SQLModel

BigInt = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows by itself only in an INTEGER key


class UtcTime(TypeDecorator[datetime]):
    """An aware UTC time. SQLite has no zone to store: it is left out there and put back here."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a time without a zone cannot be stored: {value}")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Table(SQLModel):
    """Base of our tables; their metadata is what Alembic compares a database with."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


def text(**options: Any) -> Any:
    """A text that is there, if only ""."""
    return Field(sa_column=Column(Text, nullable=False, **options))


def key() -> Any:
    """A number that the database gives each row."""
    return Field(default=None, sa_column=Column(BigInt, primary_key=True, autoincrement=True))


def number() -> Any:
    """A whole number of up to 63 bits."""
    return Field(default=0, sa_column=Column(BigInt, nullable=False))


def time(nullable: bool = False) -> Any:
    """An aware UTC time."""
    return Field(sa_column=Column(UtcTime, nullable=nullable))


def owned_by(table: str, **options: Any) -> Any:
    """A reference to a row of `table`, with which this row goes away."""
    return Field(sa_column=Column(BigInt, ForeignKey(f"{table}.id", ondelete="CASCADE"), nullable=False, **options))
