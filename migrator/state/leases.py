"""Leases: skeleton."""

from datetime import timedelta

from migrator.state.records import Actor, Lease


class Leases:
    """One holder a key at a time. The fence grows with each acquisition, so that a stale holder can be told."""

    def acquire(self, key: str, actor: Actor, ttl: timedelta) -> Lease:
        """Take the lease: it was free, has expired, or its holder is surely dead. Raises Locked, naming the holder."""
        raise NotImplementedError

    def renew(self, lease: Lease) -> Lease:
        """The same lease with `expires` moved to now + ttl. Raises LeaseLost when it is another's or released."""
        raise NotImplementedError

    def release(self, lease: Lease) -> None:
        """Give it back; no effect when it is not ours any more."""
        raise NotImplementedError

    def holder(self, key: str) -> Lease | None:
        """Who holds it now; None when nobody does or the lease has expired."""
        raise NotImplementedError
