"""When waves may be cut over: the openings of a calendar, by the wall clock of a zone, and who gets which."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from migrator.model.names import WaveName
from migrator.model.wave import Wave, Window

HORIZON = 730  # days that are looked at


@dataclass(frozen=True, slots=True)
class Opening:
    """From minute `start` of a day (0 to 1440) to minute `end`, of the next day where that is not later.

    `days` are those on which it begins (0 is Monday). A holiday is none of them: it counts where `holidays` is set.
    """

    start: int
    end: int
    days: frozenset[int]
    holidays: bool = False

    def begins(self, day: date, holiday: bool) -> bool:
        return self.holidays if holiday else day.weekday() in self.days


@dataclass(frozen=True, slots=True)
class Blackout:
    """Days, both included, of which no window may touch any."""

    first: date
    last: date
    why: str = ""

    def touches(self, window: Window, zone: tzinfo) -> bool:
        start, end = window.start.astimezone(zone), window.end.astimezone(zone) - timedelta(microseconds=1)
        return start.date() <= self.last and self.first <= end.date()


@dataclass(frozen=True, slots=True)
class Calendar:
    """`after`: windows begin later than this aware instant. `together`: how many waves may share a window.

    `now`: what ended before it is over; None: as `after`.
    """

    after: datetime
    openings: tuple[Opening, ...]
    zone: tzinfo = UTC
    holidays: frozenset[date] = field(default_factory=frozenset)
    blackouts: tuple[Blackout, ...] = ()
    together: int = 1
    now: datetime | None = None

    def windows(self) -> Iterator[Window]:
        """All windows, in the order of their beginning."""
        first = self.after.astimezone(self.zone).date()
        for number in range(HORIZON):
            day = first + timedelta(days=number)
            found = [_window(one, day, self.zone) for one in self.openings if one.begins(day, day in self.holidays)]
            for window in sorted(found, key=lambda one: (one.start, one.end)):
                # a window that lies in the hour that a change of clocks leaves out takes no time
                if self.after < window.start < window.end and not self.blackout(window):
                    yield window

    def blackout(self, window: Window) -> Blackout | None:
        """The blackout that `window` touches."""
        return next((one for one in self.blackouts if one.touches(window, self.zone)), None)


def _window(opening: Opening, day: date, zone: tzinfo) -> Window:
    later = opening.end <= opening.start
    return Window(_instant(day, opening.start, zone), _instant(day + timedelta(days=later), opening.end, zone))


def _instant(day: date, minute: int, zone: tzinfo) -> datetime:
    """By the wall clock; a time that a change of clocks leaves out is the one that the clock shows instead."""
    day, minute = day + timedelta(days=minute // 1440), minute % 1440
    wall = datetime.combine(day, time(minute // 60, minute % 60), zone)
    return wall.astimezone(UTC).astimezone(zone)


def allot(
    waves: Iterable[Wave], calendar: Calendar, fixed: frozenset[WaveName], pilot: str | None
) -> dict[WaveName, Window | None]:
    """A window for each of `waves` (in the order in which they should run) that has none; None: there is none left.

    Those there are stay. Waves of the pilot department come before those that get a window now.
    """
    waves = tuple(waves)
    taken = [wave.window for wave in waves if wave.window]
    found: dict[WaveName, Window | None] = {}
    windows, room = calendar.windows(), 0
    window: Window | None = None
    pilot_ends = max((w.window.end for w in waves if w.window and pilot in w.departments), default=None)
    for wave in waves:
        if wave.window or wave.name in fixed:
            continue
        while (
            window is None or room <= 0 or (pilot_ends and pilot not in wave.departments and window.start < pilot_ends)
        ):
            window = next(windows, None)
            if window is None:
                break
            room = calendar.together - sum(_overlap(window, other) for other in taken)
        found[wave.name] = window
        if window is not None:
            taken.append(window)
            room -= 1
            if pilot in wave.departments:
                pilot_ends = max(pilot_ends or window.end, window.end)
    return found


def _overlap(one: Window, other: Window) -> bool:
    return one.start < other.end and other.start < one.end


def outdated(
    waves: Mapping[WaveName, Wave], calendar: Calendar, fixed: frozenset[WaveName]
) -> Iterator[tuple[Wave, str]]:
    """Waves that have not begun and whose window is over, or touches a blackout; and what is the matter."""
    for wave in waves.values():
        if wave.window is None or wave.name in fixed:
            continue
        if wave.window.end <= (calendar.now or calendar.after):
            yield wave, "its window is over"
        elif black := calendar.blackout(wave.window):
            why = f" ({black.why})" if black.why else ""
            yield wave, f"its window touches the blackout from {black.first} to {black.last}{why}"
