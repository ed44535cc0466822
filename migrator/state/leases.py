"""Leases: who works on what, so that two never do."""

from datetime import datetime, timedelta

from sqlalchemy import Connection

from migrator.model.errors import Locked
from migrator.model.names import Address, WaveName
from migrator.state import journal
from migrator.state.audit import append
from migrator.state.engine import Database
from migrator.state.errors import LeaseLost
from migrator.state.process import identity, is_gone
from migrator.state.records import Actor, Lease
from migrator.state.text import for_update, now, read_time, run, written

_MAKE = """
INSERT INTO lease (key, fence, held, "user", host, pid, command, process, since, expires, ttl_seconds)
VALUES (?, 0, ?, '', '', 0, '', '', ?, ?, 0) ON CONFLICT (key) DO NOTHING
"""
_FIND = 'SELECT fence, held, "user", host, pid, command, process, since, expires, ttl_seconds FROM lease WHERE key = ?'
_GIVE = """
UPDATE lease SET fence = ?, held = ?, "user" = ?, host = ?, pid = ?, command = ?, process = ?, since = ?, expires = ?,
    ttl_seconds = ?
WHERE key = ?
"""
_OURS = "WHERE key = ? AND fence = ? AND held"  # `fence` alone tells one holder from the next
_RENEW = f"UPDATE lease SET expires = ? {_OURS}"
_RELEASE = f"UPDATE lease SET held = ? {_OURS}"


class Leases:
    """One holder a key at a time. The fence grows with each acquisition, so that a stale holder can be told."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def acquire(self, key: str, actor: Actor, ttl: timedelta) -> Lease:
        """Take the lease: it was free, has expired, or its holder is surely dead. Raises Locked, naming the holder.

        Not re-entrant: a process that holds the key is told so. A takeover is in the audit log.
        """
        with self._database.write_text() as connection:  # a power cut that undoes it has ended the holder, too
            at = now(connection)
            run(connection, _MAKE, key, False, written(connection, at), written(connection, at))
            found = _find(connection, key, lock=True)
            assert found is not None, f"the row of {key} was made in this transaction"
            was, held, process = found
            if held and not _is_free(was, process, at):
                raise _locked(was)
            if held:
                _audit_takeover(connection, was, actor, at)
            lease = Lease(key, was.fence + 1, actor, at, at + ttl, ttl)
            _give(connection, lease)
            return lease

    def renew(self, lease: Lease) -> Lease:
        """The same lease with `expires` moved to now + ttl. Raises LeaseLost when it is another's or released."""
        with self._database.write_text() as connection:
            expires = now(connection) + lease.ttl
            if not run(connection, _RENEW, written(connection, expires), lease.key, lease.fence).rowcount:
                raise _lost(connection, lease)
            return Lease(lease.key, lease.fence, lease.holder, lease.since, expires, lease.ttl)

    def release(self, lease: Lease) -> None:
        """Give it back; no effect when it is not ours any more."""
        with self._database.write_text() as connection:
            run(connection, _RELEASE, False, lease.key, lease.fence)

    def holder(self, key: str) -> Lease | None:
        """Who holds it now; None when nobody does, the lease has expired, or the holder is surely dead."""
        with self._database.read_text() as connection:
            found = _find(connection, key)
            if found is None:
                return None
            lease, held, process = found
            return lease if held and not _is_free(lease, process, now(connection)) else None


def require(connection: Connection, lease: Lease) -> None:
    """Refuse (LeaseLost) unless the lease is still ours; nobody can take it before this transaction ends."""
    if not journal.holds(connection, lease):
        raise _lost(connection, lease)


def _find(connection: Connection, key: str, lock: bool = False) -> tuple[Lease, bool, str] | None:
    """The last lease of `key`, whether it is held, and its holder's `process.identity`."""
    row = run(connection, _FIND + (for_update(connection) if lock else ""), key).first()
    if row is None:
        return None
    fence, held, user, host, pid, command, process, since, expires, seconds = row
    holder = Actor(user, host, pid, command)
    lease = Lease(key, fence, holder, read_time(since), read_time(expires), timedelta(seconds=seconds))
    return lease, bool(held), process


def _is_free(lease: Lease, process: str, at: datetime) -> bool:
    """Whether a held lease may be taken: expired, or the holder, a process of this host, is surely dead."""
    return lease.expires <= at or is_gone(lease.holder.pid, process)


def _give(connection: Connection, lease: Lease) -> None:
    who = lease.holder
    run(
        connection, _GIVE, lease.fence, True, who.user, who.host, who.pid, who.command, identity(who.pid) or "",
        written(connection, lease.since), written(connection, lease.expires), lease.ttl.total_seconds(), lease.key,
    )  # fmt: skip


def _audit_takeover(connection: Connection, was: Lease, actor: Actor, at: datetime) -> None:
    kind, _, name = was.key.partition(":")
    holder = f"{was.holder.user}@{was.holder.host}, pid {was.holder.pid}"
    append(
        connection,
        actor,
        "lease taken over",
        at,
        wave=WaveName(name) if kind == "wave" else None,
        mailbox=Address(name) if kind == "mailbox" else None,
        detail={"key": was.key, "from": holder, "expired": was.expires.isoformat()},
    )


def _locked(lease: Lease) -> Locked:
    holder = lease.holder
    return Locked(
        f"{lease.key.replace(':', ' ', 1)} is being worked on by {holder.user} on {holder.host} (pid {holder.pid}, "
        f"`{holder.command}`) since {lease.since:%Y-%m-%d %H:%M:%S} UTC; leased until {lease.expires:%H:%M:%S} UTC",
        remedy="Wait until that has finished. If it has died, run the same command again when its lease has ended.",
    )


def _lost(connection: Connection, lease: Lease) -> LeaseLost:
    found = _find(connection, lease.key)
    who = found[0].holder if found and found[1] else None
    now_held = f"; {who.user} on {who.host} (pid {who.pid}) holds it now" if who else ""
    return LeaseLost(
        f"the lease of {lease.key.replace(':', ' ', 1)} is not ours any more{now_held}",
        remedy="Nothing was written. When the other run has finished, run the same command again: it resumes.",
    )
