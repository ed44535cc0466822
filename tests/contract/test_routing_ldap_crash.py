"""A directory whose writer is killed between any two steps: entries have one value, and the next run resumes."""

from __future__ import annotations

import os
import signal
import subprocess

import ldap3

from migrator.model.route import Flips
from migrator.routing.ldap import attribute, wire
from tests.contract.places_ldap import LdapPlace, ldap_place
from tests.contract.routing_places import NEW, OLD, A, B, C, D, die_at, ended, in_a_process

BEFORE = {A: OLD, B: OLD, C: OLD, D: None}
WANTED = {A: NEW, B: None, D: NEW}
AFTER = BEFORE | WANTED
STEPS: dict[object, tuple[str, ...]] = {
    wire.Session: ("_open",),
    ldap3.Connection: ("bind", "search", "modify", "unbind"),
    subprocess: ("run",),
    os: ("fsync",),
    attribute: ("keep",),
}


def kill_apply(here: LdapPlace, flips: Flips, point: int) -> bool:
    """Apply in a process that dies at the point; whether it died (and did not come to its end)."""

    def work() -> None:
        die_at(point, STEPS)
        here.routing().apply(flips)

    return ended(in_a_process(work)) == -signal.SIGKILL


def killed_at_each_point(resume) -> None:
    with ldap_place() as here:
        point, died, seen = 0, True, set()
        while died:
            flips = here.routing().plan(WANTED)
            told = here.told()
            died = kill_apply(here, flips, point)
            found = here.answers((A, B, C, D))
            assert all(found[a] in (BEFORE[a], AFTER[a]) for a in BEFORE), point
            seen.add(tuple(found.values()))
            resume(here, flips)
            assert here.told() > told, "whoever comes next tells the reader, since the dead one may not have"
            here.routing().apply(here.routing().plan(BEFORE))
            assert here.answers((A, B, C, D)) == BEFORE
            point += 1
        assert point > 20
        assert len(seen) == 4, "one more entry is flipped at each MODIFY, in order"


def test_killed_at_any_step_the_next_apply_completes_the_flip():
    def resume(here: LdapPlace, flips: Flips) -> None:
        here.routing().apply(flips)
        assert here.answers((A, B, C, D)) == AFTER

    killed_at_each_point(resume)


def test_killed_at_any_step_the_flip_can_be_reverted_instead():
    def resume(here: LdapPlace, flips: Flips) -> None:
        here.routing().revert(flips)
        assert here.answers((A, B, C, D)) == BEFORE

    killed_at_each_point(resume)
