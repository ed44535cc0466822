"""What was moved today, by this run and others: for budgets of a day."""

import threading
from collections.abc import Iterable, Mapping
from typing import Protocol

from migrator.dispatch.clock import Clock
from migrator.model.names import ServerName
from migrator.model.rates import Timetable

Moved = dict[ServerName, tuple[int, int]]  # octets and messages


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
        self._new: dict[str, Moved] = {}
        self._written: dict[str, Moved] = {}  # on its way into the state
        self._known: Mapping[ServerName, int] = sums.on(self._today())
        self._known_day = self._today()

    def add(self, servers: Iterable[ServerName], messages: int, octets: int) -> None:
        """Count these to each of the servers."""
        with self._lock:
            _count(self._new, self._today(), dict.fromkeys(servers, (octets, messages)))

    def used(self, server: ServerName) -> int:
        """Octets of today."""
        day = self._today()
        with self._lock:
            known = self._known.get(server, 0) if day == self._known_day else 0
            return known + sum(book.get(day, {}).get(server, (0, 0))[0] for book in (self._new, self._written))

    def write(self) -> None:
        """Put what is new into the state. On an error it stays here, for the next time. One thread does it.

        The lock is not held meanwhile: that may take as long as the state's other writers do.
        """
        with self._lock:
            self._new, self._written = {}, self._new
        try:
            for day in sorted(self._written):
                self._sums.add(day, self._written[day])
                self._is_written(day)
            today = self._today()
            known = self._sums.on(today)
            with self._lock:
                self._known, self._known_day = known, today
        finally:
            with self._lock:
                for day, moved in self._written.items():
                    _count(self._new, day, moved)
                self._written = {}

    def _is_written(self, day: str) -> None:
        with self._lock:
            moved = self._written.pop(day)
            if day == self._known_day:
                octets = {server: self._known.get(server, 0) + more for server, (more, _) in moved.items()}
                self._known = {**self._known, **octets}

    def _today(self) -> str:
        return self._timetable.day(self._clock.now())


def _count(book: dict[str, Moved], day: str, moved: Moved) -> None:
    counted = book.setdefault(day, {})
    for server, (octets, messages) in moved.items():
        before = counted.get(server, (0, 0))
        counted[server] = (before[0] + octets, before[1] + messages)
