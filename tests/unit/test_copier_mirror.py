"""What goes from the target because it went from the source: what may, what must not."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator.copier.mirror import GoneIn, judge, may_be_removed, plan_mirror
from migrator.model.message import MessageMeta, Mirrored, Outcome
from migrator.model.names import Address, FolderName
from migrator.state.records import FolderRecord, LedgerRow


def folder(live: int, gone: int, moved: int = 0, name: str = "A") -> GoneIn:
    record = FolderRecord(len(name), Address("u@x.test"), FolderName(name), FolderName(name), 1, 1)
    return GoneIn(record, live, gone, moved)


def row(uid: int, *flags: str, outcome: Outcome = Outcome.COPIED, target: bool = True, reason: str = "") -> LedgerRow:
    return LedgerRow(uid, uid + 100 if target else None, outcome, frozenset(flags), b"d" * 16, reason, gone=True)


def message(uid: int, *flags: str) -> MessageMeta:
    return MessageMeta(uid, 10, frozenset(flags), datetime(2026, 1, 2, tzinfo=UTC))


@pytest.mark.parametrize(
    ("one", "removed"),
    [
        (folder(live=90, gone=10), 10),
        (folder(live=0, gone=10), 10),  # few, if all
        (folder(live=0, gone=11), 0),  # more than a few, and more than half
        (folder(live=11, gone=11), 11),  # just half
        (folder(live=10, gone=11), 0),
        (folder(live=0, gone=50, moved=45), 50),  # they are elsewhere on both sides
        (folder(live=0, gone=50, moved=20), 0),
    ],
)
def test_more_than_a_few_and_more_than_half_of_a_folder_are_not_believed(one, removed):
    plan = plan_mirror([one, folder(live=1000, gone=0, name="rest")])
    assert plan.messages == removed
    assert bool(plan.held) == (not removed)


def test_a_mailbox_that_lost_more_than_half_keeps_everything_but_what_only_moved():
    folders = [folder(6, 9, name="A"), folder(6, 9, name="BB"), folder(0, 5, moved=5, name="CCC")]
    plan = plan_mirror(folders)
    assert [one.record.source_name for one in plan.held] == ["A", "BB"]
    assert plan.messages == 5


GONE = st.builds(folder, st.integers(0, 40), st.integers(0, 40), st.integers(0, 40))


@given(st.lists(GONE, max_size=5))
def test_what_is_removed_is_never_more_than_half_of_what_is_known_beyond_a_few(folders):
    plan = plan_mirror(folders)
    assert all(one.gone for one in (*plan.remove, *plan.held))
    lost = sum(one.lost for one in plan.remove)
    assert lost <= 10 or 2 * lost <= sum(one.live + one.gone for one in folders)


@pytest.mark.parametrize("outcome", Outcome)
@pytest.mark.parametrize("target", [True, False])
@pytest.mark.parametrize("reason", ["", *Mirrored])
def test_only_what_we_copied_and_nothing_settled_is_removed(outcome, target, reason):
    one = row(1, outcome=outcome, target=target, reason=reason)
    assert may_be_removed(one) == (outcome is Outcome.COPIED and target and not reason)
    judged = judge([one], {101: message(101)})
    assert bool(judged.remove) == may_be_removed(one)
    assert not judged.settled


def test_each_message_is_judged_by_what_the_target_shows():
    rows = [row(1, "\\Seen"), row(2), row(3), row(4, "work")]
    there = {101: message(101, "\\Seen"), 102: message(102, "\\Flagged"), 104: message(104, "WORK")}
    judged = judge(rows, on_target=there)
    assert [one.source_uid for one in judged.remove] == [1, 4]
    assert {one.source_uid: (one.target_uid, one.reason) for one in judged.settled} == {
        2: (102, Mirrored.TOUCHED),
        3: (None, Mirrored.MISSED),
    }
