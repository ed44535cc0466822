"""A slow wire: a TCP proxy that delays each direction, counts, and delivers what a dead client had already sent."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, cast

WINDOW = 16 << 20
"""Octets that may be on their way in one direction of a connection; a sender waits when there are more."""


@dataclass(frozen=True)
class LinkCounts:
    """What went over one connection. `round_trips`: how often the client spoke after it had been told something (its
    first words count too), so at least as often as it waited for an answer."""

    round_trips: int
    octets_up: int
    octets_down: int


@dataclass(frozen=True)
class Counts:
    """What went over a proxy: one entry a connection, in the order in which they were made, ended ones included."""

    links: tuple[LinkCounts, ...]

    @property
    def connections(self) -> int:
        return len(self.links)

    @property
    def round_trips(self) -> int:
        return sum(link.round_trips for link in self.links)

    @property
    def octets_up(self) -> int:
        return sum(link.octets_up for link in self.links)

    @property
    def octets_down(self) -> int:
        return sum(link.octets_down for link in self.links)

    def since(self, earlier: Counts) -> Counts:
        """What was added after `earlier` was taken from the same proxy; connections that said nothing are left out."""
        pad = (LinkCounts(0, 0, 0),) * (len(self.links) - len(earlier.links))
        grown = [
            LinkCounts(
                now.round_trips - was.round_trips, now.octets_up - was.octets_up, now.octets_down - was.octets_down
            )
            for now, was in zip(self.links, earlier.links + pad, strict=True)
        ]
        return Counts(tuple(link for link in grown if link != LinkCounts(0, 0, 0)))


class DelayProxy:
    """Forwards `host`:`port` (its own) to a target; bytes come out `delay` seconds after they went in, and to connect
    takes the time of one round trip, as on a real wire (it is not counted as one).

    A client that dies does not take its bytes along: the target gets all of them, then the end of the connection, each
    after the delay. That is how an APPEND can land seconds after the death of the client that sent it.
    `delay_up` (client to target) and `delay_down` may be changed at any time; they hold for what comes in from then on.

    To count what a piece of work costs:

        before = proxy.counts()
        work()
        cost = proxy.counts().since(before)
        assert cost.round_trips <= 6
    """

    def __init__(
        self, target: tuple[str, int], delay_up: float = 0.0, delay_down: float = 0.0, host: str = "127.0.0.1"
    ) -> None:
        self.target, self.delay_up, self.delay_down = target, delay_up, delay_down
        self.host, self.port = host, 0
        self._links: list[_Link] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._server: asyncio.Server | None = None

    def start(self) -> DelayProxy:
        """Listen on a free port of 127.0.0.1."""
        self._thread.start()
        self._server = self._await(self._loop.create_server(lambda: _Link(self).up, self.host, 0))
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def counts(self) -> Counts:
        """What has gone over it so far."""
        return Counts(tuple(link.counts() for link in list(self._links)))

    @property
    def round_trips(self) -> int:
        return self.counts().round_trips

    @property
    def connections(self) -> int:
        return self.counts().connections

    @property
    def octets_up(self) -> int:
        return self.counts().octets_up

    @property
    def octets_down(self) -> int:
        return self.counts().octets_down

    @property
    def in_flight(self) -> int:
        """Connections of which at least one side is still open or has bytes on their way."""
        return sum(link.open for link in list(self._links))

    def cut(self) -> None:
        """Break all connections now; bytes on their way are lost, as when a router forgets its state."""
        self._await(self._cut())

    def stop(self) -> None:
        """Break all connections and stop listening."""
        self.cut()
        assert self._server is not None
        self._loop.call_soon_threadsafe(self._server.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> DelayProxy:
        return self.start()

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def _await(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _cut(self) -> None:
        for link in self._links:
            link.cut()
        await asyncio.sleep(0)


class _Link:
    """One proxied connection: `up` hears the client, `down` hears the server."""

    def __init__(self, proxy: DelayProxy) -> None:
        self.proxy, self.round_trips, self.told = proxy, 0, True
        self.up, self.down = _Lane(self), _Lane(self)
        self.up.other, self.down.other = self.down, self.up

    @property
    def open(self) -> bool:
        return not (self.up.gone and self.down.gone)

    def counts(self) -> LinkCounts:
        return LinkCounts(self.round_trips, self.up.octets, self.down.octets)

    def delay(self, lane: _Lane) -> float:
        return self.proxy.delay_up if lane is self.up else self.proxy.delay_down

    def client_spoke(self) -> None:
        self.round_trips += self.told
        self.told = False

    async def connect(self) -> None:
        """To the target. Where that is impossible the client is cut off."""
        await asyncio.sleep(self.proxy.delay_up)  # so that the greeting is there after one round trip
        try:
            await self.proxy._loop.create_connection(lambda: self.down, *self.proxy.target)
        except OSError:
            self.down.gone = True
            self.cut()

    def cut(self) -> None:
        for lane in (self.up, self.down):
            lane.line.clear()
            if lane.transport and not lane.gone:
                lane.transport.abort()


class _Lane(asyncio.Protocol):
    """One direction: hears its own side at once, tells the other side when it is due."""

    other: _Lane

    def __init__(self, link: _Link) -> None:
        self.link = link
        self.loop = link.proxy._loop
        self.transport: asyncio.Transport | None = None
        self.line: deque[tuple[float, bytes]] = deque()  # when due, and what; nothing: the end
        self.octets = self.on_the_way = 0
        self.ended = self.gone = self.full = False
        self.timer: asyncio.TimerHandle | None = None
        self.last_due = 0.0

    # what this side says

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        if self is self.link.up:
            proxy = self.link.proxy
            proxy._links.append(self.link)
            # the client's first octets leave when it is connected, whatever the kernel tells it
            self.last_due = self.loop.time() + proxy.delay_up + proxy.delay_down + proxy.delay_up
            self.connecting = self.loop.create_task(self.link.connect())
        else:
            self.other.deliver()  # what the client said meanwhile

    def data_received(self, data: bytes) -> None:
        self.octets += len(data)
        if self is self.link.up:
            self.link.client_spoke()
        self._send(data)

    def eof_received(self) -> bool:
        self._end()
        return True  # what is on its way to this side still gets there

    def connection_lost(self, error: Exception | None) -> None:
        self.gone = True
        self._end()  # a reset is an end: what came before it is delivered

    def _end(self) -> None:
        if not self.ended:
            self.ended = True
            self._send(b"")

    def _send(self, data: bytes) -> None:
        self.last_due = max(self.last_due, self.loop.time() + self.link.delay(self))
        self.line.append((self.last_due, data))
        self.on_the_way += len(data)
        if self.timer is None:
            self.deliver()

    # what the other side hears

    def deliver(self) -> None:
        """Hand over what is due; come back for the rest."""
        self.timer = None
        there = self.other.transport
        while there and self.line and not self.full:
            due, data = self.line[0]
            if due > self.loop.time():
                self.timer = self.loop.call_at(due, self.deliver)
                break
            self.line.popleft()
            self.on_the_way -= len(data)
            if not data:
                there.close()
            elif not there.is_closing():
                self.link.told |= self is self.link.down
                there.write(data)
        self._hold_back()

    def pause_writing(self) -> None:
        self.other.full = True

    def resume_writing(self) -> None:
        self.other.full = False
        if self.other.timer is None:
            self.other.deliver()

    def _hold_back(self) -> None:
        """Stop listening to a side that is too far ahead, and listen again."""
        if self.transport is None or self.ended or self.transport.is_closing():
            return
        if self.on_the_way > WINDOW:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()
