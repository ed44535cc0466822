"""What the servers bear: rates, budgets of a day, hours of rest, and their own pleas for patience."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from migrator.dispatch.bucket import Bucket
from migrator.dispatch.clock import Clock
from migrator.dispatch.daybook import DayBook
from migrator.model.doing import HeldBy, Hold
from migrator.model.names import ServerName, neutral
from migrator.model.rates import FULL, Rate, Timetable

ALL = ServerName("*")  # all servers together; no server's name
UNSAID = 10.0  # seconds of patience where a server asks for it and names no time
LONGEST = 300.0  # seconds that a server may ask for


@dataclass(frozen=True, slots=True)
class Budget:
    """What one server bears, or all together."""

    rate: Rate = FULL
    bytes_per_day: int | None = None


@dataclass(slots=True)
class _Meter:
    budget: Budget
    octets: Bucket = field(default_factory=Bucket)
    messages: Bucket = field(default_factory=Bucket)
    patience_until: float = 0.0
    plea: str = ""


class Budgets:
    """Shared by all threads of this process. A message counts for the server it comes from, for the one it goes to, and
    once for all together."""

    def __init__(
        self, budgets: Mapping[ServerName, Budget], timetable: Timetable, daybook: DayBook, clock: Clock
    ) -> None:
        """`budgets`: of every server; with one of ALL, where there is one."""
        self._meters = {name: _Meter(budget) for name, budget in {ALL: Budget(), **budgets}.items()}
        self._timetable, self._daybook, self._clock = timetable, daybook, clock
        self._reopens: datetime | None = None
        self._lock = threading.Lock()

    def spend(self, servers: frozenset[ServerName], messages: int, octets: int, may_rest: bool) -> Hold | None:
        """Take these from the budgets of `servers`, if all of them allow it now; else nothing, and why not.

        `may_rest`: hours of rest and budgets of a day hold this work too.
        """
        with self._lock:
            if hold := self._hold(servers, may_rest):
                return hold
            for name in (*servers, ALL):
                self._meters[name].octets.take(octets)
                self._meters[name].messages.take(messages)
        self._daybook.add((*servers, ALL), messages, octets)
        return None

    def hold(self, servers: frozenset[ServerName], may_rest: bool) -> Hold | None:
        """What holds work with `servers` back now; the longest wait where there are several."""
        with self._lock:
            return self._hold(servers, may_rest)

    def be_patient(self, server: ServerName, seconds: float | None, words: str) -> float | None:
        """A server asks to be left alone, for `seconds` where it says so; how long it will be.

        None when that is no news: it has asked before, and that time is not over.
        """
        meter, asked = self._meters[server], min(UNSAID if seconds is None else seconds, LONGEST)
        with self._lock:
            now = self._clock.monotonic()
            news = meter.patience_until <= now
            if now + asked > meter.patience_until:
                meter.patience_until, meter.plea = now + asked, neutral(words)
        return asked if news else None

    def _hold(self, servers: frozenset[ServerName], may_rest: bool) -> Hold | None:
        names = (*sorted(servers), ALL)
        found = [hold for name in names for hold in self._of(name, may_rest)]
        if may_rest and self._timetable.rate_at(self._clock.now()).stops:
            found.append(self._rest())
        return max(found, key=lambda hold: hold.seconds, default=None)

    def _of(self, name: ServerName, may_rest: bool) -> list[Hold]:
        meter, now, found = self._meters[name], self._clock.monotonic(), list[Hold]()
        rate, whose = self._rate(name), "all servers together" if name == ALL else name
        for bucket, most, key in (
            (meter.octets, rate.bytes_per_second, "bytes_per_second"),
            (meter.messages, rate.messages_per_second, "messages_per_second"),
        ):
            if wait := bucket.wait(now, most):
                found.append(Hold(HeldBy.BUDGET, f"{whose}: {key} {most:,}", wait))
        if may_rest and (day := meter.budget.bytes_per_day) is not None and self._daybook.used(name) >= day:
            found.append(self._spent(whose, day))
        if (left := meter.patience_until - now) > 0:
            until = self._clock.now() + timedelta(seconds=left)
            found.append(Hold(HeldBy.SERVER, f"{whose} asks for patience: {meter.plea}", left, until))
        return found

    def _rate(self, name: ServerName) -> Rate:
        rate = self._meters[name].budget.rate
        if name != ALL:
            return rate
        planned = self._timetable.rate_at(self._clock.now())
        if planned.stops:
            planned = FULL  # what may not rest goes on at the rate of the budget
        return Rate(
            _lower(rate.bytes_per_second, planned.bytes_per_second),
            _lower(rate.messages_per_second, planned.messages_per_second),
        )

    def _spent(self, whose: str, day: int) -> Hold:
        now = self._clock.now()
        until = self._timetable.tomorrow(now)
        return Hold(HeldBy.BUDGET, f"{whose}: bytes_per_day {day:,} used up", (until - now).total_seconds(), until)

    def _rest(self) -> Hold:
        now = self._clock.now()
        if self._reopens is None or not now < self._reopens:  # it is looked for minute by minute: once a rest
            self._reopens = self._timetable.reopens(now)
        until = self._reopens
        assert until is not None  # a plan that stops for good is refused when it is read
        return Hold(HeldBy.WINDOW, "`windows:` stops all copying", (until - now).total_seconds(), until)


def _lower(one: int | None, other: int | None) -> int | None:
    return min((each for each in (one, other) if each is not None), default=None)
