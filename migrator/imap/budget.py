"""How many connections a server may have to bear at once, over all workers of this process."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from migrator.model.names import ServerName


class ConnectionBudget:
    """One counter a server; `limits` gives the number of connections that may be open at once."""

    def __init__(self, limits: Mapping[ServerName, int]) -> None:
        self._slots = {server: threading.BoundedSemaphore(limit) for server, limit in limits.items()}

    @contextmanager
    def slot(self, server: ServerName) -> Iterator[None]:
        """Hold one connection's place, waiting for it where all are taken."""
        with self._slots[server]:
            yield
