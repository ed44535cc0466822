"""Rates by the wall clock: every moment has one, also when the clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator.model.rates import FULL, STOP, Rate, RateWindow, Timetable

SLOW = Rate(2_000_000, 20)
TOKYO, BERLIN = ZoneInfo("Asia/Tokyo"), ZoneInfo("Europe/Berlin")
MINUTES = st.integers(0, 1440)
WINDOWS = st.builds(
    RateWindow,
    MINUTES.filter(lambda m: m < 1440),
    MINUTES,
    st.sampled_from([FULL, STOP, SLOW]),
    st.frozensets(st.integers(0, 6), min_size=1),
).filter(lambda window: window.start != window.end)
INSTANTS = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC))


def at(text: str, zone: ZoneInfo = TOKYO, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold)


@pytest.mark.parametrize(
    ("moment", "rate"),
    [
        ("2026-12-04T21:59:59", FULL),  # a gap between windows
        ("2026-12-04T22:00:00", STOP),  # a Friday
        ("2026-12-05T05:59:59", STOP),  # still Friday's night
        ("2026-12-05T06:00:00", FULL),
        ("2026-12-05T22:30:00", FULL),  # Saturday has none
        ("2026-12-07T08:00:00", SLOW),
        ("2026-12-07T20:00:00", FULL),
    ],
)
def test_a_night_belongs_to_the_day_on_which_it_begins(moment: str, rate: Rate) -> None:
    plan = Timetable(
        TOKYO,
        (RateWindow(22 * 60, 6 * 60, STOP, frozenset({4})), RateWindow(8 * 60, 20 * 60, SLOW, frozenset(range(5)))),
    )
    assert plan.rate_at(at(moment)) == rate
    assert plan.rate_at(at(moment).astimezone(UTC)) == rate


def test_the_first_window_that_covers_a_moment_holds() -> None:
    plan = Timetable(TOKYO, (RateWindow(12 * 60, 13 * 60, STOP), RateWindow(0, 1440, SLOW)))
    assert plan.rate_at(at("2026-12-07T12:30:00")) == STOP
    assert plan.rate_at(at("2026-12-07T13:00:00")) == SLOW


def test_an_hour_that_is_there_twice_is_at_rest_twice_and_one_that_is_missing_never() -> None:
    plan = Timetable(BERLIN, (RateWindow(2 * 60, 3 * 60, STOP),))
    for fold in (0, 1):
        assert plan.rate_at(at("2026-10-25T02:30:00", BERLIN, fold)).stops
    assert plan.reopens(at("2026-10-25T02:00:00", BERLIN)) == datetime(2026, 10, 25, 2, 0, tzinfo=UTC)  # two hours
    before = datetime(2026, 3, 29, 0, 59, tzinfo=UTC)  # 01:59 there; a minute later it is 03:00
    assert not any(plan.rate_at(before + timedelta(minutes=m)).stops for m in range(3))


def test_a_rest_that_ends_in_a_missing_hour_ends_when_the_clocks_jump() -> None:
    plan = Timetable(BERLIN, (RateWindow(0, 2 * 60 + 30, STOP),))
    assert plan.reopens(at("2026-03-29T01:00:00", BERLIN)) == datetime(2026, 3, 29, 1, 0, tzinfo=UTC)


def test_a_rest_that_ends_within_the_minute_ends_at_its_end() -> None:
    plan = Timetable(TOKYO, (RateWindow(8 * 60, 20 * 60, STOP),))
    assert plan.reopens(at("2026-12-05T19:59:30")) == at("2026-12-05T20:00:00")


@given(st.lists(WINDOWS, max_size=4), INSTANTS, st.sampled_from([TOKYO, BERLIN, ZoneInfo("Australia/Lord_Howe")]))
def test_it_opens_again_at_the_first_minute_that_lets_something_through(
    windows: list[RateWindow], instant: datetime, zone: ZoneInfo
) -> None:
    plan = Timetable(zone, tuple(windows))
    opens = plan.reopens(instant)
    if opens is None:
        assert plan.rate_at(instant).stops
        assert all(plan.rate_at(instant + timedelta(hours=h)).stops for h in range(24 * 7))
        return
    assert opens >= instant
    assert not plan.rate_at(opens).stops
    assert (opens == instant) == (not plan.rate_at(instant).stops)
    if opens > instant:
        assert plan.rate_at(opens - timedelta(microseconds=1)).stops
        halves = [instant + (opens - instant) * share / 7 for share in range(7)]
        assert all(plan.rate_at(moment).stops for moment in halves)


@given(INSTANTS, st.sampled_from([TOKYO, BERLIN, ZoneInfo("America/Havana")]))
def test_the_next_day_begins_where_this_one_ends(instant: datetime, zone: ZoneInfo) -> None:
    plan = Timetable(zone)
    tomorrow = plan.tomorrow(instant)
    assert instant < tomorrow <= instant + timedelta(hours=25)
    assert plan.day(tomorrow) > plan.day(instant)
    assert plan.day(tomorrow - timedelta(seconds=1)) == plan.day(instant)


def test_an_hour_that_a_clock_change_takes_comes_a_week_later() -> None:
    """Open only from 2 to 3 on Sundays: on the last of March Berlin has no such hour."""
    week = (RateWindow(120, 180, FULL, frozenset({6})), RateWindow(0, 1440, STOP))
    opens = Timetable(ZoneInfo("Europe/Berlin"), week).reopens(datetime(2026, 3, 22, 3, 0, tzinfo=UTC))
    assert opens == datetime(2026, 4, 5, 0, 0, tzinfo=UTC)
