"""One workspace at a time on a mailbox: a lease mailbox on the target, for runners that share no database.

Each candidate appends a note (workspace, nonce, expiry) and reads them all: the oldest note that has not expired is
the holder's. UIDs only grow (RFC 9051, 2.3.1.1), so of two candidates at least the later one sees the other's note.
The holder releases by deleting the whole mailbox while its note still holds. Expiry is judged by each reader's clock.
"""

import email
import secrets
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self

from migrator.copier.job import FolderChanged, TargetLeaseLost, TargetTaken
from migrator.imap import Session
from migrator.imap.errors import CommandRefused, FolderNameChanged, OverQuota, Unsupported
from migrator.model.errors import MigratorError, Transient
from migrator.model.names import FolderName, neutral

ATTEMPTS = 3
_WORKSPACE, _NONCE, _EXPIRES = "X-Migrator-Workspace", "X-Migrator-Nonce", "X-Migrator-Expires"
_HOLDER = "X-Migrator-Holder"


@dataclass(frozen=True, slots=True)
class Note:
    """One candidate's note in the lease mailbox."""

    uid: int
    workspace: str
    nonce: str
    expires: datetime
    holder: str


class TargetLease:
    """The lease of one mailbox's target for one workspace; `folder` is its name there.

    `holder` tells people at another workspace who has it.
    """

    def __init__(self, workspace_id: str, folder: FolderName, ttl: timedelta, holder: str = "a run") -> None:
        self._workspace, self._folder, self._ttl = workspace_id, folder, ttl
        self._name = neutral(holder).encode("ascii", "backslashreplace").decode()
        self._nonce = secrets.token_hex(8)
        self._expires = datetime.min.replace(tzinfo=UTC)

    def acquire(self, session: Session) -> None:
        """Take it, also from a dead run of our own workspace; nothing is selected before, nor after.

        Raises TargetTaken, naming the other workspace; FolderChanged when that one lets go while we give way.
        """
        notes: list[Note] = []
        for _ in range(ATTEMPTS):  # the mailbox may go away under us, when its holder releases it
            self._create(session)
            notes = self._notes(session) if self._write_note(session) else []
            if any(note.nonce == self._nonce for note in notes):
                break
        holder = self._holder(notes)
        mine = holder is not None and holder.workspace == self._workspace
        self._delete(session, [note.uid for note in notes if (note.nonce != self._nonce) == mine])
        if notes:
            session.unselect()
        if not mine:
            raise self._taken(holder)

    def renew(self, session: Session) -> None:
        """Extend it. Raises TargetLeaseLost when it has expired, or another has it.

        A mailbox that is gone while the lease still holds fell to the late DELETE of a dead run of ours.
        """
        expired = datetime.now(UTC) >= self._expires
        notes = self._notes(session)
        holder = self._holder(notes)
        if not notes:
            self._create(session)
        if expired or (holder and holder.nonce != self._nonce) or not self._write_note(session):
            raise TargetLeaseLost(
                f"another workspace took over {self._folder!r} on the target",
                remedy="Only one workspace may move a mailbox: stop the other one, then run again.",
            )
        self._delete(session, [note.uid for note in notes])

    def release(self, session: Session) -> None:
        """Delete the lease mailbox, if it is surely still ours."""
        if datetime.now(UTC) < self._expires:
            with suppress(CommandRefused):  # somebody deleted it before us
                session.delete(self._folder)

    def _create(self, session: Session) -> None:
        """It may exist: somebody's, or left behind; the notes in it decide. Or its holder deletes it as we look."""
        with suppress(CommandRefused, FolderNameChanged):
            session.create(self._folder)

    def _write_note(self, session: Session) -> bool:
        """Append a note; False when there is no lease mailbox."""
        self._expires = datetime.now(UTC) + self._ttl
        text = (
            f"Subject: migrator is copying mail into this mailbox\r\n{_WORKSPACE}: {self._workspace}\r\n"
            f"{_NONCE}: {self._nonce}\r\n{_EXPIRES}: {self._expires.isoformat()}\r\n"
            f"{_HOLDER}: {self._name}\r\n\r\n"
            "This folder goes away when the copy is finished.\r\n"
        ).encode()
        appender = session.appender(self._folder)
        appender.begin()
        appender.message(frozenset(), None, len(text))
        appender.chunk(text)
        appender.message_done()
        appender.end("note")
        refusals = [r for result in appender.results(wait=True) for r in (result.refusal, *result.refusals) if r]
        for refusal in refusals:
            if refusal.code == "OVERQUOTA":
                raise OverQuota(
                    "APPEND", refusal.code, refusal.text, remedy="Raise the mailbox's quota, then run again."
                )
            if refusal.code not in {"TRYCREATE", "NONEXISTENT"}:
                raise CommandRefused("APPEND", refusal.code, refusal.text)
        return not refusals

    def _notes(self, session: Session) -> list[Note]:
        try:
            session.select(self._folder)
        except CommandRefused:
            return []
        notes = (_parse(body.uid, b"".join(map(bytes, body.chunks))) for body in session.bodies(session.uids()))
        return sorted((note for note in notes if note is not None), key=lambda note: note.uid)

    def _holder(self, notes: list[Note]) -> Note | None:
        now = datetime.now(UTC)
        return next((note for note in notes if note.expires > now), None)

    def _delete(self, session: Session, uids: list[int]) -> None:
        if not uids:
            return
        try:
            session.store(uids, frozenset({"\\Deleted"}), "+")
            with suppress(Unsupported):  # they expire
                session.expunge(uids)
        except CommandRefused as error:  # Dovecot: "Mailbox was deleted under us", and it hangs up
            raise FolderChanged(f"{self._folder!r} on the target went away: its holder released it") from error

    def _taken(self, holder: Note | None) -> TargetTaken:
        if holder is None:
            who = "another run"
        else:
            who = (
                f"{neutral(holder.holder)} of workspace {neutral(holder.workspace)} until {holder.expires:%H:%M:%S} UTC"
            )
        return TargetTaken(
            f"{self._folder!r} on the target is held by {who}",
            remedy="Only one workspace may move a mailbox. A dead run's hold ends by itself at that time.",
        )


def _parse(uid: int, text: bytes) -> Note | None:
    found = email.message_from_bytes(text)
    try:
        expires = datetime.fromisoformat(found.get(_EXPIRES, ""))
    except ValueError:
        return None
    return Note(uid, found.get(_WORKSPACE, ""), found.get(_NONCE, ""), expires, found.get(_HOLDER, "a run"))


class Keeper:
    """Keeps a TargetLease while a pass lasts: renews it in a thread, over a connection of its own each time."""

    def __init__(
        self, lease: TargetLease, ttl: timedelta, connect: Callable[[], Session], lost: Callable[[MigratorError], None]
    ) -> None:
        """`lost` is told when the lease is another's now."""
        self._lease, self._ttl, self._connect, self._lost = lease, ttl, connect, lost
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="target-lease", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _renew(self) -> None:
        while not self._over.wait(self._ttl.total_seconds() / 3):
            try:
                with self._connect() as session:
                    self._lease.renew(session)
            except Transient:
                continue  # tried again, twice, before it expires
            except MigratorError as error:
                return self._lost(error)
