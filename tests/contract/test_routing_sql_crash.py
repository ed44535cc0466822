"""A look-up table whose writer is killed: at each step, and at whatever moment of a large change."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator

import psycopg
import pytest

from migrator.model.names import Address
from migrator.model.route import Flips
from migrator.routing.sql import routes as table_routes
from migrator.routing.sql import sqlite
from migrator.routing.sql.rows import Rows
from tests.contract.places_sql import KINDS, SqlPlace, sql_place
from tests.contract.routing_places import NEW, OLD, A, B, C, D, die_at, ended, in_a_process

BEFORE = {A: OLD, B: OLD, C: OLD, D: None}
WANTED = {A: NEW, B: None, D: NEW}
AFTER = BEFORE | WANTED
STEPS: dict[object, tuple[str, ...]] = {
    subprocess: ("run",),
    os: ("fsync",),
    Rows: ("find", "copy", "change"),
    sqlite: ("say",),
    psycopg.Connection: ("connect", "execute", "commit"),
    psycopg.Cursor: ("execute", "executemany"),
    table_routes: ("keep",),
}
MANY = [Address(f"u{number}@company.test") for number in range(2000)]
KILLS = 8


def routes(here: SqlPlace) -> dict[str, str | None]:
    return here.answers((A, B, C, D))


def kill_apply(here: SqlPlace, flips: Flips, point: int) -> bool:
    """Apply in a process that dies at the point; whether it died (and did not come to its end)."""

    def work() -> None:
        die_at(point, STEPS)
        here.routing().apply(flips)

    return ended(in_a_process(work)) == -signal.SIGKILL


def killed_at_each_point(kind: str, resume) -> None:
    with sql_place(kind) as here:
        point, died = 0, True
        while died:
            flips = here.routing().plan(WANTED)
            told = here.told()
            died = kill_apply(here, flips, point)
            assert routes(here) in (BEFORE, AFTER), point
            resume(here, flips)
            assert here.told() > told, "whoever comes next tells the reader, since the dead one may not have"
            here.routing().apply(here.routing().plan(BEFORE))
            point += 1
        assert point > 15


@pytest.mark.parametrize("kind", KINDS)
def test_killed_at_any_step_the_flip_is_whole_or_not_there_and_the_next_apply_completes_it(kind):
    def resume(here: SqlPlace, flips: Flips) -> None:
        here.routing().apply(flips)
        assert routes(here) == AFTER
        here.routing().apply(flips)
        assert routes(here) == AFTER

    killed_at_each_point(kind, resume)


@pytest.mark.parametrize("kind", KINDS)
def test_killed_at_any_step_the_flip_can_be_reverted_instead(kind):
    def resume(here: SqlPlace, flips: Flips) -> None:
        here.routing().revert(flips)
        assert routes(here) == BEFORE

    killed_at_each_point(kind, resume)


@pytest.fixture(params=[*KINDS, "sqlite-wal"])
def large(request: pytest.FixtureRequest) -> Iterator[SqlPlace]:
    """A table with many rows."""
    with sql_place(request.param.removesuffix("-wal")) as here:
        if request.param.endswith("-wal"):
            here.execute("PRAGMA journal_mode = WAL")
        backend = here.routing()
        backend.apply(backend.plan(dict.fromkeys(MANY, OLD)))
        yield here


def test_killed_at_any_moment_of_a_large_change_all_of_it_is_there_or_nothing(large):
    began = time.monotonic()
    values = [NEW, OLD]
    flips = large.routing().plan(dict.fromkeys(MANY, NEW))
    large.routing().apply(flips)
    whole = time.monotonic() - began
    large.routing().revert(flips)
    for kill in range(KILLS):
        child = in_a_process(lambda: large.routing().apply(flips))
        time.sleep(whole * kill / KILLS)
        os.kill(child, signal.SIGKILL)
        ended(child)
        found = large.routing().read(MANY)  # what this program reads: it undoes what the dead one left
        assert set(found.values()) in [{value} for value in values]
        assert set(large.answers(MANY).values()) == set(found.values())
        large.routing().revert(flips)
        assert set(large.answers(MANY).values()) == {OLD}
