"""`./dev bench flip`: thousands of routes flipped at once in each kind of map of a running Postfix, and read back."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.ground import BenchError
from migrator.model.mailbox import Endpoint, Login, Secret, Tls
from migrator.model.names import Address, Ingress, Nexthop
from migrator.routing import Reader, Routing
from migrator.routing.ldap.attribute import Ldap
from migrator.routing.ldap.wire import Directory
from migrator.routing.postfix.map import PostfixMap
from migrator.routing.sql.lookup_table import PostfixSql
from migrator.routing.sql.postgres import PostgresTable
from migrator.routing.sql.rows import Columns, Table
from migrator.routing.sql.sqlite import SqliteTable
from tests.lab import processes
from tests.lab.postfix import INDEX_SUFFIX, Postfix
from tests.lab.postgres import Postgres
from tests.lab.requirements import REQUIREMENTS, find_program
from tests.lab.slapd import PEOPLE, SERVICE, SERVICE_PASSWORD, Slapd

NEEDS = {
    "texthash": ["postfix"], "hash": ["postfix"], "lmdb": ["postfix-lmdb"], "cdb": ["postfix-cdb"],
    "sqlite": ["postfix-sqlite"], "pgsql": ["postfix-pgsql", "postgresql"], "ldap": ["postfix-ldap", "slapd"],
}  # fmt: skip
"""The kinds, with the requirements of each."""
OLD, NEW = Nexthop("smtp:[old.company.test]"), Nexthop("lmtp:inet:[new.company.test]:24")
MADE = "CREATE TABLE transport (address TEXT PRIMARY KEY, nexthop TEXT NOT NULL)"
QUERY = "SELECT nexthop FROM transport WHERE address = '%s'"
COLUMNS = Columns("transport", "address", "nexthop")


@dataclass(frozen=True)
class Ground:
    """A running Postfix that looks into a map full of routes: our backend on it, and the map as main.cf names it."""

    backend: Routing
    gateway: Postfix
    map: str

    def wrong(self, expected: Mapping[Address, Nexthop]) -> int:
        """How many entries Postfix finds otherwise than `expected`, without our code."""
        command = [find_program("postmap") or "postmap", "-c", str(self.gateway.config), "-q", "-", self.map]
        keys = "".join(f"{address}\n" for address in expected)
        said = subprocess.run(command, input=keys, capture_output=True, text=True).stdout
        found = dict(line.split("\t", 1) for line in said.splitlines())
        return sum(found.get(address) != value for address, value in expected.items())


def bench_flip(kinds: Sequence[str], entries: int, flips: int, runs: int) -> dict[str, Any]:
    """For each kind, `flips` of `entries` routes to the new server and back, `runs` times; seconds of each step.

    A flip is all that a cutover does at one place: the plan, the change, Postfix's reload, and the reading back.
    """
    for name in sorted({need for kind in kinds for need in NEEDS[kind]}):
        if reason := REQUIREMENTS[name].missing():
            raise BenchError(f"{reason}: {REQUIREMENTS[name].remedy}")
    addresses = [Address(f"u{number:06d}@company.test") for number in range(entries)]
    moved = addresses[:: max(1, entries // flips)][:flips]
    rows: list[dict[str, Any]] = []
    for kind in kinds:
        with _ground(kind, dict.fromkeys(addresses, OLD)) as ground:
            for number in range(1, runs + 1):
                for way, value in (("there", NEW), ("back", OLD)):
                    seconds = _flip(ground.backend, moved, value)
                    wrong = ground.wrong(dict.fromkeys(addresses, OLD) | dict.fromkeys(moved, value))
                    rows.append({"kind": kind, "round": number, "way": way, **seconds, "wrong": wrong})
    return {"bench": "flip", "entries": entries, "flips": len(moved), "flipped": rows}


def _flip(backend: Routing, moved: Sequence[Address], value: Nexthop) -> dict[str, float]:
    began = time.monotonic()
    flips = backend.plan(dict.fromkeys(moved, value))
    planned = time.monotonic()
    changed = backend.apply(flips).changed
    applied = time.monotonic()
    found = backend.read(moved)
    ended = time.monotonic()
    if len(changed) != len(moved) or set(found.values()) != {value}:
        raise BenchError(f"{len(changed)} of {len(moved)} entries were flipped")
    parts = {
        "wall_s": ended - began,
        "plan_s": planned - began,
        "apply_s": applied - planned,
        "read_s": ended - applied,
    }
    return {name: round(seconds, 3) for name, seconds in parts.items()}


@contextmanager
def _ground(kind: str, routes: Mapping[Address, Nexthop]) -> Iterator[Ground]:
    if kind == "ldap":
        with _ldap(routes) as ground:
            yield ground
        return
    makers: dict[str, Callable[[Mapping[Address, Nexthop]], Any]] = {"sqlite": _sqlite, "pgsql": _pgsql}
    if kind in INDEX_SUFFIX:
        with Postfix("flip", map_type=kind) as gateway:
            gateway.write_map({str(address): value for address, value in routes.items()})
            gateway.reload()
            reader = Reader(gateway.reload_command)
            files = PostfixMap(Ingress("gateway"), gateway.map_path, kind, reader=reader, freeze=None)
            yield Ground(files, gateway, f"{kind}:{gateway.map_path}")
        return
    with makers[kind](routes) as (table, where):
        directory = processes.scratch_directory("flip")
        mapped = directory / "routes.cf"
        mapped.write_text(f"{where}query = {QUERY}\n")
        os.utime(mapped, (1e9, 1e9))  # Postfix dozes while a file of settings is young
        name = f"{kind}:{mapped}"
        with Postfix("flip", settings={"transport_maps": name}) as gateway:
            reader = Reader(gateway.reload_command)
            backups = directory / "kept"
            backend = PostfixSql(Ingress("gateway"), table, reader=reader, freeze=None, map=name, backups=backups)
            yield Ground(backend, gateway, name)
        processes.remove_directory(directory)


@contextmanager
def _ldap(routes: Mapping[Address, Nexthop]) -> Iterator[Ground]:
    people = {str(address): {"mailTransport": [str(value)]} for address, value in routes.items()}
    directory = processes.scratch_directory("flip")
    mapped = directory / "routes.cf"
    with Slapd(people) as slapd, Postfix("flip", settings={"transport_maps": f"ldap:{mapped}"}) as gateway:
        mapped.write_text(
            f"server_host = {slapd.url}\nversion = 3\nbind = no\nsearch_base = {PEOPLE}\nquery_filter = (mail=%s)\n"
            "result_attribute = mailTransport\n"
        )
        os.utime(mapped, (1e9, 1e9))
        there = Directory(Endpoint(slapd.host, slapd.port, Tls.NONE), Login(SERVICE, Secret(SERVICE_PASSWORD)))
        backend = Ldap(
            Ingress("gateway"), there, PEOPLE, "(mail={address})", "mailTransport",
            reader=Reader(gateway.reload_command), freeze=None, known=(), backups=directory / "kept",
        )  # fmt: skip
        yield Ground(backend, gateway, f"ldap:{mapped}")
    processes.remove_directory(directory)


@contextmanager
def _sqlite(routes: Mapping[Address, Nexthop]) -> Iterator[tuple[Table, str]]:
    directory = processes.scratch_directory("flip")
    path = Path(directory) / "routes.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(MADE)
        connection.executemany("INSERT INTO transport VALUES (?, ?)", routes.items())
    yield SqliteTable(path, COLUMNS), f"dbpath = {path}\n"
    processes.remove_directory(directory)


@contextmanager
def _pgsql(routes: Mapping[Address, Nexthop]) -> Iterator[tuple[Table, str]]:
    import psycopg

    with Postgres() as server:
        url = server.database()
        with psycopg.connect(url) as connection:
            connection.execute(MADE)
            with connection.cursor().copy("COPY transport FROM STDIN") as copy:
                for route in routes.items():
                    copy.write_row(route)
        database = url.rpartition("/")[2]
        where = f"hosts = {server.address}:{server.port}\nuser = migrator\npassword = x\ndbname = {database}\n"
        yield PostgresTable(url, COLUMNS, None), where
