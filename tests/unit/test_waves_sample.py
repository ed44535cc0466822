"""Which mailboxes of a large wave get a canary through every ingress, and which through one."""

from collections import Counter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from migrator.delivery import plan_canaries
from migrator.model.mailbox import Mailbox
from migrator.model.names import Address, Ingress, ServerName
from migrator.waves.proof import share_out

sizes, most, ways = st.integers(0, 120), st.integers(1, 60), st.integers(1, 4)


def boxes(count):
    old, new = ServerName("old"), ServerName("new")
    return [Mailbox(Address(f"u{n:04d}@x.jp"), "sales", old, new, "", "") for n in range(count)]


def ingresses(count):
    return [Ingress(f"ingress-{number}") for number in range(count)]


def pairs(shares):
    return [(mailbox.address, ingress) for some, through in shares for mailbox in some for ingress in through]


@given(sizes, most, ways)
def test_every_mailbox_has_a_canary_and_none_has_two_through_one_ingress(size, most, ways):
    found = pairs(share_out(boxes(size), ingresses(ways), most))
    assert {address for address, _ in found} == {box.address for box in boxes(size)}
    assert max(Counter(found).values(), default=1) == 1


@given(sizes, most, ways)
def test_up_to_the_limit_all_go_through_all_and_above_it_exactly_so_many(size, most, ways):
    through = Counter(address for address, _ in pairs(share_out(boxes(size), ingresses(ways), most)))
    everywhere = sum(count == ways for count in through.values())
    assert set(through.values()) <= {1, ways}
    assert everywhere == (min(size, most) if ways > 1 else size)


@given(sizes, most)
def test_the_sample_is_spread_evenly_over_the_wave(size, most):
    wave = boxes(size)
    sample, _ = share_out(wave, ingresses(3), most)[0]
    places = [wave.index(mailbox) for mailbox in sample]
    gaps = {after - before for before, after in pairwise([*places, size])}
    assert places[:1] == [0][:size]
    assert max(gaps, default=0) - min(gaps, default=0) <= 1


@given(sizes, most, ways)
def test_the_ingresses_take_turns_with_the_others(size, most, ways):
    through = Counter(ingress for _, ingress in pairs(share_out(boxes(size), ingresses(ways), most)))
    assert max(through.values(), default=0) - min(through.values(), default=0) <= 1


@given(sizes, most, ways)
def test_a_proof_that_was_killed_takes_all_its_canaries_up_again(size, most, ways):
    shares = share_out(boxes(size), ingresses(ways), most)
    known = [canary for some, through in shares for canary in plan_canaries(some, through, "target").new]
    again = [
        plan_canaries(some, through, "target", known) for some, through in share_out(boxes(size), ingresses(ways), most)
    ]
    assert [canary for plan in again for canary in plan.new] == []
    assert sum(len(plan.taken_up) for plan in again) == len(known)
