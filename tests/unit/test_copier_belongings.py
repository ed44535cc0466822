"""Compare-and-swap of what belongs to a mailbox: the source's last word, and never over somebody else's."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from migrator.copier.belongings import Plan, Step, inherited, is_ours, step
from migrator.model.belonging import Belonging, Key, Kind

KEY = Key(Kind.RIGHTS, "Projects", "mate")
VALUES = st.sampled_from(["l", "lr", "lrs"])
MAYBE = st.none() | VALUES


def record(ours=None, intended=None, reason=""):
    return Belonging(KEY, ours, intended, reason)


def planned(wanted=None, there=None, known=None):
    plan = Plan()
    plan.compare(
        {KEY: wanted} if wanted else {}, {KEY: there} if there else {}, {KEY: known} if known is not None else {}
    )
    return plan


def test_what_is_missing_is_put_and_what_went_from_the_source_is_taken_away_where_it_is_ours():
    assert step("lr", None, None) is Step.PUT
    assert step("lrs", "lr", record("lr")) is Step.PUT
    assert step(None, "lr", record("lr")) is Step.REMOVE


def test_what_somebody_else_put_there_or_changed_is_left_alone():
    assert step("lrs", "lr", None) is Step.LEAVE
    assert step("lrs", "l", record("lr")) is Step.LEAVE
    assert step("lrs", None, record("lr")) is Step.LEAVE  # taken away there
    assert step("lrs", "lr", record(None, reason="refused")) is Step.LEAVE


def test_after_a_crash_both_what_was_there_and_what_was_intended_are_ours():
    died = record("lr", "lrs")
    assert is_ours("lr", died) and is_ours("lrs", died) and not is_ours("l", died) and not is_ours(None, died)
    removing = record("lr", "")
    assert is_ours(None, removing) and is_ours("lr", removing)
    assert step("lr", None, removing) is Step.PUT  # wanted again meanwhile


@given(st.lists(st.tuples(MAYBE, st.booleans(), st.booleans()), max_size=8), MAYBE)
def test_passes_and_crashes_never_overwrite_anothers_value_and_end_with_the_sources(history, start):
    """Each pass: what the source says, whether the run dies before the effect, and before the evidence."""
    there, known, foreign = start, None, start
    for wanted, dies_before, dies_after in history:
        plan = planned(wanted, there, known)
        for change in plan.changes:
            known = Belonging(KEY, change.had, change.wanted or "")
            if dies_before:
                break
            assert foreign is None
            there = change.wanted
            if not dies_after:
                known = Belonging(KEY, there) if there else None
        for key, one in plan.settled.items():
            known = one if key == KEY else known
        if plan.forgotten:
            known = None
        if foreign is not None:
            assert there in (foreign, wanted)
            if there == wanted and wanted is not None:
                foreign = None  # the same: nobody can tell whose it is
    final = "lrs"
    for _ in range(2):
        plan = planned(final, there, known)
        for change in plan.changes:
            there, known = change.wanted, Belonging(KEY, change.wanted)
        for one in plan.settled.values():
            known = one
    assert there == final if foreign is None else there in (foreign, final)


def test_rights_that_a_new_folder_took_over_from_one_that_we_shared_are_ours():
    above, below = Key(Kind.RIGHTS, "Projects", "mate"), Key(Kind.RIGHTS, "Projects/secret", "mate")
    records = {above: Belonging(above, "lrs")}
    assert inherited({below: "lrs"}, records, "/") == {below: Belonging(below, "lrs")}
    assert inherited({below: "lr"}, records, "/") == {}  # somebody gave other ones
    assert inherited({Key(Kind.RIGHTS, "Projects/secret", "else"): "lrs"}, records, "/") == {}


def test_a_note_stands_beside_what_is_carried_of_the_same_thing_and_keeps_what_is_ours():
    plan = planned("lr", "lr")
    plan.note(KEY, "without x", "Do it.")
    plan.note(KEY, "without x", "Do it.")
    plan.note(KEY, "without y", "Do it.")
    assert plan.rows({}) == ([Belonging(KEY, "lr", None, "without x; without y", "Do it.")], [])


def test_what_neither_side_has_any_more_is_forgotten():
    assert planned(None, None, record("lr")).rows({})[1] == [KEY]
    assert planned(None, "l", record(None, reason="it has one of its own")).rows({})[1] == [KEY]
