"""How many connections each server bears, shared by all threads of this process."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from migrator.model.names import ServerName


class ConnectionBudget:
    """Connection slots a server. All slots of a job are taken at once, so that two jobs cannot wait for each other."""

    def __init__(self, limits: Mapping[ServerName, int]) -> None:
        """`limits`: connections a server, each at least 1."""
        self._limits = dict(limits)
        self._free = dict(limits)
        self._changed = threading.Condition()

    @contextmanager
    def slots(self, wanted: Mapping[ServerName, int]) -> Iterator[Mapping[ServerName, int]]:
        """Wait for the slots in `wanted` and hold them; yields what was granted (never more than a server's limit)."""
        granted = {server: min(count, self._limits[server]) for server, count in wanted.items()}
        with self._changed:
            self._changed.wait_for(lambda: all(self._free[s] >= n for s, n in granted.items()))
            self._add(granted, -1)
        try:
            yield granted
        finally:
            with self._changed:
                self._add(granted, +1)
                self._changed.notify_all()

    def _add(self, slots: Mapping[ServerName, int], sign: int) -> None:
        for server, count in slots.items():
            self._free[server] += sign * count
