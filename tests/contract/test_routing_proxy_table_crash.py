"""A table of users whose writer is killed at each step: all moved or nobody, and nobody's sessions are forgotten."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from functools import partial

import psycopg
import pytest

from migrator.model.route import Flips
from migrator.routing import sessions as sessions_module
from migrator.routing.sql import routes, sqlite
from migrator.routing.sql.rows import Rows
from tests.contract.places_proxy_table import KINDS, ProxyTablePlace, proxy_table_place
from tests.contract.routing_places import A, B, C, D, die_at, ended, in_a_process

STEPS: dict[object, tuple[str, ...]] = {
    subprocess: ("run",),
    os: ("replace", "fsync"),
    Rows: ("find", "copy", "change"),
    sqlite: ("say",),
    psycopg.Connection: ("connect", "execute", "commit"),
    psycopg.Cursor: ("execute", "executemany"),
    routes: ("keep",),
    sessions_module: ("write_whole",),
}
OLD, NEW = ProxyTablePlace.old, ProxyTablePlace.new
BEFORE = {A: OLD, B: OLD, C: OLD, D: None}
WANTED = {A: NEW, C: None, D: NEW}
AFTER = BEFORE | WANTED


@pytest.fixture(params=KINDS)
def here(request: pytest.FixtureRequest) -> Iterator[ProxyTablePlace]:
    with proxy_table_place(request.param) as made:
        yield made


def said(here: ProxyTablePlace) -> dict[str, str | None]:
    """What the table holds, read without our code; a reader of SQLite undoes what a dead writer left."""
    rows = here.execute('SELECT "user", host FROM users WHERE "user" IN (?, ?, ?, ?)', A, B, C, D)
    return dict(sorted(rows))


def killed_at_each_point(here: ProxyTablePlace, resume: Callable[[Flips], None]) -> None:
    """For each point at which an apply can die: check what is left, then `resume(flips)`."""
    everybody, point, died = here.rows(), 0, True
    while died:
        flips = here.backend().plan(WANTED)
        died = ended(in_a_process(partial(apply_and_die, here, flips, point))) == -signal.SIGKILL
        assert said(here) in (BEFORE, AFTER), point
        resume(flips)
        here.backend().apply(here.backend().plan(BEFORE))
        assert here.rows() == everybody, "no row comes or goes, and no password changes"
        (here.directory / "kicked").unlink(missing_ok=True)
        point += 1
    assert point > 20


def apply_and_die(here: ProxyTablePlace, flips: Flips, point: int) -> None:
    die_at(point, STEPS)
    here.backend().apply(flips)


def test_killed_at_any_step_the_next_run_completes_it_and_ends_the_sessions_of_all_who_moved(
    here: ProxyTablePlace,
) -> None:
    def resume(flips: Flips) -> None:
        routing = here.backend()
        routing.apply(routing.plan(WANTED))  # what is done already is not in it, as in a run that resumes
        assert said(here) == AFTER
        assert set(here.kicked()) == {A, C, D}

    killed_at_each_point(here, resume)


def test_killed_at_any_step_it_can_be_reverted_instead(here: ProxyTablePlace) -> None:
    def resume(flips: Flips) -> None:
        here.backend().revert(flips)
        assert said(here) == BEFORE

    killed_at_each_point(here, resume)


def test_killed_while_sessions_are_ended_nobody_keeps_one(here: ProxyTablePlace) -> None:
    """The command had begun, and nobody knows whom it still reached: so all are named again."""
    here.backend().apply(here.backend().plan(BEFORE))

    def kick_and_die() -> None:
        here.kick = f"sh -c 'kill -9 {os.getpid()}' kick"
        here.backend().apply(here.backend().plan(WANTED))

    assert ended(in_a_process(kick_and_die)) == -signal.SIGKILL
    assert said(here) == AFTER
    assert here.kicked() == []
    assert here.backend().apply(Flips()).notes == ()
    assert set(here.kicked()) == {A, C, D}
