"""The planner: who moves together, and that a plan stays put."""

from dataclasses import replace
from itertools import combinations

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from migrator.model.inventory import Bond
from migrator.model.mailbox import Mailbox
from migrator.model.names import Address, ServerName, WaveName
from migrator.model.wave import Wave
from migrator.waves.planner import Budget, Speeds, Wishes, plan_waves
from tests.unit.planned import Company, budgets, by_name, companies, mailbox, places, size

SALES = WaveName("sales")


def company(**sizes: int) -> list[Mailbox]:
    return [mailbox(f"{department}{n:03}", department) for department, size in sizes.items() for n in range(size)]


def limit(mailboxes: int | None = None, octets: int | None = None) -> Wishes:
    return Wishes(budget=Budget(mailboxes, octets))


def at(name: str) -> Address:
    return Address(f"{name}@example.co.jp")


def kinds(plan) -> list[str]:
    return [note.kind for note in plan.notes]


def test_the_pilot_goes_first_then_small_to_large() -> None:
    plan = plan_waves(company(sales=5, legal=2, affairs=9), {}, {}, Wishes(pilot="affairs"))
    assert [wave.name for wave in plan.waves] == ["affairs", "legal", "sales"]
    assert plan.added == plan.waves


def test_a_large_department_is_cut_into_numbered_waves_that_follow_each_other() -> None:
    plan = plan_waves(company(sales=5, legal=3), {}, {}, limit(2))
    assert [(w.name, len(w.mailboxes)) for w in plan.waves] == [
        *(("legal-1", 2), ("legal-2", 1)),
        *(("sales-1", 2), ("sales-2", 2), ("sales-3", 1)),
    ]


def test_a_department_that_outgrows_its_wave_gets_a_second_one() -> None:
    before = by_name(plan_waves(company(sales=2), {}, {}, limit(2)))
    after = plan_waves(company(sales=3), before, {}, limit(2))
    assert [w.name for w in after.waves] == ["sales", "sales-2"]


def test_a_department_with_two_targets_has_a_wave_for_each() -> None:
    plan = plan_waves([mailbox("a", "sales"), mailbox("b", "sales", "branch")], {}, {}, Wishes())
    assert {(w.name, w.target, w.mailboxes) for w in plan.waves} == {
        ("sales-new", "new", ("a@example.co.jp",)),
        ("sales-branch", "branch", ("b@example.co.jp",)),
    }


def test_a_japanese_department_gives_its_wave_its_name() -> None:
    assert plan_waves([mailbox("a", "営業部 第一課")], {}, {}, Wishes()).waves[0].name == "営業部-第一課"


def test_a_department_of_a_very_long_name_has_a_wave_all_the_same() -> None:
    plan = plan_waves([mailbox("a", "x" * 300), mailbox("b", "x" * 299)], {}, {}, Wishes())
    assert [w.name for w in plan.waves] == ["x" * 50, "x" * 50 + "-2"]


def test_a_long_department_on_servers_of_long_names_loses_nobody() -> None:
    both = ("headquarters-1", "headquarters-2")
    plan = plan_waves([mailbox(one, "x" * 60, one) for one in both], {}, {}, Wishes())
    assert [w.name for w in plan.waves] == ["x" * 50 + "-1", "x" * 50 + "-2"]


def test_a_pilot_that_nobody_is_in_is_told() -> None:
    plan = plan_waves(company(sales=1), {}, {}, Wishes(pilot="sale"))
    assert [(note.kind, note.text) for note in plan.notes] == [
        ("pilot", "nobody is in the department `sale` (`planner.pilot`): no wave is the pilot's")
    ]


def test_a_new_employee_joins_the_department_and_moves_nobody() -> None:
    before = by_name(plan_waves(company(sales=3, legal=2), {}, {}, Wishes()))
    after = plan_waves([*company(sales=3, legal=2), mailbox("newcomer", "sales")], before, {}, Wishes())
    assert [w.name for w in after.grown] == ["sales"]
    assert set(before[SALES].mailboxes) < set(after.grown[0].mailboxes)


def test_a_wave_that_has_begun_gains_and_loses_nobody() -> None:
    before = by_name(plan_waves(company(sales=3), {}, {}, Wishes()))
    begun = {SALES: before[SALES].mailboxes}
    after = plan_waves([*company(sales=2), mailbox("newcomer", "sales")], before, begun, limit(1))
    assert by_name(after)[SALES] == before[SALES]
    assert after.added[0].mailboxes == ("newcomer@example.co.jp",)
    assert kinds(after) == ["budget"]


def test_who_is_in_a_begun_wave_whose_file_is_gone_is_not_planned_again() -> None:
    after = plan_waves(company(sales=3), {}, {SALES: (at("sales001"),)}, Wishes())
    assert [(w.name, w.mailboxes) for w in after.waves] == [("sales-2", (at("sales000"), at("sales002")))]


def test_a_wave_that_nobody_is_left_in_goes() -> None:
    before = by_name(plan_waves(company(sales=1, legal=1), {}, {}, Wishes()))
    after = plan_waves(company(legal=1), before, {}, Wishes())
    assert (after.removed, after.changed) == (("sales",), True)


def test_mailboxes_are_balanced_by_bytes_and_by_number() -> None:
    people = [mailbox(f"u{n:02}", "sales", "hq1", "hq2") for n in range(20)]
    sizes = {one.address: size(1000 if n < 2 else 10 * n) for n, one in enumerate(people)}
    plan = plan_waves(people, {}, {}, Wishes(), sizes)
    assert {(w.name, w.target) for w in plan.waves} == {("sales-hq1", "hq1"), ("sales-hq2", "hq2")}
    assert all(abs(len(wave.mailboxes) - 10) <= 1 for wave in plan.waves)
    octets = [plan.loads[wave.name].octets for wave in plan.waves]
    assert max(octets) - min(octets) <= 0.1 * sum(octets)


def test_what_a_server_has_already_counts_for_the_balance() -> None:
    here = [mailbox(f"a{n}", "legal", "hq1") for n in range(6)]
    free = [mailbox(f"b{n}", "sales", "hq1", "hq2") for n in range(6)]
    before = by_name(plan_waves(here, {}, {}, Wishes()))
    plan = plan_waves([*here, *free], before, {}, Wishes())
    assert sum(len(w.mailboxes) for w in plan.waves if w.target == "hq2") == 6


def test_who_names_the_same_label_or_a_person_moves_as_one_across_departments() -> None:
    people = [
        *company(sales=3, legal=3),
        mailbox("boss", "legal"),
        mailbox("aide", "sales", keep_with="boss@example.co.jp"),
        mailbox("x", "sales", keep_with="board"),
        mailbox("y", "legal", keep_with="board"),
    ]
    found = places(plan_waves(people, {}, {}, limit(4)))
    assert found[at("boss")] == found[at("aide")]
    assert found[at("x")] == found[at("y")]


def test_a_newcomer_joins_those_whom_it_is_bound_to() -> None:
    before = by_name(plan_waves(company(sales=3, legal=3), {}, {}, Wishes()))
    bonds = [Bond(frozenset({at("new"), at("legal001")}), "share the folder Contracts")]
    after = plan_waves([*company(sales=3, legal=3), mailbox("new", "sales")], before, {}, Wishes(), {}, bonds)
    assert places(after)[at("new")] == "legal"


def test_bonds_count_for_nothing_where_that_is_asked() -> None:
    bonds = [Bond(frozenset({at("sales000"), at("legal000")}), "share a folder")]
    plan = plan_waves(company(sales=2, legal=2), {}, {}, Wishes(keep_together=False), {}, bonds)
    assert {w.name for w in plan.waves} == {"sales", "legal"}
    assert plan.notes == ()


def test_a_group_that_alone_breaks_the_budget_is_told() -> None:
    bonds = [Bond(frozenset(at(f"sales{n:03}") for n in range(5)), "share the folder Sales")]
    plan = plan_waves(company(sales=5), {}, {}, limit(3), {}, bonds)
    assert [note.text for note in plan.notes] == [
        "sales000@example.co.jp, sales001@example.co.jp, sales002@example.co.jp, sales003@example.co.jp, "
        "sales004@example.co.jp should move together (share the folder Sales), and are in sales-1, sales-2: "
        "they alone break the budget of a wave"
    ]


def test_those_whom_no_server_takes_together_are_told() -> None:
    bonds = [Bond(frozenset({at("a"), at("b")}), "share a folder")]
    plan = plan_waves([mailbox("a", "x", "hq1"), mailbox("b", "x", "hq2")], {}, {}, Wishes(), {}, bonds)
    assert "no server takes all of them" in plan.notes[0].text


def test_a_mailbox_that_alone_breaks_the_budget_moves_alone_and_is_told() -> None:
    sizes = {at("sales001"): size(500)}
    plan = plan_waves(company(sales=3), {}, {}, limit(octets=100), sizes)
    assert plan.loads[places(plan)[at("sales001")]].mailboxes == 1
    assert "sales001@example.co.jp alone breaks the budget" in plan.notes[0].text


def test_a_pinned_mailbox_stays_where_a_person_put_it() -> None:
    wave = Wave(SALES, ("sales",), ServerName("new"), (at("sales000"), at("sales001"), at("sales002")))
    pinned = replace(wave, pinned=(at("sales002"),))
    plan = plan_waves(company(sales=3), {SALES: pinned}, {}, limit(1))
    assert by_name(plan)[SALES].mailboxes == (at("sales002"),)
    assert by_name(plan)[SALES].pinned == (at("sales002"),)


def test_a_plan_made_anew_forgets_the_files_but_not_their_names_windows_or_pins() -> None:
    one = Wave(SALES, ("sales",), ServerName("new"), (at("sales000"),))
    other = Wave(WaveName("sales-2"), ("sales",), ServerName("new"), (at("sales001"),), pinned=(at("sales001"),))
    plan = plan_waves(company(sales=2), {SALES: one, other.name: other}, {}, Wishes(anew=True))
    assert places(plan) == {at("sales000"): "sales", at("sales001"): "sales-2"}
    plan = plan_waves(company(sales=2), {SALES: one, other.name: replace(other, pinned=())}, {}, Wishes(anew=True))
    assert (set(places(plan).values()), plan.removed) == ({"sales"}, ("sales-2",))


def test_hours_are_those_of_the_copy_and_of_the_mail_programs_afterwards() -> None:
    old, new = ServerName("old"), ServerName("new")
    speeds = Speeds(assumed={old: 10.0, new: 5.0}, fetched_again=0.5)
    assert speeds.seconds(100, 0, old, new) == 100 / 5 + 50 / 5
    measured = Speeds(measured={(old, new): 20.0}, assumed={new: 50.0})
    assert measured.seconds(100, 0, old, new) == 100 / 20 + 100 / 50
    assert Speeds().seconds(100, 0, old, new) is None


def test_what_is_not_known_of_sizes_and_speeds_is_told() -> None:
    plan = plan_waves(company(sales=3), {}, {}, Wishes(budget=Budget(milliseconds=1000)), {at("sales000"): size(5)})
    assert [note.text for note in plan.notes] == [
        "nobody has looked how large 2 mailboxes may be: counted as empty (`planner.mailbox_size`)",
        "how fast old and new are is not known (`planner.throughput`): hours are not budgeted",
    ]


@settings(deadline=None)
@given(companies(), st.randoms(use_true_random=False))
def test_everyone_is_in_one_wave_and_whatever_is_broken_is_told(one: Company, random) -> None:
    plan = one.plan()
    placed = [address for wave in plan.waves for address in wave.mailboxes]
    assert sorted(placed) == sorted(m.address for m in one.people)
    home, rows = places(plan), {m.address: m for m in one.people}
    assert all(wave.target in rows[address].choices for wave in plan.waves for address in wave.mailboxes)
    assert {wave.name for wave in plan.waves if one.broken(wave)} == {
        note.wave for note in plan.notes if note.kind == "budget"
    }
    assert all(len(wave.mailboxes) == 1 for wave in plan.waves if one.broken(wave))
    told = [frozenset(note.mailboxes) for note in plan.notes if note.kind == "together"]
    for bond in one.all_bonds():
        waves = {home[address] for address in bond}
        assert len(waves) == 1 or bond in told
    shuffled = list(one.people)
    random.shuffle(shuffled)
    assert one.plan(people=shuffled) == plan
    again = one.plan(by_name(plan))
    assert (again.changed, again.notes) == (False, plan.notes)


@settings(deadline=None)
@given(companies())
def test_a_bond_that_fits_and_stands_alone_is_never_split(one: Company) -> None:
    """Bonds that share nobody with another one; told or not."""
    bonds = one.all_bonds()
    plan, rows = one.plan(), {m.address: m for m in one.people}
    for bond in bonds:
        if any(bond & other for other in bonds if other != bond):
            continue
        common = set.intersection(*(set(rows[address].choices) for address in bond))
        together = Wave(SALES, (), ServerName("hq1"), tuple(bond))
        if common and not one.broken(together):
            assert len({places(plan)[address] for address in bond}) == 1


@settings(deadline=None)
@given(companies())
def test_the_pilot_is_first_and_then_departments_grow(one: Company) -> None:
    plan = one.plan()
    firsts = [wave.departments[0] for wave in plan.waves]
    pilot = one.wishes.pilot
    if pilot is not None and any(m.department == pilot for m in one.people):
        assert firsts[0] == pilot
        latest = max(n for n, wave in enumerate(plan.waves) if pilot in wave.departments)
        assert set(firsts[: latest + 1]) == {pilot}
        home = {a: w for w in plan.waves for a in w.mailboxes}
        assert all(home[m.address].departments == (pilot,) for m in one.people if m.department == pilot)
    rest = [name for name in firsts if name != pilot]
    counts = {name: sum(len(w.mailboxes) for w in plan.waves if w.departments[0] == name) for name in rest}
    assert [counts[name] for name in rest] == sorted(counts[name] for name in rest)


@settings(deadline=None)
@given(companies(), st.data())
def test_a_new_employee_changes_nobody_elses_wave(one: Company, data) -> None:
    newcomer = data.draw(st.sampled_from(one.people))
    rest = [m for m in one.people if m != newcomer]
    before = one.plan(people=rest)
    after = places(one.plan(by_name(before)))
    assert {address: wave for address, wave in after.items() if address != newcomer.address} == places(before)


@settings(deadline=None)
@given(companies(), budgets, st.data())
def test_begun_waves_are_never_touched_whatever_changes(one: Company, budget: Budget, data) -> None:
    before = by_name(one.plan(people=one.people[::2]))
    begun = data.draw(st.sets(st.sampled_from(sorted(before)))) if before else set()
    wishes = replace(one.wishes, budget=budget, anew=data.draw(st.booleans()), pilot="legal")
    after = by_name(one.plan(before, begun, wishes=wishes))
    assert {name: after[name] for name in begun} == {name: before[name] for name in begun}
    assert len(places(one.plan(before, begun, wishes=wishes))) == len(one.people)


@settings(deadline=None)
@given(companies(), budgets)
def test_a_changed_budget_moves_nobody_out_of_a_wave_that_still_fits(one: Company, budget: Budget) -> None:
    before = one.plan()
    now = replace(one, wishes=replace(one.wishes, budget=budget))
    after = now.plan(by_name(before))
    home = places(after)
    for wave in before.waves:
        if not now.broken(wave):
            assert all(home[address] == wave.name for address in wave.mailboxes)
    again = now.plan(by_name(after))
    assert not again.changed


@settings(deadline=None)
@given(companies(most=9), budgets)
def test_a_smaller_budget_moves_as_few_as_can_be(one: Company, budget: Budget) -> None:
    """Against every choice there is; for one kind of budget beside that of mailboxes, and people who are not bound."""
    assume(budget.octets is None or budget.milliseconds is None)
    loose = replace(one, bonds=(), people=tuple(replace(m, keep_with=None) for m in one.people))
    start = replace(loose, wishes=replace(loose.wishes, budget=Budget()))
    now = replace(loose, wishes=replace(loose.wishes, budget=budget))
    before = start.plan()
    home = places(now.plan(by_name(before)))
    for wave in before.waves:
        left = sum(1 for address in wave.mailboxes if home[address] != wave.name)
        assert left == _fewest(now, wave)


def _fewest(one: Company, wave: Wave) -> int:
    for count in range(len(wave.mailboxes)):
        for gone in combinations(wave.mailboxes, count):
            rest = tuple(address for address in wave.mailboxes if address not in gone)
            if not one.broken(replace(wave, mailboxes=rest)):
                return count
    return len(wave.mailboxes) - 1  # one stays, however large


@settings(deadline=None)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=7), st.integers(1, 12))
def test_of_groups_as_few_mailboxes_move_as_can_be(groups: list[int], most: int) -> None:
    assume(max(groups) <= most)
    people = [
        mailbox(f"g{number}m{member}", "sales", keep_with=f"label{number}")
        for number, count in enumerate(groups)
        for member in range(count)
    ]
    before = plan_waves(people, {}, {}, Wishes())
    home = places(plan_waves(people, by_name(before), {}, limit(most)))
    moved = sum(1 for one in people if home[one.address] != SALES)
    kept = (sum(chosen) for size in range(len(groups) + 1) for chosen in combinations(groups, size))
    assert moved == len(people) - max(total for total in kept if total <= most)
