"""What every routing backend does, whatever it is made of. Each is on its real system here."""

import os
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from migrator.model.errors import MigratorError
from migrator.model.names import Address, Nexthop
from migrator.model.route import Applied, Flip, Flips
from migrator.routing.contract import RouteConflict
from tests.contract.places_alias import virtual_alias
from tests.contract.places_client_proxy import dovecot_place, nginx_place
from tests.contract.places_command import command_ground
from tests.contract.places_dns import zone
from tests.contract.places_ldap import ATTRIBUTES, ldap
from tests.contract.places_manual import manual_ground
from tests.contract.places_proxy_table import proxy_table
from tests.contract.places_sql import KINDS, postfix_sql
from tests.contract.places_via import via_ground
from tests.contract.routing_places import MAP_TYPES, Ground, ended, in_a_process, place
from tests.lab import require

FLIPS_EACH = 20
RACES = 3
WON, LOST = 0, 3
STRANGER = Address("nobody@no-such-domain.test")
ELSEWHERE = Nexthop("smtp:[elsewhere.test]")


def postfix_map(type: str) -> Iterator[Ground]:
    require("postfix" if type in ("texthash", "hash") else f"postfix-{type}")
    with place(type) as made:
        yield made


def dns_mx() -> Iterator[Ground]:
    require("bind")
    with zone() as made:
        yield made


def dovecot_proxy() -> Iterator[Ground]:
    require("dovecot")
    with dovecot_place() as made:
        yield made


def nginx_auth() -> Iterator[Ground]:
    require("nginx")
    with nginx_place() as made:
        yield made


GROUNDS: dict[str, Callable[[], Iterator[Ground]]] = {
    **{f"postfix-map-{type}": partial(postfix_map, type) for type in MAP_TYPES},
    **{f"postfix-map-via-{type}": partial(via_ground, type) for type in ("texthash", "hash")},
    **{f"postfix-sql-{kind}": partial(postfix_sql, kind) for kind in KINDS},
    **{f"ldap-{attribute}": partial(ldap, attribute) for attribute in ATTRIBUTES},
    "virtual-alias": virtual_alias,
    "dns-mx": dns_mx,
    "dovecot-proxy": dovecot_proxy,
    **{f"dovecot-proxy-{kind}": partial(proxy_table, kind) for kind in KINDS},
    "nginx-auth": nginx_auth,
    "command": command_ground,
    "manual": manual_ground,
}


@pytest.fixture(params=GROUNDS)
def here(request: pytest.FixtureRequest) -> Iterator[Ground]:
    yield from GROUNDS[request.param]()


def elsewhere(here: Ground) -> Nexthop:
    """A value that nobody planned."""
    return getattr(here, "elsewhere", ELSEWHERE)


def test_a_route_reads_as_the_reader_finds_it_and_no_entry_reads_as_none(here):
    assert here.backend().read([here.a, here.d]) == {here.a: here.old, here.d: None}
    assert (here.answer(here.a), here.answer(here.d)) == (here.old, None)


def test_a_plan_holds_what_differs_in_the_order_asked(here):
    wanted = {here.d: here.new, here.a: here.new, here.c: here.old}
    assert here.backend().plan(wanted) == Flips((Flip(here.d, None, here.new), Flip(here.a, here.old, here.new)))


def test_a_flip_is_in_force_and_the_reader_was_told(here):
    routing = here.backend()
    applied = routing.apply(routing.plan({here.a: here.new, here.d: here.new}))
    assert (set(applied.changed), applied.already) == ({here.a, here.d}, ())
    assert (here.answer(here.a), here.answer(here.d), here.answer(here.c)) == (here.new, here.new, here.old)
    assert here.told() in (1, None)


def test_applying_again_changes_nothing_and_tells_the_reader_again(here):
    routing = here.backend()
    flips = routing.plan({here.a: here.new, here.d: here.new})
    routing.apply(flips)
    applied = routing.apply(flips)
    assert (applied.changed, set(applied.already)) == ((), {here.a, here.d})
    assert (here.answer(here.a), here.told() in (2, None)) == (here.new, True)


def test_a_flip_that_is_partly_done_is_completed(here):
    routing = here.backend()
    flips = routing.plan({here.a: here.new, here.c: here.new})
    here.set_by_hand(here.c, here.new)
    applied = routing.apply(flips)
    assert (applied.changed, applied.already) == ((here.a,), (here.c,))
    assert (here.answer(here.a), here.answer(here.c)) == (here.new, here.new)


def test_a_hand_edit_between_plan_and_apply_is_a_conflict_and_nothing_is_written(here):
    routing = here.backend()
    flips = routing.plan({here.a: here.new, here.c: here.new, here.d: here.new})
    here.set_by_hand(here.c, elsewhere(here))
    before = here.state()
    with pytest.raises(RouteConflict) as refused:
        routing.apply(flips)
    (conflict,) = refused.value.conflicts
    assert (conflict.address, conflict.expected, conflict.wanted) == (here.c, here.old, here.new)
    assert conflict.found == elsewhere(here)
    assert f'{here.c}: expected "{here.old}", found "{elsewhere(here)}", wanted "{here.new}"' in str(refused.value)
    assert here.state() == before


def test_an_entry_that_appeared_is_a_conflict_too(here):
    routing = here.backend()
    flips = routing.plan({here.d: here.new})
    here.set_by_hand(here.d, here.old)
    with pytest.raises(RouteConflict):
        routing.apply(flips)
    assert here.answer(here.d) == here.old


def test_an_entry_that_vanished_is_a_conflict_too(here):
    routing = here.backend()
    flips = routing.plan({here.c: here.new})
    here.set_by_hand(here.c, None)
    with pytest.raises(RouteConflict):
        routing.apply(flips)
    assert here.answer(here.c) is None


def test_a_stale_value_is_a_conflict_and_all_conflicts_are_named_at_once(here):
    flips = Flips(tuple(Flip(address, here.stale, here.new) for address in (here.a, here.c, here.d)))
    with pytest.raises(RouteConflict) as refused:
        here.backend().apply(flips)
    assert [conflict.address for conflict in refused.value.conflicts] == [here.a, here.c, here.d]


def test_a_revert_restores_what_was_there(here):
    routing = here.backend()
    flips = routing.plan({here.a: here.new, here.d: here.new, here.c: here.new})
    routing.apply(flips)
    routing.revert(flips)
    assert (here.answer(here.a), here.answer(here.c), here.answer(here.d)) == (here.old, here.old, None)


def test_a_revert_of_what_somebody_else_changed_is_a_conflict(here):
    routing = here.backend()
    flips = routing.plan({here.a: here.new, here.c: here.new})
    routing.apply(flips)
    here.set_by_hand(here.c, elsewhere(here))
    before = here.state()
    with pytest.raises(RouteConflict):
        routing.revert(flips)
    assert here.state() == before


def test_a_revert_of_a_flip_that_never_happened_changes_nothing(here):
    routing = here.backend()
    flips = routing.plan({here.a: here.new, here.d: here.new})
    assert routing.revert(flips).changed == ()
    assert (here.answer(here.a), here.answer(here.d)) == (here.old, None)


def test_an_entry_can_be_removed_and_made_again(here):
    routing = here.backend()
    flips = routing.plan({here.c: None})
    routing.apply(flips)
    assert here.answer(here.c) is None
    routing.revert(flips)
    assert here.answer(here.c) == here.old


def test_a_freeze_is_a_flip_to_the_freeze_value_and_thaws_to_either_side(here):
    routing = here.backend()
    if routing.freeze_value is None:
        pytest.skip("this place cannot hold mail back")
    routing.apply(routing.plan({here.a: routing.freeze_value, here.c: routing.freeze_value}))
    assert here.answer(here.a) == here.answer(here.c) == routing.freeze_value
    routing.apply(routing.plan({here.a: here.new, here.c: here.old}))
    assert (here.answer(here.a), here.answer(here.c)) == (here.new, here.old)


def test_the_dry_run_shows_the_change_and_writes_nothing(here):
    routing = here.backend()
    before = here.state()
    shown = routing.diff(routing.plan({here.a: here.new, here.d: here.new}))
    changed = [line for line in shown.splitlines() if line[:1] in "-+" and line[:3] not in ("---", "+++")]
    assert [line[0] for line in changed] == ["-", "+", "+"]
    assert (here.old in changed[0], here.new in changed[1], here.new in changed[2]) == (True, True, True)
    assert here.state() == before


def test_the_dry_run_of_nothing_is_empty(here):
    assert here.backend().diff(Flips()) == ""


def test_the_dry_run_refuses_what_apply_would_refuse(here):
    with pytest.raises(RouteConflict):
        here.backend().diff(Flips((Flip(here.a, here.stale, here.new),)))


def test_four_writers_at_once_lose_no_flip(here):
    count = getattr(here, "flips_each", FLIPS_EACH)
    addresses = [[here.spare(writer, number) for number in range(count)] for writer in range(4)]

    def write(own: list[Address]) -> None:
        routing = here.backend()
        for address in own:
            routing.apply(routing.plan({address: here.new}))

    children = [in_a_process(partial(write, own)) for own in addresses]
    assert [ended(child) for child in children] == [0, 0, 0, 0]
    everyone = [address for own in addresses for address in own]
    assert {here.answer(address) for address in everyone} == {here.new}


def test_of_two_writers_on_one_entry_the_second_sees_a_conflict(here):
    first, second = here.backend(), here.backend()
    mine, theirs = first.plan({here.a: here.new}), second.plan({here.a: here.stale})
    first.apply(mine)
    with pytest.raises(RouteConflict):
        second.apply(theirs)
    assert here.answer(here.a) == here.new


def test_of_two_writers_that_race_for_one_entry_one_wins_and_the_other_sees_a_conflict(here):
    """Both were planned on the same old value, as after a lease that was lost: the write decides, not the plan."""
    if not getattr(here, "races", True):
        pytest.skip("one person works here")
    for _ in range(RACES):
        children, start = {}, os.pipe()
        for value in (here.new, None):
            children[value] = in_a_process(partial(race, here, Flips((Flip(here.c, here.old, value),)), start))
        for end in start:
            os.close(end)
        ends = {value: ended(child) for value, child in children.items()}
        assert sorted(ends.values()) == [WON, LOST]
        assert [here.answer(here.c)] == [value for value, end in ends.items() if end == WON]
        here.set_by_hand(here.c, here.old)


def race(here: Ground, flips: Flips, start: tuple[int, int]) -> None:
    """Apply when all other processes have closed the second end of the pipe; ends with WON or LOST."""
    routing = here.backend()
    os.close(start[1])
    os.read(start[0], 1)
    try:
        routing.apply(flips)
    except RouteConflict:
        os._exit(LOST)


def test_applying_nothing_tells_the_reader_and_changes_nothing(here):
    before = here.answer(here.a)
    assert here.backend().apply(Flips()) == Applied()
    assert (here.answer(here.a), here.told() in (1, None)) == (before, True)


def test_a_revert_may_be_repeated(here):
    routing = here.backend()
    flips = routing.plan({here.a: here.new, here.d: here.new})
    routing.apply(flips)
    routing.revert(flips)
    again = routing.revert(flips)
    assert (again.changed, set(again.already)) == ((), {here.a, here.d})
    assert (here.answer(here.a), here.answer(here.d)) == (here.old, None)


def test_an_address_that_nobody_knows_has_no_entry_or_is_named_by_the_refusal(here):
    routing, before = here.backend(), here.state()
    for ask, no_entry in (
        (lambda: routing.read([here.a, STRANGER]), {here.a: here.old, STRANGER: None}),
        (lambda: routing.plan({here.a: here.new, STRANGER: here.new}).addresses, (here.a, STRANGER)),
    ):
        found, named = answered(ask)
        assert found == no_entry or named
    assert here.state() == before


def answered(ask: Callable[[], object]) -> tuple[object, bool]:
    """What is found; or whether the refusal names the stranger, and says what to do."""
    try:
        return ask(), False
    except MigratorError as refused:
        return None, STRANGER in str(refused) and bool(refused.remedy)


def test_a_backup_holds_what_was_there(here):
    routing = here.backend()
    kept = routing.backup()
    routing.apply(routing.plan({here.a: here.new}))
    assert here.old in kept.read_text()


def test_a_healthy_place_has_no_errors(here):
    assert [finding for finding in here.backend().check() if finding.severity == "error"] == []
