"""The rows of a look-up table: found, changed by compare-and-swap, copied out; the same for every database.

A row's key is in lower case, for Postfix asks in lower case (pgsql_table(5), sqlite_table(5)), and so does Dovecot
(auth_username_format).
"""

import csv
import io
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from migrator.routing.contract import Finding
from migrator.routing.errors import DatabaseRefused

Row = tuple[str, bool, object]  # the key in lower case, whether it is stored so, the value
Change = tuple[str, str | None, str | None]  # the key, the value that is expected, the one that is wanted


@dataclass(frozen=True, slots=True)
class Columns:
    """A table (`SCHEMA.TABLE` or `TABLE`) and its two columns, as the database spells them.

    None as a value stands for no row; where the rows are people's `accounts`, for NULL in a row: these are neither made
    nor removed, and what else they hold (passwords) is not looked at.
    """

    table: str
    key: str
    value: str
    accounts: bool = False

    @property
    def rights(self) -> tuple[str, ...]:
        """What must be allowed to be done with the table."""
        return ("SELECT", "UPDATE") if self.accounts else ("SELECT", "INSERT", "UPDATE", "DELETE")


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a database writes a parameter (`mark`), and "is among these", with the parameter that `listed` makes."""

    mark: str
    among: str
    listed: Callable[[Sequence[str]], object]


@dataclass(frozen=True, slots=True)
class Found:
    """Values by key; and by key, why a row cannot be flipped safely."""

    values: Mapping[str, str | None]
    odd: Mapping[str, str]


class Table(Protocol):
    """The table in its database. Both blocks raise Unreachable, Locked or DatabaseRefused for what the database says.

    Neither outlives its block; an error that leaves the block undoes what was changed in it.
    """

    @property
    def where(self) -> str:
        """Database and table, for messages; without a password."""

    def reading(self) -> AbstractContextManager["Rows"]:
        """One consistent view."""

    def changing(self) -> AbstractContextManager["Rows"]:
        """One transaction that no other writer of the table runs beside; committed, durably, at the block's end."""

    def findings(self, mail_owner: str | None) -> Iterator[Finding]:
        """What stands in the way of a change here; `mail_owner`: the user as whom the Postfix here looks up."""


class Rows:
    """The table in an open transaction; `cursor` is one of sqlite3 or psycopg."""

    def __init__(self, cursor: Any, columns: Columns, dialect: Dialect) -> None:
        self._cursor, self._dialect, self.accounts = cursor, dialect, columns.accounts
        # A misspelt column in SQLite is a text, unless it is qualified: so it always is, but where it must not be
        self._key, self._value = self._quoted(columns.key), self._quoted(columns.value)
        self._table = ".".join(self._quoted(part) for part in columns.table.split("."))

    def find(self, keys: Collection[str]) -> Found:
        """The rows of `keys`."""
        among = self._dialect.among.format(f"lower(r.{self._key})")
        return self._found(self._rows(f" WHERE {among}", self._dialect.listed(list(keys))))

    def all(self) -> Found:
        """Every row."""
        return self._found(self._rows(""))

    def change(self, changes: Sequence[Change]) -> None:
        """Make the changes; DatabaseRefused when not every one met exactly one row with its expected value."""
        key, value, mark = self._key, self._value, self._dialect.mark
        update = f"UPDATE {self._table} AS r SET {value} = {mark} WHERE r.{key} = {mark}"
        if self.accounts:
            self._make(f"{update} AND r.{value} IS NULL", [(new, of) for of, old, new in changes if old is None])
            self._make(f"{update} AND r.{value} = {mark}", [(new, of, old) for of, old, new in changes if old])
            return
        self._make(f"{update} AND r.{value} = {mark}", [(new, of, old) for of, old, new in changes if old and new])
        self._make(
            f"DELETE FROM {self._table} AS r WHERE r.{key} = {mark} AND r.{value} = {mark}",
            [(of, old) for of, old, new in changes if new is None],
        )
        self._make(
            f"INSERT INTO {self._table} ({key}, {value}) VALUES ({mark}, {mark})",
            [(of, new) for of, old, new in changes if old is None],
        )

    def copy(self) -> str:
        """The whole table as CSV with a head: every column of it, but of accounts only the two that are ours."""
        columns = f"{self._key}, {self._value}" if self.accounts else "*"
        self._cursor.execute(f"SELECT {columns} FROM {self._table}", ())  # psycopg reads %% as % beside parameters
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(
            [[column[0] for column in self._cursor.description], *self._cursor.fetchall()]
        )
        return text.getvalue()

    def _rows(self, condition: str, *parameters: object) -> list[Row]:
        columns = f"lower(r.{self._key}), r.{self._key} = lower(r.{self._key}), r.{self._value}"
        self._cursor.execute(f"SELECT {columns} FROM {self._table} AS r{condition}", parameters)
        return [(key, bool(lower), value) for key, lower, value in self._cursor.fetchall() if key is not None]

    def _make(self, statement: str, parameters: Sequence[tuple[str | None, ...]]) -> None:
        if not parameters:
            return
        self._cursor.executemany(statement, parameters)
        if self._cursor.rowcount != len(parameters):
            raise DatabaseRefused(
                f"the database changed {self._cursor.rowcount} rows of {len(parameters)} that were there a moment "
                f"before; all is undone, nothing was written",
                remedy="See whether a trigger, a rule or a row policy of that table stands in the way.",
            )

    def _found(self, rows: Iterable[Row]) -> Found:
        return entries(rows, null=self.accounts)

    def _quoted(self, name: str) -> str:
        safe = name.replace('"', '""')
        return f'"{safe.replace("%", "%%") if "%" in self._dialect.mark else safe}"'


def entries(rows: Iterable[Row], *, null: bool = False) -> Found:
    """What the rows say; a row that its reader may read otherwise, or not at all, is no entry but odd.

    `null`: whether NULL is a value.
    """
    values: dict[str, str | None] = {}
    odd: dict[str, str] = {}
    for key, lower, value in rows:
        if key in values or key in odd:
            odd[key] = "has several rows"
        elif not lower:
            odd[key] = "is not written in lower case, in which it is looked for"
        elif (isinstance(value, str) and value) or (null and value is None):
            values[key] = value
        else:
            odd[key] = "has a row without a text in it"
    return Found({key: value for key, value in values.items() if key not in odd}, odd)
