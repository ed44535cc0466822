"""A slow wire: a TCP proxy that delays each direction, and delivers what a dead client had already sent."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from dataclasses import dataclass, field

CHUNK = 1 << 18


@dataclass
class _Link:
    """One proxied connection."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    last: str = ""
    tasks: list[asyncio.Task[None]] = field(default_factory=list)


class DelayProxy:
    """Forwards `host`:`port` (its own) to a target; bytes come out `delay` seconds after they went in.

    A client that dies does not take its bytes along: the target gets all of them, then the end of the connection, each
    after the delay. That is how an APPEND can land seconds after the death of the client that sent it.
    `delay_up` (client to target) and `delay_down` may be changed at any time; they hold for what comes in from then on.
    `round_trips` counts how often a client spoke after the target had; `connections` all connections made.
    """

    def __init__(self, target: tuple[str, int], delay_up: float = 0.0, delay_down: float = 0.0) -> None:
        self.target, self.delay_up, self.delay_down = target, delay_up, delay_down
        self.host, self.port = "127.0.0.1", 0
        self.round_trips = self.connections = self.octets_up = self.octets_down = 0
        self._links: list[_Link] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._server: asyncio.Server | None = None

    def start(self) -> DelayProxy:
        """Listen on a free port of 127.0.0.1."""
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def cut(self) -> None:
        """Break all connections now; bytes on their way are lost, as when a router forgets its state."""
        asyncio.run_coroutine_threadsafe(self._cut(), self._loop).result()

    def stop(self) -> None:
        """Break all connections and stop listening."""
        self.cut()
        assert self._server is not None
        self._loop.call_soon_threadsafe(self._server.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def in_flight(self) -> int:
        """Connections of which at least one side is still open or has bytes on their way."""
        return len(self._links)

    def __enter__(self) -> DelayProxy:
        return self.start()

    def __exit__(self, *exception: object) -> None:
        self.stop()

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(self._accept, self.host, 0)

    async def _cut(self) -> None:
        for link in self._links:
            link.client.transport.abort()
            link.server.transport.abort()
            for task in link.tasks:
                task.cancel()
        await asyncio.sleep(0)

    async def _accept(self, client_reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        try:
            server_reader, server = await asyncio.open_connection(*self.target)
        except OSError:
            client.transport.abort()
            return
        self.connections += 1
        link = _Link(client, server)
        self._links.append(link)
        link.tasks += [asyncio.create_task(self._pump("up", link, client_reader, server))]
        link.tasks += [asyncio.create_task(self._pump("down", link, server_reader, client))]
        await asyncio.gather(*link.tasks, return_exceptions=True)
        self._links.remove(link)

    async def _pump(
        self, direction: str, link: _Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Move one direction: read at once, write when due."""
        line: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        delivery = asyncio.create_task(self._deliver(line, writer))
        link.tasks.append(delivery)
        data = b"start"
        while data:
            try:
                data = await reader.read(CHUNK)
            except OSError:
                data = b""  # a reset is an end: what came before it is delivered
            self._count(direction, link, len(data))
            delay = self.delay_up if direction == "up" else self.delay_down
            await line.put((self._loop.time() + delay, data))
        await delivery

    async def _deliver(self, line: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        while True:
            due, data = await line.get()
            await asyncio.sleep(max(0.0, due - self._loop.time()))
            with contextlib.suppress(OSError):
                if not data:
                    writer.close()
                    return
                writer.write(data)
                await writer.drain()

    def _count(self, direction: str, link: _Link, octets: int) -> None:
        if octets and direction == "up":
            self.octets_up += octets
            self.round_trips += link.last != "up"
        self.octets_down += octets if direction == "down" else 0
        link.last = direction if octets else link.last
