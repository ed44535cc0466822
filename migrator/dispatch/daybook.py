"""What was moved today, by this run and others: for budgets of a day."""

import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Protocol

from migrator.dispatch.clock import Clock
from migrator.model.names import ServerName
from migrator.model.rates import Timetable


class Sums(Protocol):
    """Sums by day and server that outlive this process (`state.spent`)."""

    def add(self, day: str, moved: Mapping[ServerName, tuple[int, int]]) -> None: ...
    def on(self, day: str) -> Mapping[ServerName, int]: ...


class DayBook:
    """Counts in memory; `write` puts it into the state, and learns what other runs have moved.

    A process that is killed loses what it has counted since its last `write`.
    """

    def __init__(self, sums: Sums, timetable: Timetable, clock: Clock) -> None:
        self._sums, self._timetable, self._clock = sums, timetable, clock
        self._lock = threading.Lock()
        self._new: dict[str, dict[ServerName, tuple[int, int]]] = {}
        self._known: Mapping[ServerName, int] = sums.on(self._today())
        self._known_day = self._today()

    def add(self, servers: Iterable[ServerName], messages: int, octets: int) -> None:
        """Count these to each of the servers."""
        with self._lock:
            counted = self._new.setdefault(self._today(), defaultdict(lambda: (0, 0)))
            for server in servers:
                before = counted[server]
                counted[server] = (before[0] + octets, before[1] + messages)

    def used(self, server: ServerName) -> int:
        """Octets of today."""
        day = self._today()
        with self._lock:
            known = self._known.get(server, 0) if day == self._known_day else 0
            return known + self._new.get(day, {}).get(server, (0, 0))[0]

    def write(self) -> None:
        """Put what is new into the state. On an error it stays here, for the next time."""
        with self._lock:
            for day in sorted(self._new):
                self._sums.add(day, self._new[day])
                del self._new[day]
                self._known, self._known_day = {}, ""  # until it is read again below
            today = self._today()
            self._known, self._known_day = self._sums.on(today), today

    def _today(self) -> str:
        return self._timetable.day(self._clock.now())
