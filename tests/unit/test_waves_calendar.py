"""When waves are cut over: the openings of a calendar, and the file for people's calendars."""

from datetime import UTC, date, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from migrator.model.names import Address, ServerName, WaveName
from migrator.model.wave import Wave, Window
from migrator.waves.calendar_file import icalendar
from migrator.waves.planner import Wishes, plan_waves
from migrator.waves.planner.calendar import Blackout, Calendar, Opening
from tests.unit.planned import mailbox

TOKYO = ZoneInfo("Asia/Tokyo")
EVERY = frozenset(range(7))
FRIDAY_NIGHT = Opening(22 * 60, 4 * 60, frozenset({4}))
MONDAY = datetime(2026, 11, 30, tzinfo=TOKYO)
COMPANY = [
    mailbox(f"{department}{n}", department) for department, size in (("b", 1), ("a", 2), ("c", 3)) for n in range(size)
]


def calendar(*openings: Opening, **more) -> Calendar:
    return Calendar(MONDAY, openings, TOKYO, **more)


def starts(one: Calendar, count: int) -> list[str]:
    return [f"{window.start:%a %m-%d %H:%M}" for window in islice(one.windows(), count)]


def planned(existing=None, begun=None, pilot=None, **more):
    wishes = Wishes(pilot=pilot, calendar=calendar(FRIDAY_NIGHT, **more))
    return plan_waves(COMPANY, existing or {}, begun or {}, wishes)


def test_windows_are_those_of_the_wall_clock_and_go_past_midnight():
    first = next(calendar(FRIDAY_NIGHT).windows())
    assert (first.start.isoformat(), first.end.isoformat()) == (
        "2026-12-04T22:00:00+09:00",
        "2026-12-05T04:00:00+09:00",
    )


def test_a_holiday_counts_only_where_it_is_asked_for():
    weekdays = Opening(60, 120, frozenset(range(5)))
    free = Opening(60, 300, frozenset({6}), holidays=True)
    holidays = frozenset({date(2026, 12, 2)})
    found = ["Mon 11-30 01:00", "Tue 12-01 01:00", "Thu 12-03 01:00"]
    assert starts(calendar(weekdays, holidays=holidays), 3) == found
    assert starts(calendar(free, holidays=holidays), 2) == ["Wed 12-02 01:00", "Sun 12-06 01:00"]


def test_a_window_that_ends_in_a_blackout_is_none():
    saturday = Blackout(date(2026, 12, 5), date(2026, 12, 5), "the annual accounts")
    assert starts(calendar(FRIDAY_NIGHT, blackouts=(saturday,)), 1) == ["Fri 12-11 22:00"]
    to_midnight = Opening(22 * 60, 24 * 60, frozenset({4}))
    assert starts(calendar(to_midnight, blackouts=(saturday,)), 1) == ["Fri 12-04 22:00"]


def test_a_window_in_the_hour_that_a_change_of_clocks_leaves_out_is_none():
    berlin = ZoneInfo("Europe/Berlin")
    one = Calendar(datetime(2026, 3, 28, tzinfo=berlin), (Opening(120, 180, EVERY),), berlin)
    days = [window.start.date() for window in islice(one.windows(), 2)]
    assert days == [date(2026, 3, 28), date(2026, 3, 30)]


def test_waves_get_windows_in_the_order_in_which_they_should_run():
    found = {wave.name: wave.window.start.date() for wave in planned().waves}
    assert found == {"b": date(2026, 12, 4), "a": date(2026, 12, 11), "c": date(2026, 12, 18)}
    found = {wave.name: wave.window.start.date() for wave in planned(pilot="c", together=2).waves}
    assert found == {"c": date(2026, 12, 4), "b": date(2026, 12, 11), "a": date(2026, 12, 11)}


def test_windows_that_are_there_stay_and_are_taken():
    window = Window(datetime(2026, 12, 4, 23, tzinfo=TOKYO), datetime(2026, 12, 5, 1, tzinfo=TOKYO))
    people = tuple(Address(f"a{n}@example.co.jp") for n in range(2))
    before = {WaveName("a"): Wave(WaveName("a"), ("a",), ServerName("new"), people, window)}
    plan = planned(before)
    found = {wave.name: wave.window.start.date() for wave in plan.waves}
    assert found == {"a": date(2026, 12, 4), "b": date(2026, 12, 11), "c": date(2026, 12, 18)}
    again = planned({wave.name: wave for wave in plan.waves})
    assert not again.changed


def test_a_wave_that_has_begun_gets_no_window():
    people = tuple(Address(f"a{n}@example.co.jp") for n in range(2))
    before = {WaveName("a"): Wave(WaveName("a"), ("a",), ServerName("new"), people)}
    assert {wave.name: wave.window for wave in planned(before, {WaveName("a"): people}).waves}["a"] is None


def test_a_window_that_is_over_or_in_a_blackout_is_told_and_left():
    people = tuple(Address(f"a{n}@example.co.jp") for n in range(2))
    for day, told in (
        (datetime(2026, 11, 20, tzinfo=UTC), "is over"),
        (datetime(2026, 12, 24, tzinfo=UTC), "the blackout"),
    ):
        wave = Wave(WaveName("a"), ("a",), ServerName("new"), people, Window(day, day + timedelta(hours=6)))
        plan = planned({wave.name: wave}, blackouts=(Blackout(date(2026, 12, 24), date(2027, 1, 3), "Christmas"),))
        assert [note.wave for note in plan.notes if told in note.text] == ["a"]
        assert wave in plan.waves


def test_a_calendar_without_any_window_is_told():
    never = Calendar(MONDAY, (FRIDAY_NIGHT,), TOKYO, blackouts=(Blackout(date(2026, 1, 1), date(2030, 1, 1)),))
    plan = plan_waves(COMPANY, {}, {}, Wishes(calendar=never))
    assert plan.notes[0].text == "wave b: the calendar has no window left for it"


NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def unfolded(text: str) -> list[str]:
    return text.replace("\r\n ", "").split("\r\n")[:-1]


def event(name: str, department: str = "sales") -> list[str]:
    window = Window(datetime(2026, 12, 4, 22, tzinfo=TOKYO), datetime(2026, 12, 5, 4, tzinfo=TOKYO))
    wave = Wave(WaveName(name), (department,), ServerName("new"), (Address("a@example.co.jp"),), window)
    return unfolded(icalendar([wave], "example.co.jp", NOW))


def test_a_window_is_an_event_in_utc_with_an_identity_that_stays():
    assert event("sales") == [
        *("BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//migrator//wave calendar//EN", "METHOD:PUBLISH"),
        *("BEGIN:VEVENT", "UID:sales@example.co.jp", "DTSTAMP:20261124T120000Z"),
        *("DTSTART:20261204T130000Z", "DTEND:20261204T190000Z"),
        *("SUMMARY:Mail moves: sales to new (1 mailbox)", "DESCRIPTION:Departments: sales"),
        *("END:VEVENT", "END:VCALENDAR"),
    ]


def test_a_wave_without_a_window_is_no_event():
    wave = Wave(WaveName("x"), (), ServerName("new"), (Address("a@example.co.jp"),))
    assert "VEVENT" not in icalendar([wave], "example.co.jp", NOW)


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=120))
def test_whatever_a_department_is_called_lines_are_short_and_whole(name):
    window = Window(NOW, NOW + timedelta(hours=1))
    wave = Wave(WaveName("x"), (name,), ServerName("new"), (Address("a@example.co.jp"),), window)
    text = icalendar([wave], "example.co.jp", NOW)
    assert all(len(line.encode()) <= 75 for line in text.split("\r\n"))
    (line,) = [line for line in unfolded(text) if line.startswith("DESCRIPTION:")]
    plain = line.removeprefix("DESCRIPTION:Departments: ")
    assert plain.replace("\\,", ",").replace("\\;", ";").replace("\\\\", "\\") == name
    assert not any(mark in plain.replace("\\\\", "").replace("\\,", "").replace("\\;", "") for mark in (",", ";"))


def test_a_window_before_the_first_day_that_is_still_to_come_is_not_over():
    tonight = Window(datetime(2026, 11, 29, 13, tzinfo=UTC), datetime(2026, 11, 29, 19, tzinfo=UTC))
    existing = {WaveName("a"): Wave(WaveName("a"), ("a",), ServerName("new"), (COMPANY[1].address,), tonight)}
    assert [n.text for n in planned(existing, now=datetime(2026, 11, 29, 9, tzinfo=UTC)).notes] == []
    told = planned(existing, now=datetime(2026, 11, 29, 20, tzinfo=UTC)).notes
    assert [n.text for n in told] == ["wave a: its window is over; change `window:` in its file"]
