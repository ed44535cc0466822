"""How long it will take: never a number without a measure, and always later for more."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from migrator.model.estimate import ENOUGH, MESSAGE, Left, Stretch, estimate, left_over, words, work

STRETCHES = st.lists(
    st.builds(Stretch, st.floats(0.1, 1000), st.integers(0, 10**12), st.integers(1, 10**6)), max_size=30
)
WORK = st.integers(0, 10**15)


@given(WORK, STRETCHES)
def test_it_is_never_negative_and_the_bounds_hold_the_likely(left: int, measured: list[Stretch]) -> None:
    found = estimate(left, measured)
    if found is not None:
        assert timedelta(0) <= found.low <= found.likely <= found.high


@given(WORK, WORK, STRETCHES.filter(bool))
def test_more_left_is_later(one: int, more: int, measured: list[Stretch]) -> None:
    sooner, later = estimate(one, measured), estimate(one + more, measured)
    assert sooner is not None
    assert later is not None
    assert (sooner.low, sooner.likely, sooner.high) <= (later.low, later.likely, later.high)


@given(st.integers(1, 10**15))
def test_without_a_measure_there_is_no_number(left: int) -> None:
    for nothing in ([], [Stretch(0.0, 10, 10)], [Stretch(30.0, 0, 0)]):
        assert estimate(left, nothing) is None
        assert words(estimate(left, nothing)) == "not known yet"


def test_nothing_left_takes_no_time() -> None:
    assert words(estimate(0, [])) == "nothing left that is known"


def test_an_even_server_gives_narrow_bounds_and_an_uneven_one_wide_ones() -> None:
    even = [Stretch(30.0, 30_000_000 - 100 * MESSAGE, 100)] * ENOUGH
    uneven = [Stretch(30.0, megabytes * 1_000_000, 0) for megabytes in (3, 9, 15, 30, 30, 45, 51, 57)]
    narrow, wide = estimate(3_600_000_000, even), estimate(3_600_000_000, uneven)
    assert narrow is not None
    assert wide is not None
    assert narrow.likely == timedelta(hours=1)
    assert abs(wide.likely - narrow.likely) < timedelta(seconds=1)
    assert timedelta(minutes=64) < narrow.high < timedelta(minutes=67)
    assert wide.high > timedelta(hours=3)


def test_small_messages_cost_more_than_their_octets() -> None:
    assert work(4_000, 1) == 4_000 + MESSAGE
    assert work(-5, -5) == 0


def test_mailboxes_that_are_not_begun_count_as_the_average_and_are_told() -> None:
    assert left_over([100, 50, -7], 0, []) == Left(150)
    assert left_over([100], 3, []) is None
    assert left_over([100], 3, [10, 30]) == Left(160, 3)
    found = estimate(9_000_000_000, [Stretch(30.0, 30_000_000, 0)])
    assert words(found, 3) == (
        "about 2 h 30 min, between 1 h 40 min and 3 h 45 min "
        "(3 mailboxes are not begun, and counted as the average one)"
    )
