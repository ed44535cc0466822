"""One logged-in IMAP connection, used by one thread at a time."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from types import TracebackType
from typing import Self

from migrator.imap import listing, moving, quota, removal, scanning, stores
from migrator.imap.ahead import Ahead
from migrator.imap.appender import Appender
from migrator.imap.board import Board
from migrator.imap.channel import Channel, Exchange
from migrator.imap.checkup import Checkup
from migrator.imap.errors import Unsupported
from migrator.imap.fetcher import Fetcher
from migrator.imap.grammar import astring, folder_octets, uid_sets
from migrator.imap.opened import OpenFolder, leaving
from migrator.imap.records import Body, Folder, Namespace, Quota, Selected, Spaces, Status
from migrator.imap.scanning import Since
from migrator.imap.settings import Settings
from migrator.imap.vanished import UidRanges
from migrator.model.errors import MigratorError
from migrator.model.message import Flags, MessageMeta
from migrator.model.names import FolderName

LITERAL_MINUS = 4096  # octets (RFC 7888, section 5)
_UNASKED = frozenset({"ID", "ENABLE", "DELETE", "UNSELECT"})  # commands whose answers nobody may have waited for
ANSWERS_SLACK = 100_000  # FETCH answers that a folder's changes may cause beyond its messages


class Session:
    """One logged-in connection. Errors: ConnectionLost, ProtocolViolation, CommandRefused, Throttled, OverQuota.

    Used as a context manager it logs out at the end, and drops the connection when an error passes through.
    """

    def __init__(self, channel: Channel, capabilities: frozenset[str] = frozenset()) -> None:
        """`capabilities`: what the login's OK told; those from before login do not count. Empty: they are asked for."""
        self._channel = channel
        self._raw: dict[FolderName, bytes] = {}  # names as the server spells them
        self._logout: Exchange | None = None
        # upper case, as offered after login
        self.capabilities = capabilities or channel.capabilities()
        self._folder = OpenFolder(channel, self._octets, self.has("CONDSTORE"))
        self.ahead = Ahead(channel, self._folder, self.has("UNSELECT"), self._since)
        if self.has("ID"):  # RFC 2971: for the server's log; nobody waits for its answer
            channel.start_quietly(b"ID", b'("name" "migrator")')
        # from then on the server says VANISHED where it said EXPUNGE, which nobody here minds
        self._qresync = channel.start_quietly(b"ENABLE", b"QRESYNC") if self.has("QRESYNC") else None
        channel.non_sync_limit = 1 << 62 if self.has("LITERAL+") else LITERAL_MINUS * self.has("LITERAL-")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:
            self.abort()

    def farewell(self) -> None:
        """LOGOUT, and do not wait for the answer; never raises. After this only `close`."""
        with contextlib.suppress(MigratorError, OSError, ValueError):
            if not self._logout and self._channel.waits_for() <= _UNASKED:
                self._logout = self._channel.start_quietly(b"LOGOUT")  # also behind what was asked ahead
                self._channel.send(b"")

    def close(self) -> None:
        """LOGOUT and close; never raises."""
        self.farewell()
        with contextlib.suppress(MigratorError, OSError, ValueError):
            if self._logout:
                self._channel.settle(self._logout)
        self.abort()

    def abort(self) -> None:
        """Drop the connection at once, without a word; never raises. Half-sent messages are not stored."""
        self._channel.wire.abort()
        self._channel.parser.release()

    def has(self, capability: str) -> bool:
        """Whether the server offers `capability` ("MOVE", "CONDSTORE")."""
        return capability.upper() in self.capabilities

    def folders(self) -> tuple[Folder, ...]:
        """All folders with subscription and status, in one round trip where the server has LIST-STATUS."""
        folders = listing.list_folders(self._channel, self.has)
        self._raw.update((folder.name, folder.raw) for folder in folders)
        return folders

    @cached_property
    def spaces(self) -> Spaces:
        """The namespaces; by LIST "" "" where NAMESPACE is missing."""
        return listing.namespaces(self._channel, self.has)

    @property
    def namespace(self) -> Namespace:
        """The first personal namespace."""
        return self.spaces.personal[0]

    @property
    def lists_at_once(self) -> bool:
        """Whether `folders` is one question (LIST-STATUS)."""
        return len(listing.list_words(self.has)) == 1

    def folders_ahead(self) -> None:
        """Ask now what `namespace` and `folders`, in this order, ask next, unless that is under way: one round trip."""
        listing.ask_ahead(self._channel, self.has, namespace="spaces" not in self.__dict__)

    def status(self, name: FolderName) -> Status:
        """STATUS of one folder."""
        return listing.folder_status(self._channel, self._octets(name), listing.status_items(self.has))

    def examine(self, name: FolderName) -> Selected:
        """EXAMINE: select without the right to change anything (I1)."""
        return self._select(b"EXAMINE", name)

    def select(self, name: FolderName) -> Selected:
        """SELECT."""
        return self._select(b"SELECT", name)

    @property
    def opened(self) -> tuple[FolderName, Selected] | None:
        """The folder that is open, as it was when it was opened."""
        opened = self._folder.opened
        return (opened.name, opened.found) if opened else None

    def unselect(self) -> None:
        """Leave the selected folder without expunging it."""
        self._folder.leave(self.has("UNSELECT"))

    def leave_quietly(self) -> bool:
        """UNSELECT, in one packet with the next command, whether or not a folder is open. False where it is missing."""
        if unselects := self.has("UNSELECT"):
            self._folder.opened = None
            self._channel.forget_ahead()
            self._channel.start_quietly(b"UNSELECT")
        return unselects

    def create(self, name: FolderName, special_use: str | None = None) -> None:
        """CREATE, then LIST must show exactly that name, else FolderNameChanged. CommandRefused when it exists.
        `special_use`, one of those that `listing` names, is asked for where the server has CREATE-SPECIAL-USE."""
        for error in self.create_all([(name, special_use)]).values():
            raise error

    def create_all(self, wanted: Sequence[tuple[FolderName, str | None]]) -> dict[FolderName, MigratorError]:
        """The same for several (name, special use) in two round trips; the errors, by name."""
        raws = {name: self._octets(name) for name, _ in wanted}
        uses = dict(wanted) if self.has("CREATE-SPECIAL-USE") else {}
        made, errors = listing.create_folders(self._channel, raws, uses, self._raw.values())
        self._raw.update({name: raws[name] for name in made})
        return errors

    def delete(self, name: FolderName) -> None:
        """DELETE."""
        self.delete_quietly(name)()

    def delete_quietly(self, name: FolderName) -> Callable[[], object]:
        """DELETE, in one packet with the next command; the result waits for its answer, and raises like `delete`."""
        with self._channel.together():
            deleted = self._channel.start(b"DELETE", astring(self._octets(name)))
        return lambda: self._channel.finish(deleted)

    def subscribe(self, name: FolderName) -> None:
        """SUBSCRIBE."""
        self._channel.run(b"SUBSCRIBE", astring(self._octets(name)))

    def present(self) -> UidRanges:
        """The UIDs of the selected folder."""
        return scanning.present(self._channel, self.has("ESEARCH"), self._folder.exists)

    def uids(self) -> list[int]:
        """All UIDs of the selected folder, ascending."""
        return [uid for first, last in self.present() for uid in range(first, last + 1)]

    def scan(self, uids: str | Sequence[int], changed_since: int = 0) -> list[MessageMeta]:
        """UID, flags, date and size of messages, by UID ascending. `uids` may be a range such as "17:*";
        `changed_since`: only those whose MODSEQ is higher, where the server has CONDSTORE."""
        condition = scanning.CHANGED % changed_since if changed_since and self.has("CONDSTORE") else b""
        return scanning.scan(self._channel, uids, condition, self._limit(uids))

    def changes(self, ranges: Sequence[str], since: int, new: str = "") -> scanning.Changes:
        """What changed in these ranges ("1:16") since that MODSEQ, what went included where the server has QRESYNC, and
        all messages of the range `new`. In one round trip; the server has CONDSTORE.

        A range has no more than `scanning.RANGE` messages in it.
        """
        return scanning.changes(self._channel, self._since(ranges, since, new), self._limit("1:*"))

    def _since(self, ranges: Sequence[str], since: int, new: str) -> Since:
        qresync = self._qresync is not None and self._channel.settle(self._qresync).status == "OK"
        return Since(since, ranges, qresync, new)

    def glance(self, asks: Sequence[tuple[FolderName, Sequence[int]]], select: bool = False) -> list[scanning.Glance]:
        """EXAMINE (or SELECT) folders one after the other and look at these of their messages, in one round trip; the
        last one stays open. A folder that cannot be opened has UIDVALIDITY 0: best ask for none of its messages."""
        command = b"SELECT" if select else b"EXAMINE"
        self._folder.opened = None  # the caller has no use for the one that stays open
        words = [(self._folder.words(command, name), uids) for name, uids in asks]
        with self._channel.together():
            return scanning.glance(self._channel, words, self.has("CONDSTORE"))

    def scan_header(self, uids: str | Sequence[int], header: str) -> dict[int, str]:
        """The value of one header field (first one, unfolded) of those messages that have it."""
        return scanning.scan_header(self._channel, uids, header, self._limit(uids))

    def bodies(self, uids: Sequence[int]) -> Iterator[Body]:
        """The messages, streamed; UIDs that the server does not answer are absent."""
        fetcher = self.fetcher()
        fetcher.request(uids)
        return fetcher.replies()

    def fetcher(self) -> Fetcher:
        """Bodies with requests sent ahead."""
        return Fetcher(self._channel, self._folder.examine_words, self._folder.note_examined)

    def appender(self, folder: FolderName) -> Appender:
        """Batched APPENDs, first to `folder` (need not be selected). No other command until its results are in."""
        appender = Appender(self._channel, self._octets, self.has("MULTIAPPEND"))
        appender.turn_to(folder)
        return appender

    def move(self, uids: Sequence[int], folder: FolderName) -> dict[int, int]:
        """NOOP, then UID MOVE: source UID to new UID, as COPYUID tells; a UID not in the result did not move.

        The NOOP first, since a server may hide new messages from a session until it has told it of them; then MOVE
        answers OK and does nothing. Unsupported where the server lacks MOVE.
        """
        self._need("MOVE")
        self.noop()
        return moving.move(self._channel, uids, self._octets(folder))

    def store(self, uids: Sequence[int], flags: Flags, mode: stores.Mode) -> None:
        """Add, remove or set flags; returns when the server has said OK."""
        for words in stores.commands(stores.Change(mode, flags, uids)):
            self._channel.run(*words)

    def store_in(self, asks: Sequence[tuple[FolderName, Sequence[stores.Change]]]) -> list[stores.Stored]:
        """SELECT folders one after the other, change flags, UNSELECT; in one round trip, see `stores`. Where UNSELECT
        is missing INBOX stays open, read-only."""
        self._folder.opened = None
        words = [(self._folder.words(b"SELECT", name), changes) for name, changes in asks]
        return stores.store(self._channel, words, leaving(self.has("UNSELECT"))[0])

    def expunge(self, uids: Sequence[int]) -> None:
        """UID EXPUNGE of messages that carry \\Deleted. Unsupported where the server lacks UIDPLUS."""
        self._need("UIDPLUS")
        for uid_set in uid_sets(uids):
            self._channel.run(b"UID EXPUNGE", uid_set)

    def expunge_in(self, asks: Sequence[tuple[FolderName, Sequence[int]]]) -> list[removal.Expunged]:
        """`expunge` in folders one after the other, and a look, in one round trip; the last one stays open, read-only.
        UID EXPUNGE and SELECT travel together: what is expunged was marked in a folder of that UIDVALIDITY just now."""
        self._need("UIDPLUS")
        self._folder.opened = None  # the caller has no use for the one that stays open
        words = self._folder.words
        both = [(words(b"SELECT", name, False), words(b"EXAMINE", name, False), uids) for name, uids in asks]
        return removal.expunge(self._channel, both)

    def quota(self) -> Quota | None:
        """The room of the mailbox; None where the server sets no bounds, or does not tell."""
        return quota.storage(self._channel) if self.has("QUOTA") else None

    @property
    def settings(self) -> Settings:
        """What belongs to the mailbox beside its mail."""
        return Settings(self._channel, self._octets, self.capabilities)

    def checkup(self) -> Checkup:
        """The server as it is examined before a wave."""
        return Checkup(self._channel)

    def noop(self) -> None:
        """NOOP: lets the server tell what changed."""
        self._channel.run(b"NOOP")

    def board(self, folder: FolderName) -> Board:
        """`folder` as a place for notes; it need not be there."""
        return Board(self._channel, astring(self._octets(folder)), leaving(self.has("UNSELECT")))

    def _octets(self, name: FolderName) -> bytes:
        return self._raw.get(name) or folder_octets(name)

    def _need(self, capability: str) -> None:
        if not self.has(capability):
            raise Unsupported(f"{self._channel.peer} lacks {capability}", remedy="Commit directly with this server.")

    def _limit(self, uids: str | Sequence[int]) -> int:
        return 4 * (self._folder.exists if isinstance(uids, str) else len(uids)) + ANSWERS_SLACK

    def _select(self, command: bytes, name: FolderName) -> Selected:
        found = self._folder.open(command, name)
        if found.uidnext:
            return found
        found = scanning.with_uidnext(found, self.status(name))
        self._folder.note(command, name, found)
        return found
