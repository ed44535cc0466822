"""Look-up tables that a Postfix map of type sqlite or pgsql asks: the evidence is what `postmap -q` answers."""

from __future__ import annotations

import atexit
import functools
import os
import sqlite3
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg

from migrator.model.names import Address, Ingress
from migrator.routing import Reader
from migrator.routing.sql.lookup_table import PostfixSql
from migrator.routing.sql.postgres import PostgresTable
from migrator.routing.sql.rows import Columns, Table
from migrator.routing.sql.sqlite import SqliteTable
from tests.contract.routing_places import FREEZE, NEW, OLD, STALE, A, B, C, D, Ground
from tests.lab import processes, require
from tests.lab.postgres import Postgres
from tests.lab.requirements import find_program

KINDS = ("sqlite", "pgsql")
COLUMNS = Columns("transport", "address", "nexthop")
MADE = "CREATE TABLE transport (address TEXT PRIMARY KEY, nexthop TEXT, note TEXT NOT NULL DEFAULT 'of the operator')"
QUERY = "SELECT nexthop FROM transport WHERE address = '%s'"


@functools.cache
def postgres() -> Postgres:
    """One server for all tests of this process."""
    server = Postgres()
    server.__enter__()
    atexit.register(server.__exit__, None, None, None)
    return server


class SqlPlace:
    """A table with rows for a, b and c, and the map that a Postfix asks it by. It is a Ground."""

    a, c, d = A, C, D
    old, new, stale = OLD, NEW, STALE
    flips_each = 10

    def __init__(self, directory: Path, kind: str, made: str = MADE) -> None:
        self.kind, self.directory = kind, directory
        self.file = directory / "tables" / "routes.db"
        self.file.parent.mkdir()
        self.url = "" if kind == "sqlite" else postgres().database()
        self.reloads_log = directory / "reloads"
        self.mapped = directory / "routes.cf"
        self.backups = directory / "kept"
        config = directory / "etc"
        config.mkdir()
        (config / "main.cf").write_text("compatibility_level = 3.6\n")
        os.utime(config / "main.cf", (1e9, 1e9))  # Postfix's commands doze while a file of settings is young
        os.environ["MAIL_CONFIG"] = str(config)  # or postmap wants a main.cf in /etc/postfix
        self.ask()
        self.execute(made)
        for address in (A, B, C):
            self.set_by_hand(address, OLD)

    @property
    def map(self) -> str:
        return f"{self.kind}:{self.mapped}"

    def ask(self, query: str = QUERY, more: str = "") -> None:
        """Let the map ask the table by this query."""
        if self.kind == "sqlite":
            where = f"dbpath = {self.file}\n"
        else:
            server = postgres()
            name = self.url.rpartition("/")[2]
            where = f"hosts = {server.address}:{server.port}\nuser = migrator\npassword = x\ndbname = {name}\n"
        self.mapped.write_text(f"{where}query = {query}\n{more}")
        os.utime(self.mapped, (1e9, 1e9))

    def table(self, columns: Columns = COLUMNS) -> Table:
        return SqliteTable(self.file, columns) if self.kind == "sqlite" else PostgresTable(self.url, columns, None)

    def routing(self, reload: str | None = "", **settings: Any) -> PostfixSql:
        if reload == "":
            reload = f"sh -c 'echo told >> {self.reloads_log}'"
        given: dict[str, Any] = {"freeze": FREEZE, "map": self.map, "backups": self.backups} | settings
        table = given.pop("table", None) or self.table()
        return PostfixSql(Ingress("gateway"), table, reader=Reader(reload), **given)

    def backend(self) -> PostfixSql:
        return self.routing()

    def execute(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        """As the administrator does by hand; `?` stands for a parameter, if there are any."""
        if self.kind == "sqlite":
            with closing(sqlite3.connect(self.file)) as file, file:
                return file.execute(statement, parameters).fetchall()
        with psycopg.connect(self.url) as connection:
            marked = statement.replace("?", "%s") if parameters else statement
            cursor = connection.execute(marked.encode(), parameters or None)
            return cursor.fetchall() if cursor.description else []

    def answer(self, address: Address) -> str | None:
        return self.answers([address])[address]

    def answers(self, addresses: Sequence[str]) -> dict[str, str | None]:
        """What Postfix finds for each address, without our code."""
        command = [find_program("postmap") or "postmap", "-q", "-", self.map]
        found = subprocess.run(command, input="\n".join(addresses) + "\n", capture_output=True, text=True)
        assert "fatal" not in found.stderr, found.stderr
        pairs = dict(line.split("\t", 1) for line in found.stdout.splitlines())
        return {address: pairs.get(address) for address in addresses}

    def set_by_hand(self, address: Address, value: str | None) -> None:
        self.execute("DELETE FROM transport WHERE address = ?", address)
        if value is not None:
            self.execute("INSERT INTO transport (address, nexthop) VALUES (?, ?)", address, value)

    def rows(self) -> list[tuple[Any, ...]]:
        return self.execute("SELECT * FROM transport ORDER BY 1")

    def told(self) -> int:
        return self.reloads_log.read_text().count("told") if self.reloads_log.exists() else 0

    def state(self) -> object:
        return self.rows(), self.told(), sorted(self.directory.rglob("*"))

    def spare(self, writer: int, number: int) -> Address:
        return Address(f"w{writer}-{number}@company.test")


@contextmanager
def sql_place(kind: str, **settings: Any) -> Iterator[SqlPlace]:
    """A place of this kind of its own; skips the test where its servers are missing."""
    require(f"postfix-{kind}", *(["postgresql"] if kind == "pgsql" else []))
    before = os.environ.get("MAIL_CONFIG")
    directory = processes.scratch_directory("routing")
    try:
        yield SqlPlace(directory, kind, **settings)
    finally:
        processes.remove_directory(directory)
        os.environ.pop("MAIL_CONFIG", None) if before is None else os.environ.update(MAIL_CONFIG=before)


def postfix_sql(kind: str) -> Iterator[Ground]:
    with sql_place(kind) as made:
        yield made
