"""Leases: who works on what, so that two never do."""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, update
from sqlalchemy.orm import Session
from sqlmodel import col, select

from migrator.model.errors import Locked
from migrator.model.names import Address, WaveName
from migrator.state import journal
from migrator.state.audit import append
from migrator.state.engine import Database, now
from migrator.state.errors import LeaseLost
from migrator.state.process import identity, is_gone
from migrator.state.records import Actor, Lease
from migrator.state.statements import change, insert_missing
from migrator.state.tables import LeaseRow


class Leases:
    """One holder a key at a time. The fence grows with each acquisition, so that a stale holder can be told."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def acquire(self, key: str, actor: Actor, ttl: timedelta) -> Lease:
        """Take the lease: it was free, has expired, or its holder is surely dead. Raises Locked, naming the holder.

        Not re-entrant: a process that holds the key is told so. A takeover is in the audit log.
        """
        with self._database.write(durable=True) as session:
            at = now(session)
            row = _row_for_update(session, key, at)
            if row.held and not _is_free(row, at):
                raise _locked(_lease(row))
            if row.held:
                _audit_takeover(session, row, actor, at)
            _give(row, actor, at, ttl)
            return _lease(row)

    def renew(self, lease: Lease) -> Lease:
        """The same lease with `expires` moved to now + ttl. Raises LeaseLost when it is another's or released."""
        with self._database.write() as session:
            expires = now(session) + lease.ttl
            renewed = update(LeaseRow).where(*_ours(lease)).values(expires=expires)
            if not change(session, renewed):
                raise _lost(session, lease)
            return Lease(lease.key, lease.fence, lease.holder, lease.since, expires, lease.ttl)

    def release(self, lease: Lease) -> None:
        """Give it back; no effect when it is not ours any more."""
        with self._database.write() as session:
            session.execute(update(LeaseRow).where(*_ours(lease)).values(held=False))

    def holder(self, key: str) -> Lease | None:
        """Who holds it now; None when nobody does, the lease has expired, or the holder is surely dead."""
        with self._database.read() as session:
            row = session.scalars(select(LeaseRow).where(col(LeaseRow.key) == key)).first()
            return None if row is None or not row.held or _is_free(row, now(session)) else _lease(row)


def require(session: Session, lease: Lease) -> None:
    """Refuse (LeaseLost) unless the lease is still ours; nobody can take it before this transaction ends."""
    require_here(session.connection(), lease)


def require_here(connection: Connection, lease: Lease) -> None:
    """The same, for a transaction without an ORM session."""
    if not journal.holds(connection, lease):
        with Session(connection) as session:
            raise _lost(session, lease)


def _ours(lease: Lease) -> tuple[ColumnElement[bool], ...]:
    """The conditions for the lease to be still ours; `fence` alone tells one holder from the next."""
    return col(LeaseRow.key) == lease.key, col(LeaseRow.fence) == lease.fence, col(LeaseRow.held).is_(True)


def _row_for_update(session: Session, key: str, at: datetime) -> LeaseRow:
    free = {"key": key, "fence": 0, "held": False, "user": "", "host": "", "pid": 0, "command": "", "process": ""}
    insert_missing(session, LeaseRow, [{**free, "since": at, "expires": at, "ttl_seconds": 0.0}])
    return session.scalars(select(LeaseRow).where(col(LeaseRow.key) == key).with_for_update()).one()


def _is_free(row: LeaseRow, at: datetime) -> bool:
    """Whether a held lease may be taken: expired, or the holder, a process of this host, is surely dead."""
    return row.expires <= at or is_gone(row.pid, row.process)


def _give(row: LeaseRow, actor: Actor, at: datetime, ttl: timedelta) -> None:
    row.fence += 1
    row.held = True
    row.user, row.host, row.pid, row.command = actor.user, actor.host, actor.pid, actor.command
    row.process = identity(actor.pid) or ""
    row.since, row.expires, row.ttl_seconds = at, at + ttl, ttl.total_seconds()


def _audit_takeover(session: Session, row: LeaseRow, actor: Actor, at: datetime) -> None:
    kind, _, name = row.key.partition(":")
    append(
        session,
        actor,
        "lease taken over",
        at,
        wave=WaveName(name) if kind == "wave" else None,
        mailbox=Address(name) if kind == "mailbox" else None,
        detail={"key": row.key, "from": f"{row.user}@{row.host}, pid {row.pid}", "expired": row.expires.isoformat()},
    )


def _lease(row: LeaseRow) -> Lease:
    return Lease(
        key=row.key,
        fence=row.fence,
        holder=Actor(row.user, row.host, row.pid, row.command),
        since=row.since,
        expires=row.expires,
        ttl=timedelta(seconds=row.ttl_seconds),
    )


def _locked(lease: Lease) -> Locked:
    holder = lease.holder
    return Locked(
        f"{lease.key.replace(':', ' ', 1)} is being worked on by {holder.user} on {holder.host} (pid {holder.pid}, "
        f"`{holder.command}`) since {lease.since:%Y-%m-%d %H:%M:%S} UTC; leased until {lease.expires:%H:%M:%S} UTC",
        remedy="Wait until that has finished. If it has died, run the same command again when its lease has ended.",
    )


def _lost(session: Session, lease: Lease) -> LeaseLost:
    row = session.scalars(select(LeaseRow).where(col(LeaseRow.key) == lease.key)).first()
    now_held = "" if row is None or not row.held else f"; {row.user} on {row.host} (pid {row.pid}) holds it now"
    return LeaseLost(
        f"the lease of {lease.key.replace(':', ' ', 1)} is not ours any more{now_held}",
        remedy="Nothing was written. When the other run has finished, run the same command again: it resumes.",
    )
