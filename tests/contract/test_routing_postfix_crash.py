"""A Postfix map whose writer is killed: at each step, in the middle of postmap, and with a hand edit afterwards."""

import os
import signal
import subprocess

import pytest

from migrator.routing.errors import MapOutOfStep
from tests.contract.routing_places import MAP_TYPES, NEW, OLD, A, B, C, D, Place, die_at, ended, in_a_process, place
from tests.lab import require

INDEXED = [type for type in MAP_TYPES if type != "texthash"]
BEFORE = {A: OLD, B: "smtp:[old.test]   :25", C: OLD, D: None}
WANTED = {A: NEW, B: None, D: NEW}
AFTER = BEFORE | WANTED
STEPS = {subprocess: ("run",), os: ("replace", "fsync", "unlink")}


@pytest.fixture(params=MAP_TYPES)
def type(request):
    require("postfix" if request.param in ("texthash", "hash") else f"postfix-{request.param}")
    return request.param


@pytest.fixture(params=INDEXED)
def here(request):
    require("postfix" if request.param == "hash" else f"postfix-{request.param}")
    with place(request.param) as made:
        yield made


def routes(here: Place):
    return here.answers((A, B, C, D))


def texts(here: Place):
    return here.answers((A, B, C, D), "texthash")


def kill_apply(here: Place, flips, point: int, steps=STEPS) -> bool:
    """Apply in a process that dies at the point; whether it died (and did not come to its end)."""

    def work():
        die_at(point, steps)
        here.routing().apply(flips)

    return ended(in_a_process(work)) == -signal.SIGKILL


def killed_at_each_point(type, resume):
    """For each point at which an apply can die, in a fresh place: check what is left, then `resume(here, flips)`."""
    point, died = 0, True
    while died:
        with place(type) as here:
            flips = here.routing().plan(WANTED)
            died = kill_apply(here, flips, point)
            assert routes(here) in (BEFORE, AFTER), point  # what Postfix looks into is never a mixture
            resume(here, flips)
        point += 1
    assert point > 10


def test_killed_at_any_step_the_flip_is_whole_or_not_there_and_the_next_apply_completes_it(type):
    def resume(here, flips):
        here.routing().apply(flips)
        assert routes(here) == texts(here) == AFTER
        assert here.reloads() > 0
        assert {left.name for left in (here.directory / "transport.migrator").iterdir()} <= {"lock", "backup"}
        here.routing().apply(flips)
        assert routes(here) == texts(here) == AFTER

    killed_at_each_point(type, resume)


def test_killed_at_any_step_the_flip_can_be_reverted_instead(type):
    def resume(here, flips):
        here.routing().revert(flips)
        assert routes(here) == texts(here) == BEFORE

    killed_at_each_point(type, resume)


def test_killed_at_any_step_another_change_does_not_lose_it_by_half():
    require("postfix")

    def resume(here, flips):
        here.routing().apply(here.routing().plan({C: NEW}))
        assert routes(here) == texts(here)
        assert routes(here) in (BEFORE | {C: NEW}, AFTER | {C: NEW})

    killed_at_each_point("hash", resume)


def test_the_recovery_may_be_killed_too(here):
    flips = here.routing().plan(WANTED)
    for point in range(0, 40, 3):
        for change in (flips, flips.reversed()):
            kill_apply(here, change, point)
            assert routes(here) in (BEFORE, AFTER)
    here.routing().apply(flips)
    assert routes(here) == texts(here) == AFTER


def test_a_recovery_that_is_killed_while_it_clears_away_does_not_take_it_for_a_change_half_done(here):
    flips = here.routing().plan(WANTED)
    before_the_second_rename = 2
    for point in range(6):
        assert kill_apply(here, flips, before_the_second_rename, {os: ("replace",)})
        kill_apply(here, flips.reversed(), point, {os: ("unlink",)})
        here.routing().apply(here.routing().plan({C: NEW if point % 2 else OLD}))
        assert routes(here) == texts(here) == BEFORE | {C: NEW if point % 2 else OLD}


def test_a_postmap_that_outlives_its_killed_parent_spoils_nothing(here):
    flips = here.routing().plan(WANTED)
    run = subprocess.run

    def orphan(command, **settings):
        if "-q" in command or "-s" in command:
            return run(command, **settings)
        subprocess.Popen(["sh", "-c", f"sleep 0.3; {' '.join(command)} 2>/dev/null; touch {here.directory}/late"])
        os.kill(os.getpid(), signal.SIGKILL)

    def work():
        subprocess.run = orphan  # type: ignore[assignment]
        here.routing().apply(flips)

    assert ended(in_a_process(work)) == -signal.SIGKILL
    here.routing().apply(flips)
    wait_for(here.directory / "late")
    assert routes(here) == texts(here) == AFTER
    here.routing().revert(flips)
    assert routes(here) == texts(here) == BEFORE


def between_index_and_text(here: Place):
    """A change that died when its index was in place and its text not."""
    flips = here.routing().plan(WANTED)
    after_the_second_rename = 3
    assert kill_apply(here, flips, after_the_second_rename, {os: ("replace",)})
    assert (routes(here), texts(here)) == (AFTER, BEFORE)
    return flips


def test_a_change_half_done_is_a_finding_and_plans_and_dry_runs_see_its_end(here):
    flips = between_index_and_text(here)
    assert "was interrupted" in " ".join(finding.text for finding in here.routing().check())
    assert here.routing().plan(WANTED).changes == ()
    assert here.routing().diff(flips) == ""
    here.routing().apply(here.routing().plan(WANTED))  # nothing to change: it is completed, and the reader told
    assert routes(here) == texts(here) == AFTER


def test_a_hand_edit_after_a_change_half_done_is_kept_when_it_was_indexed(here):
    flips = between_index_and_text(here)
    here.edit_by_hand(f"c@company.test {OLD}", "c@company.test smtp:[by.hand]")
    here.routing().apply(flips)
    assert routes(here) == texts(here) == AFTER | {C: "smtp:[by.hand]"}


def test_a_hand_edit_after_a_change_half_done_that_was_not_indexed_is_refused(here):
    flips = between_index_and_text(here)
    here.text.write_text(here.text.read_text().replace(f"c@company.test {OLD}", "c@company.test smtp:[by.hand]"))
    with pytest.raises(MapOutOfStep, match=r"c@company.test: the text says smtp:\[by.hand\]"):
        here.routing().apply(flips)
    here.postmap()
    here.routing().apply(flips)
    assert routes(here) == texts(here) == AFTER | {C: "smtp:[by.hand]"}


def wait_for(path):
    for _ in range(500):
        if path.exists():
            return
        subprocess.run(["sleep", "0.02"], check=True)
    raise AssertionError(f"{path} did not appear")
