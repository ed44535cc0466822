"""What every routing backend does, whatever it is made of."""

import re
from functools import partial

import pytest

from migrator.model.names import Address
from migrator.model.route import Flip, Flips
from migrator.routing.contract import RouteConflict, Routing
from tests.contract.routing_places import FREEZE, MAP_TYPES, NEW, OLD, STALE, A, B, C, D, ended, in_a_process, place
from tests.lab import require


@pytest.fixture(params=MAP_TYPES)
def here(request):
    require("postfix" if request.param in ("texthash", "hash") else f"postfix-{request.param}")
    with place(request.param) as made:
        yield made


def test_a_route_reads_as_the_reader_finds_it_and_no_entry_reads_as_none(here):
    routing: Routing = here.routing()
    assert routing.read([A, D]) == {A: OLD, D: None}


def test_a_plan_holds_what_differs_in_the_order_asked(here):
    wanted = {D: NEW, A: NEW, C: OLD}
    assert here.routing().plan(wanted) == Flips((Flip(D, None, NEW), Flip(A, OLD, NEW)))


def test_a_flip_is_in_force_and_the_reader_was_told(here):
    routing = here.routing()
    applied = routing.apply(routing.plan({A: NEW, D: NEW}))
    assert (applied.changed, applied.already) == ((A, D), ())
    assert (here.answer(A), here.answer(D), here.answer(C)) == (NEW, NEW, OLD)
    assert here.reloads() == 1


def test_applying_again_changes_nothing_and_tells_the_reader_again(here):
    routing = here.routing()
    flips = routing.plan({A: NEW, D: NEW})
    routing.apply(flips)
    text = here.text.read_bytes()
    applied = routing.apply(flips)
    assert (applied.changed, applied.already) == ((), (A, D))
    assert (here.text.read_bytes(), here.answer(A), here.reloads()) == (text, NEW, 2)


def test_a_flip_that_is_partly_done_is_completed(here):
    routing = here.routing()
    flips = routing.plan({A: NEW, C: NEW})
    here.edit_by_hand(f"c@company.test {OLD}", f"c@company.test {NEW}")
    applied = routing.apply(flips)
    assert (applied.changed, applied.already) == ((A,), (C,))


def test_a_hand_edit_between_plan_and_apply_is_a_conflict_and_nothing_is_written(here):
    routing = here.routing()
    flips = routing.plan({A: NEW, C: NEW, D: NEW})
    here.edit_by_hand(f"c@company.test {OLD}", "c@company.test smtp:[elsewhere.test]")
    before = here.state()
    with pytest.raises(RouteConflict) as refused:
        routing.apply(flips)
    (conflict,) = refused.value.conflicts
    assert (conflict.address, conflict.expected, conflict.wanted) == (C, OLD, NEW)
    assert conflict.found == "smtp:[elsewhere.test]"
    assert re.search(r'c@company.test: expected "smtp:\[old.test\]:25", found "smtp:\[elsewhere', str(refused.value))
    assert here.state() == before


def test_an_entry_that_appeared_is_a_conflict_too(here):
    routing = here.routing()
    flips = routing.plan({D: NEW})
    here.edit_by_hand("# who", f"{D} {OLD}\n# who")
    with pytest.raises(RouteConflict):
        routing.apply(flips)


def test_an_entry_that_vanished_is_a_conflict_too(here):
    routing = here.routing()
    flips = routing.plan({C: NEW})
    here.edit_by_hand(f"c@company.test {OLD}\n", "")
    with pytest.raises(RouteConflict):
        routing.apply(flips)


def test_all_conflicts_are_named_at_once(here):
    flips = Flips(tuple(Flip(address, STALE, NEW) for address in (A, B, C, D)))
    with pytest.raises(RouteConflict) as refused:
        here.routing().apply(flips)
    assert [conflict.address for conflict in refused.value.conflicts] == [A, B, C, D]


def test_a_revert_restores_every_byte_that_was_there(here):
    routing = here.routing()
    before = here.text.read_bytes()
    flips = routing.plan({A: NEW, D: NEW, C: NEW})
    routing.apply(flips)
    routing.revert(flips)
    assert here.text.read_bytes() == before
    assert (here.answer(A), here.answer(C), here.answer(D)) == (OLD, OLD, None)


def test_a_revert_of_what_somebody_else_changed_is_a_conflict(here):
    routing = here.routing()
    flips = routing.plan({A: NEW, C: NEW})
    routing.apply(flips)
    here.edit_by_hand(f"c@company.test {NEW}", "c@company.test smtp:[elsewhere.test]")
    before = here.state()
    with pytest.raises(RouteConflict):
        routing.revert(flips)
    assert here.state() == before


def test_a_revert_of_a_flip_that_never_happened_changes_nothing(here):
    routing = here.routing()
    flips = routing.plan({A: NEW, D: NEW})
    assert routing.revert(flips).changed == ()
    assert (here.answer(A), here.answer(D)) == (OLD, None)


def test_an_entry_can_be_removed_and_made_again(here):
    routing = here.routing()
    flips = routing.plan({B: None})
    routing.apply(flips)
    assert here.answer(B) is None
    routing.revert(flips)
    assert here.answer(B) == "smtp:[old.test]   :25"


def test_a_freeze_is_a_flip_to_the_freeze_value_and_thaws_to_either_side(here):
    routing = here.routing()
    routing.apply(routing.plan({A: routing.freeze_value, C: routing.freeze_value}))
    assert here.answer(A) == here.answer(C) == FREEZE
    routing.apply(routing.plan({A: NEW, C: OLD}))
    assert (here.answer(A), here.answer(C)) == (NEW, OLD)


def test_the_dry_run_shows_the_change_and_writes_nothing(here):
    routing = here.routing()
    before, entries = here.state(), sorted(here.directory.iterdir())
    shown = routing.diff(routing.plan({A: NEW, D: NEW}))
    assert [line for line in shown.splitlines() if line[0] in "-+" and line[1] not in "-+"] == [
        f"-A@company.test  {OLD}",
        f"+A@company.test  {NEW}",
        f"+{D}\t{NEW}",
    ]
    assert (here.state(), sorted(here.directory.iterdir())) == (before, entries)


def test_the_dry_run_of_nothing_is_empty(here):
    assert here.routing().diff(Flips()) == ""


def test_the_dry_run_refuses_what_apply_would_refuse(here):
    with pytest.raises(RouteConflict):
        here.routing().diff(Flips((Flip(A, STALE, NEW),)))


def test_four_writers_at_once_lose_no_flip(here):
    addresses = [[Address(f"w{writer}-{number}@company.test") for number in range(20)] for writer in range(4)]

    def write(own):
        routing = here.routing()
        for address in own:
            routing.apply(routing.plan({address: NEW}))

    children = [in_a_process(partial(write, own)) for own in addresses]
    assert [ended(child) for child in children] == [0, 0, 0, 0]
    everyone = [address for own in addresses for address in own]
    assert set(here.routing().read(everyone).values()) == {NEW}
    assert here.text.read_text().count(NEW) == 80


def test_of_two_writers_on_one_entry_the_second_sees_a_conflict(here):
    first, second = here.routing(), here.routing()
    mine, theirs = first.plan({A: NEW}), second.plan({A: STALE})
    first.apply(mine)
    with pytest.raises(RouteConflict):
        second.apply(theirs)
    assert here.answer(A) == NEW


def test_a_backup_is_what_was_there(here):
    routing = here.routing()
    before = here.text.read_bytes()
    kept = routing.backup()
    routing.apply(routing.plan({A: NEW}))
    assert kept.read_bytes() == before


def test_a_healthy_place_has_no_findings(here):
    here.edit_by_hand("b+list@company.test lmtp:unix:lists\n", "")
    assert here.routing().check() == []


def test_without_a_queue_command_the_queue_cannot_be_asked(here):
    assert here.routing().queue([A]) is None
