"""The planner: who moves together, and that a plan stays put."""

from hypothesis import given
from hypothesis import strategies as st

from migrator.model.mailbox import Mailbox
from migrator.model.names import Address, ServerName, WaveName
from migrator.model.wave import Wave
from migrator.waves.planner import WavePlan, plan_waves

NONE: frozenset[WaveName] = frozenset()


def mailbox(name: str, department: str, target: str = "new") -> Mailbox:
    at = Address(f"{name}@example.co.jp")
    return Mailbox(at, department, ServerName("old"), ServerName(target), at, at)


def company(**sizes: int) -> list[Mailbox]:
    return [mailbox(f"{department}{n:03}", department) for department, size in sizes.items() for n in range(size)]


def by_name(plan: WavePlan) -> dict[WaveName, Wave]:
    return {wave.name: wave for wave in plan.waves}


def test_the_pilot_goes_first_then_small_to_large() -> None:
    plan = plan_waves(company(sales=5, legal=2, affairs=9), {}, NONE, pilot="affairs")
    assert [wave.name for wave in plan.waves] == ["affairs", "legal", "sales"]
    assert plan.added == plan.waves


def test_a_large_department_is_cut_into_numbered_waves() -> None:
    plan = plan_waves(company(sales=5), {}, NONE, max_mailboxes=2)
    assert {w.name: len(w.mailboxes) for w in plan.waves} == {"sales-1": 2, "sales-2": 2, "sales-3": 1}


def test_a_department_with_two_targets_has_a_wave_for_each() -> None:
    plan = plan_waves([mailbox("a", "sales"), mailbox("b", "sales", "branch")], {}, NONE)
    assert {(w.target, w.mailboxes) for w in plan.waves} == {
        ("new", ("a@example.co.jp",)),
        ("branch", ("b@example.co.jp",)),
    }
    assert len(by_name(plan)) == 2


def test_a_japanese_department_gives_its_wave_its_name() -> None:
    assert plan_waves([mailbox("a", "営業部 第一課")], {}, NONE).waves[0].name == "営業部-第一課"


def test_a_new_employee_joins_the_department_and_moves_nobody() -> None:
    before = by_name(plan_waves(company(sales=3, legal=2), {}, NONE))
    after = plan_waves([*company(sales=3, legal=2), mailbox("newcomer", "sales")], before, NONE)
    assert [w.name for w in after.grown] == ["sales"]
    assert set(before[WaveName("sales")].mailboxes) < set(after.grown[0].mailboxes)


def test_a_wave_that_has_begun_gains_and_loses_nobody() -> None:
    before = by_name(plan_waves(company(sales=3), {}, NONE))
    after = plan_waves([*company(sales=2), mailbox("newcomer", "sales")], before, frozenset({WaveName("sales")}))
    assert by_name(after)[WaveName("sales")] == before[WaveName("sales")]
    assert after.added[0].mailboxes == ("newcomer@example.co.jp",)
    assert after.unplaced == ("sales002@example.co.jp",)


@given(
    st.dictionaries(st.sampled_from(["sales", "legal", "営業", "a/b", "..."]), st.integers(1, 7)),
    st.one_of(st.none(), st.integers(1, 4)),
    st.randoms(use_true_random=False),
)
def test_everyone_is_in_exactly_one_wave_and_planning_again_changes_nothing(
    sizes: dict[str, int], limit: int | None, random: object
) -> None:
    people = [mailbox(f"u{d}{n}", dept) for d, (dept, size) in enumerate(sizes.items()) for n in range(size)]
    plan = plan_waves(people, {}, NONE, max_mailboxes=limit)
    placed = [address for wave in plan.waves for address in wave.mailboxes]
    assert sorted(placed) == sorted(m.address for m in people)
    assert all(limit is None or len(wave.mailboxes) <= limit for wave in plan.waves)
    random.shuffle(people)  # type: ignore[attr-defined]
    assert not plan_waves(people, by_name(plan), NONE, max_mailboxes=limit).changed
