"""How fast mail may be copied at which hour: full speed at night, slow by day. Pure; the time is given."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

MINUTE = timedelta(minutes=1)
# A weekly plan has shown all of itself by then: an hour that a clock change takes comes a week later.
LONGEST = timedelta(days=15)
EVERY_DAY = frozenset(range(7))


@dataclass(frozen=True, slots=True)
class Rate:
    """What may be copied in a second; None: as much as can be. Zero octets: nothing at all."""

    bytes_per_second: int | None = None
    messages_per_second: int | None = None

    @property
    def stops(self) -> bool:
        """Whether nothing may be copied."""
        return self.bytes_per_second == 0


FULL = Rate()
STOP = Rate(0, 0)


@dataclass(frozen=True, slots=True)
class RateWindow:
    """A rate from minute `start` to before minute `end` of the day (0 to 1440), as the wall clock shows it.

    With `end` before `start` it goes on past midnight. `days` are those on which it begins (0 is Monday).
    """

    start: int
    end: int
    rate: Rate
    days: frozenset[int] = EVERY_DAY

    def covers(self, wall: datetime) -> bool:
        """Whether the wall clock `wall` lies in it."""
        minute, day = wall.hour * 60 + wall.minute, wall.weekday()
        if self.start < self.end:
            return self.start <= minute < self.end and day in self.days
        return (minute >= self.start and day in self.days) or (minute < self.end and (day - 1) % 7 in self.days)


@dataclass(frozen=True, slots=True)
class Timetable:
    """Rates by the wall clock of `zone`. The first window that covers a moment holds; full speed where none does.

    When the clocks change, a window is as much longer or shorter as its wall clock says: each moment has one wall clock
    time, and that is what is looked at.
    """

    zone: tzinfo = UTC
    windows: tuple[RateWindow, ...] = ()

    def rate_at(self, instant: datetime) -> Rate:
        """The rate at an aware `instant`."""
        wall = instant.astimezone(self.zone)
        return next((window.rate for window in self.windows if window.covers(wall)), FULL)

    def reopens(self, instant: datetime) -> datetime | None:
        """The first whole minute from `instant` on at which something may be copied; None when there is none."""
        return next((at for at in _minutes(instant) if not self.rate_at(at).stops), None)

    def day(self, instant: datetime) -> str:
        """The day (ISO date) of `instant` in the zone: what a day's budget is counted on."""
        return instant.astimezone(self.zone).date().isoformat()

    def tomorrow(self, instant: datetime) -> datetime:
        """The first moment of the next day in the zone."""
        date = instant.astimezone(self.zone).date()
        midnight = datetime.combine(date + timedelta(days=1), datetime.min.time(), self.zone)
        return midnight.astimezone(UTC)


def _minutes(instant: datetime) -> Iterator[datetime]:
    """`instant`, and then each whole minute for as long as a weekly plan can take to show all of itself."""
    at = instant.astimezone(UTC)
    yield at
    whole = at.replace(second=0, microsecond=0)
    for count in range(1, LONGEST // MINUTE + 1):
        yield whole + count * MINUTE
