"""Which message is which, by content."""

from hypothesis import given
from hypothesis import strategies as st

from migrator.copier.match import match, match_digest, same_message
from migrator.imap.digest import digests
from migrator.model.message import Grade

HEADER = b"Subject: \xe6\x9c\x88\r\n\r\n"


def numbered(*bodies: bytes) -> dict:
    return {uid: digests([body]) for uid, body in enumerate(bodies, 1)}


def test_exact_duplicates_have_a_copy_each_in_order():
    assert match(numbered(b"a", b"a", b"a"), numbered(b"a", b"a")) == {1: (1, Grade.L0), 2: (2, Grade.L0)}


def test_the_most_alike_copy_is_taken_first():
    found = match(numbered(b"a\nb\n", b"a\r\nb\r\n"), numbered(b"a\r\nb\r\n", b"a\nb\n"))
    assert found == {1: (2, Grade.L0), 2: (1, Grade.L0)}


def test_what_servers_do_to_a_message_is_graded_and_still_the_same_message():
    source = numbered(b"x\ny", b"x\ry\r\n", b"nul\0nul", HEADER + b"body")
    target = numbered(b"x\r\ny\r\n", b"xy\r\n", b"nul\x80nul\r\n", b"Subject: XXX\r\n\r\nbody\r\n")
    assert {uid: found for uid, (_, found) in match(source, target).items()} == {
        1: Grade.L1, 2: Grade.L2, 3: Grade.L3, 4: Grade.L4
    }  # fmt: skip


def test_a_ledgers_digest_finds_its_message_one_to_one():
    there = numbered(b"b", b"a", b"a")
    assert match_digest({7: there[2].l2, 8: there[2].l2, 9: there[2].l2, 10: there[1].l2}, there) == {7: 2, 8: 3, 10: 1}


def test_same_message_at_any_grade():
    assert same_message(digests([b"a\r\n"]), [digests([b"b"]), digests([b"a"])])
    assert not same_message(digests([b"a"]), [digests([b"b"])])


BODIES = st.lists(st.sampled_from([b"a", b"a\n", b"a\r\n", b"b", b"b\0", b"b\x80", b"c"]), max_size=8)


@given(BODIES, BODIES)
def test_pairs_are_one_to_one_and_nothing_that_could_be_paired_is_left_on_both_sides(source, target):
    wanted, found = numbered(*source), numbered(*target)
    pairs = match(wanted, found)
    taken = [there for there, _ in pairs.values()]
    assert len(taken) == len(set(taken))
    rest = [found[uid] for uid in found.keys() - set(taken)]
    assert not any(same_message(wanted[uid], rest) for uid in wanted.keys() - pairs.keys())
