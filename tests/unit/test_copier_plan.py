"""What a pass decides to do in one folder."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from migrator.copier.folders import DeletedPolicy
from migrator.copier.plan import (
    BATCH_MESSAGES,
    BATCH_OCTETS,
    CopyPolicy,
    KeptFlags,
    Known,
    SetFlags,
    batches,
    plan_copy,
    same_flags,
)
from migrator.model.message import Meant, MessageMeta, Outcome

DATE = datetime(2026, 1, 2, tzinfo=UTC)
ALL = KeptFlags()


def message(uid: int, *flags: str, size: int = 1000) -> MessageMeta:
    return MessageMeta(uid, size, frozenset(flags), DATE)


def copied(target_uid: int | None, *flags: str) -> Known:
    return Known(target_uid, Outcome.COPIED, frozenset(flags))


def uids(plan):
    return [uid for batch in plan.batches for uid in batch.uids]


def test_what_the_ledger_knows_is_not_copied_again_and_what_failed_is_tried_again():
    ledger = {1: copied(11), 2: Known(None, Outcome.FAILED, frozenset()), 3: Known(None, Outcome.SKIPPED, frozenset())}
    assert uids(plan_copy([message(n) for n in (1, 2, 3, 4)], ALL, ledger, CopyPolicy())) == [2, 4]


def test_changed_flags_are_set_and_unchanged_ones_left_alone():
    ledger = {1: copied(11, "\\Seen"), 2: copied(12, "$work"), 3: copied(None)}
    source = [message(1, "\\Flagged", "\\Recent"), message(2, "$Work"), message(3, "\\Seen")]
    assert plan_copy(source, ALL, ledger, CopyPolicy()).flags == (SetFlags(1, 11, frozenset({"\\Flagged"})),)


def test_after_the_cutover_no_flag_is_carried_over():
    plan = plan_copy([message(1, "\\Seen")], ALL, {1: copied(11)}, CopyPolicy(flags=False))
    assert not plan.flags


def test_flags_that_the_target_does_not_keep_are_left_out_and_named_and_the_message_is_copied():
    target = KeptFlags(frozenset({"\\seen", "$label1"}), any_keyword=False)
    plan = plan_copy(
        [message(1, "\\seen", "\\Recent", "\\Odd", "$Label1", "work", "\\Draft")], target, {}, CopyPolicy()
    )
    assert plan.batches[0].messages[0].flags == {"\\Seen", "$Label1"}
    assert plan.lost_flags == {"\\Odd", "work", "\\Draft"}


def test_canaries_are_skipped_and_never_copied():
    plan = plan_copy([message(1), message(2)], ALL, {}, CopyPolicy(), canaries=frozenset({1}))
    assert uids(plan) == [2]
    assert [(skip.message.uid, skip.reason) for skip in plan.skips] == [(1, Meant.CANARY)]


def test_deleted_messages_are_copied_with_the_flag_unless_the_policy_says_skip():
    source = [message(1, "\\Deleted")]
    kept = plan_copy(source, ALL, {}, CopyPolicy())
    assert kept.batches[0].messages[0].flags == {"\\Deleted"}
    skip = CopyPolicy(deleted=DeletedPolicy.SKIP)
    assert [s.reason for s in plan_copy(source, ALL, {}, skip).skips] == [Meant.DELETED]
    undeleted = {1: Known(None, Outcome.SKIPPED, frozenset(), Meant.DELETED)}
    assert uids(plan_copy([message(1)], ALL, undeleted, skip)) == [1]


@given(st.lists(st.integers(0, 3 * BATCH_OCTETS), max_size=300))
def test_batches_hold_every_message_once_in_order_and_within_bounds(sizes):
    source = [message(uid, size=size) for uid, size in enumerate(sizes, 1)]
    cut = list(batches(source))
    assert [m for batch in cut for m in batch.messages] == source
    assert all(len(b.messages) <= BATCH_MESSAGES for b in cut)
    assert all(b.octets <= BATCH_OCTETS or len(b.messages) == 1 for b in cut)


@given(st.integers(2, 100))
def test_halves_are_smaller_and_lose_nothing(count):
    batch = next(batches([message(uid) for uid in range(1, count + 1)]))
    one, other = batch.halves()
    assert one.messages + other.messages == batch.messages
    assert one.messages
    assert other.messages


FLAGS = st.frozensets(st.sampled_from(["\\Seen", "\\Deleted", "\\Recent", "\\X", "work", "Work", "$a"]), max_size=4)
KNOWN = st.none() | st.builds(Known, st.none() | st.integers(1, 9), st.sampled_from(Outcome), FLAGS, st.just(""))


@given(
    st.lists(st.tuples(FLAGS, KNOWN), max_size=30), st.sampled_from(DeletedPolicy), st.frozensets(st.integers(1, 30))
)
def test_each_message_is_copied_skipped_or_already_known_and_only_one_of_them(entries, deleted, canaries):
    source = [message(uid, *flags) for uid, (flags, _) in enumerate(entries, 1)]
    ledger = {uid: known for uid, (_, known) in enumerate(entries, 1) if known is not None}
    plan = plan_copy(source, ALL, ledger, CopyPolicy(deleted=deleted), canaries)
    settled = [uid for uid, known in ledger.items() if known.outcome is not Outcome.FAILED]
    assert sorted(uids(plan) + [s.message.uid for s in plan.skips] + settled) == [m.uid for m in source]
    assert not canaries & set(uids(plan))
    assert all(not same_flags(change.flags, ledger[change.source_uid].flags) for change in plan.flags)


def test_a_flag_that_no_grammar_allows_is_left_out_and_named() -> None:
    odd = MessageMeta(1, 10, frozenset({"\\Seen", "two words", "$Ok"}), DATE)
    plan = plan_copy([odd], ALL, {}, CopyPolicy())
    assert plan.batches[0].messages[0].flags == {"\\Seen", "$Ok"}
    assert plan.lost_flags == {"two words"}
