"""One workspace at a time on a mailbox: a lease mailbox on the target, for runners that share no database.

Each candidate appends a note (workspace, nonce, expiry) and reads them all: the oldest note that has not expired is
the holder's. UIDs only grow (RFC 9051, 2.3.1.1), so of two candidates at least the later one sees the other's note.
The holder releases by deleting the whole mailbox while its note still holds. Expiry is judged by each reader's clock.
"""

import email
import secrets
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self

from migrator.copier.job import FolderChanged, TargetLeaseLost, TargetTaken
from migrator.imap import Session
from migrator.imap.errors import CommandRefused, FolderNameChanged, Unsupported
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

        One round trip where nobody else is, or was, here; and the folders are asked for ahead in it: when the server
        comes to that it is ours. Where there are other notes they are asked for again. Raises TargetTaken, naming the
        other workspace; FolderChanged when that one lets go while we give way.
        """
        notes: list[Note] = []
        for left in reversed(range(ATTEMPTS)):  # the mailbox may go away under us, when its holder releases it
            try:
                notes = _parsed(session.board(self._folder).post(self._note(), session.folders_ahead))
            except CommandRefused:  # Dovecot: "Mailbox was deleted under us"
                if not left:
                    raise
            if self._is_among(notes):
                break
        if not self._is_among(notes):
            raise self._taken(_holder(notes))
        if len(notes) > 1:
            self._settle(session)

    def _settle(self, session: Session) -> None:
        """Of several notes, let one hold: take the others away, or give way. They are looked at again for that, with
        the mailbox open: nobody else's note can then be under the UID of one that went."""
        notes = self._notes(session)
        holder = _holder(notes)
        mine = holder is not None and holder.workspace == self._workspace
        if not self._is_among(notes) and (mine or holder is None):
            raise self._gone()
        self._delete(session, [note.uid for note in notes if (note.nonce != self._nonce) == mine])
        session.unselect()
        if not mine:
            raise self._taken(holder)

    def renew(self, session: Session) -> None:
        """Extend it. Raises TargetLeaseLost when it has expired, or another has it.

        A mailbox that is gone while the lease still holds fell to the late DELETE of a dead run of ours.
        """
        expired = datetime.now(UTC) >= self._expires
        notes = self._notes(session)
        holder = _holder(notes)
        if not notes:
            self._create(session)
        if expired or (holder and holder.nonce != self._nonce) or not session.board(self._folder).put(self._note()):
            raise TargetLeaseLost(
                f"another workspace took over {self._folder!r} on the target",
                remedy="Only one workspace may move a mailbox: stop the other one, then run again.",
            )
        self._delete(session, [note.uid for note in notes])

    def release(self, session: Session) -> None:
        """Delete the lease mailbox, if it is surely still ours."""
        self.release_quietly(session)()

    def release_quietly(self, session: Session) -> Callable[[], None]:
        """The same, in one packet with the next command; the result waits until it is done."""
        deleted = session.delete_quietly(self._folder) if datetime.now(UTC) < self._expires else None

        def released() -> None:
            with suppress(CommandRefused):  # somebody deleted it before us
                if deleted:
                    deleted()

        return released

    def _create(self, session: Session) -> None:
        """It may exist: somebody's, or left behind; the notes in it decide. Or its holder deletes it as we look."""
        with suppress(CommandRefused, FolderNameChanged):
            session.create(self._folder)

    def _note(self) -> bytes:
        """A note that holds from now on."""
        self._expires = datetime.now(UTC) + self._ttl
        return (
            f"Subject: migrator is copying mail into this mailbox\r\n{_WORKSPACE}: {self._workspace}\r\n"
            f"{_NONCE}: {self._nonce}\r\n{_EXPIRES}: {self._expires.isoformat()}\r\n"
            f"{_HOLDER}: {self._name}\r\n\r\n"
            "This folder goes away when the copy is finished.\r\n"
        ).encode()

    def _notes(self, session: Session) -> list[Note]:
        """The notes in the lease mailbox, which stays selected; none when it is not there."""
        return _parsed(session.board(self._folder).read())

    def _is_among(self, notes: list[Note]) -> bool:
        return any(note.nonce == self._nonce for note in notes)

    def _delete(self, session: Session, uids: list[int]) -> None:
        if not uids:
            return
        try:
            session.store(uids, frozenset({"\\Deleted"}), "+")
            with suppress(Unsupported):  # they expire
                session.expunge(uids)
        except CommandRefused as error:  # Dovecot: "Mailbox was deleted under us", and it hangs up
            raise self._gone() from error

    def _gone(self) -> FolderChanged:
        return FolderChanged(f"{self._folder!r} on the target went away: its holder released it")

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


def _holder(notes: list[Note]) -> Note | None:
    now = datetime.now(UTC)
    return next((note for note in notes if note.expires > now), None)


def _parsed(texts: Mapping[int, bytes]) -> list[Note]:
    """The notes, the oldest first."""
    return [note for uid in sorted(texts) if (note := _parse(uid, texts[uid])) is not None]


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
