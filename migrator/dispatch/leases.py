"""Leases that stay alive while their work lasts."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import TracebackType

from migrator.model.errors import MigratorError
from migrator.state import Store
from migrator.state.records import Actor, Lease


class LeaseKeeper:
    """Takes leases and renews them, from one thread, three times in each lifetime.

    A lease that is lost is not renewed again: the next write under it is refused by its fence, which is what stops
    the work; renewing is only a courtesy to the others.
    """

    def __init__(self, store: Store, actor: Actor, ttl: timedelta) -> None:
        self._store, self._actor, self._ttl = store, actor, ttl
        self._held: dict[str, Lease] = {}
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._renew_all, name="leases", daemon=True)

    def __enter__(self) -> "LeaseKeeper":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    @contextmanager
    def hold(self, key: str) -> Iterator[Lease]:
        """Hold the lease `key`. Raises Locked, naming the holder, when somebody else has it."""
        lease = self._store.leases.acquire(key, self._actor, self._ttl)
        with self._lock:
            self._held[key] = lease
        try:
            yield lease
        finally:
            with self._lock:
                self._held.pop(key, None)
            self._store.leases.release(lease)

    def _renew_all(self) -> None:
        while not self._over.wait(self._ttl.total_seconds() / 3):
            with self._lock:
                held = dict(self._held)
            for key, lease in held.items():
                self._renew(key, lease)

    def _renew(self, key: str, lease: Lease) -> None:
        try:
            renewed = self._store.leases.renew(lease)
        except MigratorError:
            return  # the fence refuses what comes after
        with self._lock:
            if key in self._held:
                self._held[key] = renewed
