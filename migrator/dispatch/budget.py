"""How many connections each server bears, shared by all threads of this process."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from migrator.dispatch.clock import Clock, SystemClock
from migrator.model.names import ServerName

FEWEST = 4  # connections that a server keeps, however often it asks for patience: what one mailbox needs at most
RECOVERY = 60.0  # seconds after which it gets one connection more again
LOOK = 1.0  # seconds between two looks whether it has


class ConnectionBudget:
    """Connection slots a server. All slots of a job are taken at once, so that two jobs cannot wait for each other."""

    def __init__(
        self, limits: Mapping[ServerName, int], together: int | None = None, clock: Clock | None = None
    ) -> None:
        """`limits`: connections a server, each at least 1; `together`: of all servers (None: no limit)."""
        self._limits = dict(limits)
        self._together = together
        self._used = dict.fromkeys(limits, 0)
        self._reduced: dict[ServerName, tuple[int, float]] = {}  # to how many, and since when
        self._clock = clock or SystemClock()
        self._changed = threading.Condition()

    @contextmanager
    def slots(
        self, wanted: Mapping[ServerName, int], waiting: Callable[[], None] = lambda: None
    ) -> Iterator[Mapping[ServerName, int]]:
        """Wait for the slots in `wanted` and hold them; yields what was granted (never more than a server's limit).

        `waiting` is called once, when there are not enough.
        """
        with self._changed:
            if (granted := self._grant(wanted)) is None:
                waiting()
            while granted is None:
                self._changed.wait(LOOK)
                granted = self._grant(wanted)
            self._add(granted, +1)
        try:
            yield granted
        finally:
            with self._changed:
                self._add(granted, -1)
                self._changed.notify_all()

    def limit(self, server: ServerName) -> int:
        """How many connections the server gets now: after it has asked for patience fewer, and then one more a time."""
        most = self._limits[server]
        if server not in self._reduced:
            return most
        count, since = self._reduced[server]
        return min(most, count + int((self._clock.monotonic() - since) / RECOVERY))

    def fits(self, wanted: Mapping[ServerName, int]) -> bool:
        """Whether these would be granted in full, if nobody else had any."""
        with self._changed:
            return self._granted(wanted) == wanted

    def ease(self, server: ServerName, rest: float = 0.0) -> int:
        """Give the server half as many from now on, as it asked for patience for `rest` seconds; how many that is."""
        with self._changed:
            fewer = max(self.limit(server) // 2, min(FEWEST, self._limits[server]))
            self._reduced[server] = (fewer, self._clock.monotonic() + rest)
            return fewer

    def _grant(self, wanted: Mapping[ServerName, int]) -> dict[ServerName, int] | None:
        """What is granted, if it is free now."""
        granted = self._granted(wanted)
        free = all(self._used[server] + count <= self.limit(server) for server, count in granted.items())
        if self._together is not None and sum(self._used.values()) + sum(granted.values()) > self._together:
            free = False
        return granted if free else None

    def _granted(self, wanted: Mapping[ServerName, int]) -> dict[ServerName, int]:
        share = self._together // len(wanted) if self._together is not None else None
        return {s: max(1, min(n, self.limit(s), n if share is None else share)) for s, n in wanted.items()}

    def _add(self, slots: Mapping[ServerName, int], sign: int) -> None:
        for server, count in slots.items():
            self._used[server] += sign * count
