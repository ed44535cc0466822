"""All servers of the demo, in one thread of this process: they cannot outlive it."""

import asyncio
import threading
from collections.abc import Coroutine, Iterable
from concurrent.futures import Future
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from demo.imap import MailServer
from demo.smtp import LocalDelivery, Mta

T = TypeVar("T")
START_TIMEOUT = 30.0  # seconds


class MailSystem:
    """The old server with an MTA of its own, the new server, and the gateway before both. Use it in a `with` block.

    Outside mail comes to the gateway, inside mail (printers, web forms, colleagues) to the old server's MTA; each
    decides by its own map, so both must be flipped.
    """

    def __init__(self, maps: Path, users: Iterable[str], password: str) -> None:
        known = tuple(users)
        self.gateway_map, self.old_map = maps / "gateway-transport", maps / "old-transport"
        self.old, self.new = MailServer("old", known, password), MailServer("new", known, password)
        self.gateway = Mta("gateway.example.co.jp", self.gateway_map)
        self.old_mta = Mta("old.example.co.jp", self.old_map, self.old)
        self.new_lmtp = LocalDelivery("new.example.co.jp", local=self.new)
        self._ready: Future[asyncio.AbstractEventLoop] = Future()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="mail system", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._loop = self._ready.result(START_TIMEOUT)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(5)

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` where the servers are, and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    @property
    def ingresses(self) -> dict[str, int]:
        """Where mail enters: the name in migrator.yaml and the port."""
        return {"gateway": self.gateway.port, "old-mta": self.old_mta.port}

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            if self._ready.done():
                raise
            self._ready.set_exception(error)

    async def _serve(self) -> None:
        async with AsyncExitStack() as stack:
            for server in (self.old, self.new, self.old_mta, self.new_lmtp, self.gateway):
                await server.start(stack)
            self._ready.set_result(asyncio.get_running_loop())
            await self._stop.wait()
