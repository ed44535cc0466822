"""kill -9 at every boundary of a pass, then again: nothing lost, nothing doubled, and a further run changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from migrator.model.wave import PassKind
from tests.crash.copier_victims import MAIL, Victim, victims
from tests.lab.checker import compare, snapshot
from tests.lab.requirements import require
from tests.servers.copier_rig import item, subjects

MAX_POINTS = 500
LATE = {"INBOX": [item("late 1"), item("late 2", "\\Flagged"), item("twin")], "New": [item("late 3")]}


@pytest.fixture(scope="module")
def victim() -> Iterator[Callable[[], Victim]]:
    require("dovecot")
    with victims() as make:
        yield make


def every_boundary(prepare: Callable[[], Victim], kind: PassKind, judge: Callable[[Victim, int], None]) -> int:
    """Kill at boundary 1, 2, 3, ... of a pass until it comes through; the number of boundaries."""
    for kill_at in range(1, MAX_POINTS):
        one = prepare()
        ran = one.killed_run(kind, kill_at)
        if ran.killed:
            one.resume(kind, kill_at)
        judge(one, kill_at)
        if not ran.killed:
            return kill_at - 1
    raise AssertionError("no end in sight")


def nothing_lost_or_doubled(one: Victim, kill_at: int) -> None:
    verdict = one.rig.compare()
    assert verdict.clean, f"boundary {kill_at}: {verdict}"
    assert not verdict.extra, f"boundary {kill_at}: {verdict.extra}"


@pytest.mark.timeout(900)
def test_an_initial_pass_survives_a_kill_at_every_boundary(victim):
    def prepare() -> Victim:
        one = victim()
        one.rig.fill_old(MAIL)
        return one

    assert every_boundary(prepare, PassKind.INITIAL, nothing_lost_or_doubled) > 50


@pytest.mark.timeout(900)
def test_a_catch_up_survives_a_kill_at_every_boundary(victim):
    def prepare() -> Victim:
        one = victim()
        one.rig.fill_old({"INBOX": MAIL["INBOX"]})
        one.run()
        one.rig.fill_old(LATE)
        return one

    assert every_boundary(prepare, PassKind.CATCH_UP, nothing_lost_or_doubled) > 50


@pytest.mark.timeout(900)
def test_the_way_back_survives_a_kill_at_every_boundary(victim):
    def prepare() -> Victim:
        one = victim()
        one.rig.fill_old({"INBOX": MAIL["INBOX"]})
        one.run()
        one.rig.fill_new(LATE)
        with one.rig.new.connect(one.rig.user) as connection:
            connection.command(b"SELECT INBOX")
            connection.command(b"UID STORE 1 +FLAGS (\\Flagged)")
        return one

    def judge(one: Victim, kill_at: int) -> None:
        back = compare(snapshot(one.rig.new, one.rig.user), snapshot(one.rig.old, one.rig.user))
        assert back.clean, f"boundary {kill_at}: {back}"
        assert not back.extra, f"boundary {kill_at}: {back.extra}"
        nothing_lost_or_doubled(one, kill_at)
        assert subjects(one.rig.old, one.rig.user, "New") == ["late 3"]

    assert every_boundary(prepare, PassKind.REVERSE, judge) > 50


@pytest.mark.timeout(900)
def test_a_delta_survives_a_kill_at_every_boundary(victim):
    def prepare() -> Victim:
        one = victim()
        one.rig.fill_old({"INBOX": MAIL["INBOX"]})
        one.run()
        one.rig.fill_old(LATE)
        with one.rig.old.connect(one.rig.user) as connection:
            connection.command(b"SELECT INBOX")
            connection.command(b"UID STORE 1 +FLAGS (\\Flagged)")
        return one

    assert every_boundary(prepare, PassKind.DELTA, nothing_lost_or_doubled) > 40


def without_what_went(one: Victim, kill_at: int) -> None:
    """The target holds what the source holds, and one more: the message that somebody touched there."""
    verdict = one.rig.compare()
    assert verdict.clean, f"boundary {kill_at}: {verdict}"
    assert len(verdict.extra) == 1, f"boundary {kill_at}: {verdict.extra}"
    assert subjects(one.rig.new, one.rig.user, "INBOX").count("in 5") == 1, f"boundary {kill_at}"


@pytest.mark.timeout(900)
def test_mirrored_deletions_survive_a_kill_at_every_boundary(victim):
    """Some went, one of which somebody touched on the target, one of three twins among them, and others only moved."""

    def prepare() -> Victim:
        one = victim()
        one.rig.fill_old({"INBOX": [*MAIL["INBOX"], item("twin")], "A": MAIL["A/B"]})
        one.run()
        with one.rig.new.connect(one.rig.user) as connection:
            connection.command(b"SELECT INBOX")
            connection.command(b"UID STORE 6 +FLAGS (\\Answered)")
        with one.rig.old.connect(one.rig.user) as connection:
            connection.command(b"SELECT INBOX")
            connection.command(b"UID STORE 2,6,9 +FLAGS (\\Deleted)")
            connection.command(b"UID EXPUNGE 2,6,9")
            connection.command(b"UID MOVE 1 A")
            connection.command(b"SELECT A")
            connection.command(b"UID STORE 2 +FLAGS (\\Deleted)")
            connection.command(b"UID EXPUNGE 2")
        return one

    assert every_boundary(prepare, PassKind.DELTA, without_what_went) > 30


@pytest.mark.timeout(900)
def test_a_source_folder_made_anew_survives_a_kill_at_every_boundary(victim):
    def prepare() -> Victim:
        one = victim()
        one.rig.fill_old({"Work": [*MAIL["INBOX"], item("twin")]})
        one.run()
        with one.rig.old.connect(one.rig.user) as connection:
            connection.command(b"DELETE Work")
        one.rig.fill_old({"Work": [item("twin"), *MAIL["INBOX"], item("in new", "\\Flagged")]})
        return one

    def judge(one: Victim, kill_at: int) -> None:
        nothing_lost_or_doubled(one, kill_at)
        assert one.rig.counts().present == 0, f"boundary {kill_at}: the ledger forgot what we copied"

    assert every_boundary(prepare, PassKind.DELTA, judge) > 20
