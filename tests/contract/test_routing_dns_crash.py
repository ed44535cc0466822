"""MX records whose writer is killed between any two steps: each question, each update, each file that it writes."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import dns.query
import pytest

from migrator.model.route import Flips
from migrator.routing.dns import zone as zone_module
from tests.contract.places_dns import NEW, OLD, TTL, Zone, zone
from tests.contract.routing_places import die_at, ended, in_a_process
from tests.lab import require

STEPS: dict[object, tuple[str, ...]] = {zone_module: ("ask", "update"), os: ("replace", "fsync")}
# Also between sending and receiving: a name server does what it was sent by a process that is dead.
IN_FLIGHT: dict[object, tuple[str, ...]] = {**STEPS, dns.query: ("send_tcp", "receive_tcp")}
BEFORE, AFTER = (OLD, OLD, None), (NEW, NEW, NEW)


@pytest.fixture
def here() -> Iterator[Zone]:
    require("bind")
    with zone() as made:
        yield made


def answers(here: Zone) -> tuple[str | None, ...]:
    return tuple(here.said(here.servers.primary, each) for each in (here.a, here.c, here.d))


def settled(here: Zone) -> tuple[str | None, ...]:
    """What both servers say."""
    return tuple(here.answer(each) for each in (here.a, here.c, here.d))


def reset(here: Zone) -> None:
    for address, value in zip((here.a, here.c, here.d), BEFORE, strict=True):
        here.set_by_hand(address, value, ttl=TTL)


def killed_at_each_point(work: Callable[[], object], steps: dict[object, tuple[str, ...]]) -> Iterator[int]:
    """Do the work in a process that dies at the first point, at the second, and so on; yields when it is dead."""
    point, died = 0, True
    while died:

        def dying(point: int = point) -> None:
            die_at(point, steps)
            work()

        died = ended(in_a_process(dying)) == -signal.SIGKILL
        yield point
        point += 1
    assert point > 20


def test_killed_at_any_step_the_flip_is_whole_or_not_there_and_the_next_apply_completes_it(here):
    flips = here.backend().plan({here.a: NEW, here.c: NEW, here.d: NEW})
    for point in killed_at_each_point(lambda: here.backend().apply(flips), IN_FLIGHT):
        assert answers(here) in (BEFORE, AFTER), point
        here.backend().apply(flips)
        assert settled(here) == AFTER, point
        assert here.backend().plan({here.a: NEW, here.c: NEW, here.d: NEW}) == Flips()
        reset(here)


def test_killed_at_any_step_the_flip_can_be_reverted_instead(here):
    flips = here.backend().plan({here.a: NEW, here.c: NEW, here.d: NEW})
    for point in killed_at_each_point(lambda: here.backend().apply(flips), STEPS):
        here.backend().revert(flips)
        assert settled(here) == BEFORE, point


def test_killed_at_any_step_of_lowering_the_ttl_the_first_one_is_remembered_and_waited_out(here):
    both = [here.a, here.c]
    for point in killed_at_each_point(lambda: here.backend().prepare(both), IN_FLIGHT):
        remembered = {path.name for path in here.memory.glob("*.json")}
        lowered = {each for each in both if here.servers.primary.records(each[2:]).ttl < TTL}
        assert {f"{each[2:]}.json" for each in lowered} <= remembered, point
        due = here.backend().prepare(both)
        assert due > datetime.now(UTC) + timedelta(seconds=TTL - 30), point
        assert [here.ttl(each) for each in both] == [60, 60], point
        here.backend().finish(both)
        assert [here.ttl(each) for each in both] == [TTL, TTL], point


def test_killed_at_any_step_of_restoring_the_ttl_the_next_run_restores_it(here):
    both = [here.a, here.c]
    here.backend().prepare(both)
    for point in killed_at_each_point(lambda: here.backend().finish(both), IN_FLIGHT):
        here.backend().finish(both)
        assert [here.ttl(each) for each in both] == [TTL, TTL], point
        assert not list(here.memory.glob("*.json")), point
        here.backend().prepare(both)
