"""How many connections each server bears, shared by all threads of this process."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from migrator.dispatch.clock import Clock, SystemClock
from migrator.model.mailbox import Mailbox
from migrator.model.names import ServerName
from migrator.model.wave import PassKind

FEWEST = 4  # connections that a server keeps, however often it asks for patience: what a pass with one lane needs
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

        `waiting` is called each second while there are not enough; what it raises ends the waiting.
        """
        with self._changed:
            while (granted := self._grant(wanted)) is None:
                waiting()
                self._changed.wait(LOOK)
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
        recovered = max(0, int((self._clock.monotonic() - since) / RECOVERY))  # `since` is ahead while it rests
        return min(most, count + recovered)

    def fits(self, wanted: Mapping[ServerName, int]) -> bool:
        """Whether these would be granted in full, if nobody else had any."""
        with self._changed:
            together = self._together is None or sum(wanted.values()) <= self._together
            return together and self._granted(wanted) == wanted

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
        used = sum(self._used.values())
        if self._together is not None and used and used + sum(granted.values()) > self._together:
            free = False  # what is more than all may have together waits until it is alone
        return granted if free else None

    def _granted(self, wanted: Mapping[ServerName, int]) -> dict[ServerName, int]:
        return {server: min(count, self.limit(server)) for server, count in wanted.items()}

    def _add(self, slots: Mapping[ServerName, int], sign: int) -> None:
        for server, count in slots.items():
            self._used[server] += sign * count


def connections(mailbox: Mailbox, kind: PassKind, lanes: int) -> dict[ServerName, int]:
    """The connections that a pass opens at most, a server.

    A lane has one on each side. Where messages are staged there is one lane, with a second connection that moves them;
    and the lease on the target is renewed over one of its own.
    """
    moving = max(lanes, 2)
    source = moving if kind is PassKind.REVERSE else lanes
    target = 1 + (lanes if kind is PassKind.REVERSE else moving)
    if mailbox.source == mailbox.target:
        return {mailbox.source: source + target}
    return {mailbox.source: source, mailbox.target: target}


def one_each(mailbox: Mailbox) -> dict[ServerName, int]:
    """The connections of what only reads on both sides."""
    return {mailbox.source: 2} if mailbox.source == mailbox.target else {mailbox.source: 1, mailbox.target: 1}
