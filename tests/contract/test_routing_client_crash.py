"""A proxy's file whose writer is killed at each step: whole or not there, and nobody's sessions are forgotten."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest

from migrator.model.names import Address, Nexthop
from migrator.model.route import Flips
from migrator.routing.clients.dovecot import DovecotProxy
from migrator.routing.clients.nginx import NginxAuth
from tests.contract.places_client_proxy import A, B, C, D, DovecotPlace, NginxPlace, dovecot_place, nginx_place
from tests.contract.routing_places import die_at, ended, in_a_process
from tests.lab import require

STEPS: dict[object, tuple[str, ...]] = {subprocess: ("run",), os: ("replace", "fsync", "unlink")}
Place = DovecotPlace | NginxPlace
Routes = dict[Address, Nexthop | None]


@pytest.fixture(params=["dovecot", "nginx"])
def here(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    require(request.param)
    real_sleep = time.sleep
    with dovecot_place() if request.param == "dovecot" else nginx_place() as made:
        if isinstance(made, DovecotPlace):  # the users whose sessions were ended, a line a command
            made.kick = f"sh -c 'echo \"$@\" >> {made.file.parent}/kicked' kick"
        # each of many applies would wait for the reader, whom we ask when all is done
        monkeypatch.setattr("migrator.routing.clients.proxy.time.sleep", lambda _: real_sleep(0.01))
        made.real_sleep = real_sleep  # type: ignore[union-attr]
        yield made


def before(here: Place) -> Routes:
    return {A: here.old, B: here.old, C: here.old, D: None}


def wanted(here: Place) -> Routes:
    return {A: here.new, C: None, D: here.new}


def after(here: Place) -> Routes:
    return before(here) | wanted(here)


def said(here: Place) -> Routes:
    return dict(here.backend().read((A, B, C, D)))


def kill_apply(routing: DovecotProxy | NginxAuth, flips: Flips, point: int) -> bool:
    """Apply in a process that dies at the point; whether it died (and did not come to its end)."""

    def work() -> None:
        die_at(point, STEPS)
        routing.apply(flips)

    return ended(in_a_process(work)) == -signal.SIGKILL


def killed_at_each_point(here: Place, resume: Callable[[Flips], None]) -> None:
    """For each point at which an apply can die: check what is left, then `resume(flips)`."""
    first, directory = here.file.read_bytes(), here.file.with_name(f"{here.file.name}.migrator")
    point, died = 0, True
    while died:
        here.file.write_bytes(first)
        shutil.rmtree(directory, ignore_errors=True)
        (here.file.parent / "kicked").unlink(missing_ok=True)
        flips = here.backend().plan(wanted(here))
        died = kill_apply(here.backend(), flips, point)
        assert said(here) in (before(here), after(here)), point
        resume(flips)
        assert not list(directory.glob("build-*"))
        point += 1
    assert point > 10


def asked(here: Place) -> Routes:
    """What the server itself finds, once it has seen the file."""
    here.real_sleep(1.1)  # type: ignore[union-attr]
    return {address: here.answer(address) for address in (A, B, C, D)}  # type: ignore[misc]


def test_killed_at_any_step_the_next_run_completes_it_and_ends_the_sessions_of_all_who_moved(here: Place) -> None:
    def resume(flips: Flips) -> None:
        routing = here.backend()
        routing.apply(routing.plan(wanted(here)))  # what is done already is not in it, as in a run that resumes
        assert said(here) == asked(here) == after(here)
        if isinstance(here, DovecotPlace):
            assert set((here.file.parent / "kicked").read_text().split()) == {A, C, D}

    killed_at_each_point(here, resume)


def test_killed_at_any_step_it_can_be_reverted_instead(here: Place) -> None:
    first = here.file.read_bytes()

    def resume(flips: Flips) -> None:
        here.backend().revert(flips)
        assert said(here) == before(here)
        assert sorted(here.file.read_bytes().split(b"\n")) == sorted(first.split(b"\n"))

    killed_at_each_point(here, resume)


@pytest.mark.parametrize("here", ["nginx"], indirect=True)
def test_killed_while_a_change_that_the_proxy_refuses_is_taken_back_it_can_be_reverted(here: NginxPlace) -> None:
    long = Address(f"{'long' * 15}@company.test")
    point, died = 0, True
    while died:
        flips = here.backend().plan({long: here.new, A: here.new})
        died = kill_apply(here.backend(), flips, point)
        here.backend().revert(flips)
        assert said(here) == before(here)
        assert subprocess.run(here.server.test_command.split(), capture_output=True).returncode == 0
        point += 1
    assert point > 10
