"""Tables of users that a Dovecot proxy asks: the evidence is what that Dovecot finds for a user."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psycopg

from migrator.model.names import Address, Ingress, Nexthop
from migrator.routing.clients.dovecot import cached
from migrator.routing.sql.postgres import PostgresTable
from migrator.routing.sql.proxy_table import ProxyTable
from migrator.routing.sql.rows import Columns, Table
from migrator.routing.sql.sqlite import SqliteTable
from tests.contract.places_client_proxy import FLIPS_EACH, SPARE
from tests.contract.places_sql import KINDS, postgres
from tests.contract.routing_places import A, B, C, D, Ground
from tests.lab import processes, require
from tests.lab.dovecot_sql_proxy import DovecotSqlProxy

__all__ = ["KINDS", "ProxyTablePlace", "proxy_table", "proxy_table_place"]
COLUMNS = Columns("users", "user", "host", accounts=True)
MADE = 'CREATE TABLE users ("user" TEXT PRIMARY KEY, password TEXT NOT NULL, host TEXT)'
PASSWORD = "hash-of-the-password"
QUERY = "SELECT NULL AS password, 'Y' AS nopassword, CASE WHEN host IS NULL THEN NULL ELSE 'y' END AS proxy, host "
QUERY += "FROM users WHERE \"user\" = '%u'"


class ProxyTablePlace:
    """Everybody has a row; that of `d` and of the spare ones says NULL. It is a Ground."""

    a, c, d = A, C, D
    old, new = Nexthop("127.0.0.1"), Nexthop("127.0.0.2")
    stale, elsewhere = Nexthop("127.0.0.3"), Nexthop("127.0.0.4")
    flips_each = FLIPS_EACH

    def __init__(self, directory: Path, kind: str, made: str = MADE) -> None:
        self.kind, self.directory = kind, directory
        self.file, self.state_of_ours = directory / "db" / "users.db", directory / "state"
        self.file.parent.mkdir()
        self.url = "" if kind == "sqlite" else postgres().database()
        self.kick: str | None = f"sh -c 'echo \"$@\" >> {directory}/kicked' kick"
        self.execute(made)
        for user in (A, B, C, D, *(address for own in SPARE for address in own)):
            self.execute("INSERT INTO users VALUES (?, ?, ?)", user, PASSWORD, self.old if user in (A, B, C) else None)

    def serve(self, **settings: Any) -> DovecotSqlProxy:
        """A proxy, not started, that asks this table."""
        connect = str(self.file)
        if self.kind == "pgsql":
            server, name = postgres(), self.url.rpartition("/")[2]
            connect = f"host={server.address} port={server.port} dbname={name} user=migrator"
        self.server = DovecotSqlProxy(self.kind, connect, **{"query": QUERY, **settings})
        return self.server

    def table(self, columns: Columns = COLUMNS) -> Table:
        return SqliteTable(self.file, columns) if self.kind == "sqlite" else PostgresTable(self.url, columns, None)

    def routing(self, **settings: Any) -> ProxyTable:
        given: dict[str, Any] = {"user": str, "kick": self.kick, "peculiar": partial(cached, self.kick)} | settings
        table = given.pop("table", None) or self.table()
        ours = self.state_of_ours
        return ProxyTable(Ingress("imap-proxy"), table, directory=ours / "proxy", backups=ours / "routing", **given)

    def backend(self) -> ProxyTable:
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
        found = self.server.lookup(address)
        assert found, f"Dovecot does not know {address}"
        return found.get("host")

    def set_by_hand(self, address: Address, value: str | None) -> None:
        self.execute('UPDATE users SET host = ? WHERE "user" = ?', value, address)

    def rows(self) -> list[tuple[Any, ...]]:
        return self.execute("SELECT * FROM users ORDER BY 1")

    def kicked(self) -> list[str]:
        """The users whose sessions were ended, in the order of the commands."""
        log = self.directory / "kicked"
        return log.read_text().split() if log.exists() else []

    def state(self) -> object:
        kept = sorted(path for path in self.state_of_ours.rglob("*") if path.is_file() and path.name != "lock")
        return self.rows(), self.kicked(), kept

    def told(self) -> int | None:
        return None  # Dovecot asks at each login

    def spare(self, writer: int, number: int) -> Address:
        return SPARE[writer][number]


@contextmanager
def proxy_table_place(kind: str, **settings: Any) -> Iterator[ProxyTablePlace]:
    """A table of this kind, without a Dovecot; skips the test where its server is missing."""
    require(*(["postgresql"] if kind == "pgsql" else []))
    directory = processes.scratch_directory("users")
    try:
        yield ProxyTablePlace(directory, kind, **settings)
    finally:
        processes.remove_directory(directory)


def proxy_table(kind: str) -> Iterator[Ground]:
    """A Ground with a running proxy."""
    require(f"dovecot-{kind}")
    with proxy_table_place(kind) as made, made.serve():
        yield made
