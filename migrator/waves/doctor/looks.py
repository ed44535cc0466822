"""One mailbox, seen on both sides; nothing is written on either."""

import socket
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

from migrator.copier.folders import is_own
from migrator.copier.gmail import NO_VIEWS, Views, views
from migrator.copier.spaces import Owner, owner_of
from migrator.delivery.callout import knows
from migrator.imap import Folder, Namespace, Quota, Refusal, Session
from migrator.imap.errors import CommandRefused
from migrator.model.errors import LoginRefused, MigratorError, Stopped
from migrator.model.mailbox import Mailbox
from migrator.model.message import MessageMeta
from migrator.model.names import FolderName, ServerName
from migrator.model.profiles import UNKNOWN, Profile, recognise
from migrator.waves.operation import Operation
from migrator.waves.ways import destination

Side = Literal["source", "target"]


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a mailbox."""

    folder: FolderName
    meta: MessageMeta


@dataclass(frozen=True, slots=True)
class Contents:
    """What a source mailbox holds, and what kind of server it is on."""

    folders: tuple[Folder, ...]
    namespace: Namespace
    octets: int
    largest: Message | None
    profile: Profile = UNKNOWN
    views: Views = NO_VIEWS


@dataclass(frozen=True, slots=True)
class Room:
    """What a target mailbox offers. `refusal`: the server's answer to the announcement of the largest message."""

    folders: tuple[Folder, ...]
    namespace: Namespace
    quota: Quota | None
    capabilities: frozenset[str]
    refusal: Refusal | None
    profile: Profile = UNKNOWN


@dataclass(frozen=True, slots=True)
class KeptOut:
    """Nobody got in. `known`: whether the server's mail system knows the address; None: it does not say."""

    error: MigratorError
    known: bool | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """One mailbox; None: nothing was tried, since the server cannot be reached."""

    mailbox: Mailbox
    source: Contents | KeptOut | None
    target: Room | KeptOut | None


@dataclass
class Clocks:
    """How far each server's clock is ahead of ours, by the first message that told it."""

    offsets: dict[ServerName, timedelta] = field(default_factory=dict)

    def look(self, server: ServerName, session: Session, message: MessageMeta) -> None:
        """Ask the server, unless that has been done; the message's folder is open."""
        if server not in self.offsets and session.has("WITHIN"):
            found = session.checkup().clock_offset(message, lambda: datetime.now(UTC))
            if found is not None:
                self.offsets[server] = found


def look_at(op: Operation, mailbox: Mailbox, broken: Collection[ServerName], clocks: Clocks) -> Look:
    """Log in on both sides, and look around; `broken` servers are not tried."""
    source = None if mailbox.source in broken else _contents(op, mailbox, clocks)
    largest = source.largest if isinstance(source, Contents) else None
    target = None if mailbox.target in broken else _room(op, mailbox, clocks, largest)
    return Look(mailbox, source, target)


def _contents(op: Operation, mailbox: Mailbox, clocks: Clocks) -> Contents | KeptOut:
    try:
        with op.crew.visit(mailbox, "source") as session:
            namespace, folders = session.namespace, _own(session)
            octets, largest, seen = 0, None, views(session, folders)
            passed_over = seen.names - op.crew.folder_policy.map.keys()
            for folder in folders:
                messages = [] if folder.name in passed_over else _messages(session, folder)
                octets += sum(meta.size for meta in messages)
                for meta in messages:
                    if largest is None or meta.size > largest.meta.size:
                        largest = Message(folder.name, meta)
                if messages:
                    clocks.look(mailbox.source, session, messages[-1])
            return Contents(folders, namespace, octets, largest, _kind(session), seen)
    except Stopped:
        raise
    except MigratorError as error:
        return _kept_out(op, mailbox, "source", error)


def _own(session: Session) -> tuple[Folder, ...]:
    """The mailbox's folders: neither ours, nor those that others share with it."""
    return tuple(
        folder
        for folder in session.folders()
        if not is_own(folder.name, session.namespace) and owner_of(folder.name, session.spaces)[0] is Owner.OURS
    )


def _messages(session: Session, folder: Folder) -> list[MessageMeta]:
    """What is in a folder; nothing where it has gone meanwhile, or may not be read: the pass will tell."""
    if not folder.selectable or (folder.status and not folder.status.messages):
        return []
    try:
        session.examine(folder.name)
        return session.scan("1:*")
    except CommandRefused:
        return []


def _room(op: Operation, mailbox: Mailbox, clocks: Clocks, largest: Message | None) -> Room | KeptOut:
    try:
        with op.crew.visit(mailbox, "target") as session:
            namespace, folders, quota = session.namespace, _own(session), session.quota()
            opened = session.examine(FolderName("INBOX"))
            newest = session.scan(f"{opened.uidnext - 1}:*") if opened.exists else []
            for message in newest:
                clocks.look(mailbox.target, session, message)
            capabilities, refusal, kind = session.capabilities, None, _kind(session)
        if largest is not None:
            with op.crew.visit(mailbox, "target") as session:
                refusal = session.checkup().would_refuse(largest.meta.size)
        return Room(folders, namespace, quota, capabilities, refusal, kind)
    except Stopped:
        raise
    except MigratorError as error:
        return _kept_out(op, mailbox, "target", error)


def _kind(session: Session) -> Profile:
    asked = session.checkup()
    return recognise(asked.identity() if session.has("ID") else {}, asked.greeting, session.capabilities)


def _kept_out(op: Operation, mailbox: Mailbox, side: Side, error: MigratorError) -> KeptOut:
    """Wrong password or no account? Servers say the same of both; their mail system may tell."""
    server = mailbox.source if side == "source" else mailbox.target
    if isinstance(error, LoginRefused):
        for place in op.places:
            value = place.nexthop(mailbox.address, server) if place.serves([mailbox.address]) else None
            if value and value.startswith("lmtp:") and (where := destination(value)):
                return KeptOut(error, knows(where, mailbox.address, socket.getfqdn()))
    return KeptOut(error)
