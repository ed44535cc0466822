"""Which folder of a connection is open, also when commands that were sent ahead have opened others."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from migrator.imap import scanning
from migrator.imap.channel import Channel, Words
from migrator.imap.errors import ConnectionLost, ProtocolViolation
from migrator.imap.grammar import astring
from migrator.imap.records import Selected
from migrator.model.names import FolderName


def leaving(unselect: bool) -> Sequence[Words]:
    """What is said so that no folder is open, and none is expunged: UNSELECT, or as RFC 3691 says where it is missing
    (pymap refuses CLOSE after EXAMINE; INBOX then stays open, read-only)."""
    return ((b"UNSELECT",),) if unselect else ((b"EXAMINE", b'"INBOX"'), (b"CLOSE",))


@dataclass(frozen=True, slots=True)
class _Opened:
    """The folder that is open, and the command that opened it."""

    command: bytes
    name: FolderName
    found: Selected


class OpenFolder:
    """Opens folders, and knows the one that is open; `opened` is None where nobody may rely on any."""

    def __init__(self, channel: Channel, octets: Callable[[FolderName], bytes], condstore: bool) -> None:
        """`octets`: a folder's name as the server spells it."""
        self._channel, self.octets, self._condstore = channel, octets, condstore
        self.opened: _Opened | None = None
        channel.reopen = self._reopen

    @property
    def exists(self) -> int:
        """How many messages it had when it was opened."""
        return self.opened.found.exists if self.opened else 0

    def words(self, command: bytes, name: FolderName, condstore: bool = True) -> Words:
        """The words of EXAMINE or SELECT."""
        extra = (b"(CONDSTORE)",) if condstore and self._condstore else ()
        return command, astring(self.octets(name)), *extra

    def examine_words(self, name: FolderName) -> Words:
        """Those of EXAMINE."""
        return self.words(b"EXAMINE", name)

    def open(self, command: bytes, name: FolderName) -> Selected:
        """EXAMINE or SELECT a folder."""
        self.opened = None
        found = scanning.selected(self._channel.run(*self.words(command, name)))
        self.note(command, name, found)
        return found

    def select_ahead(self, name: FolderName, unselect: bool) -> None:
        """Send SELECT and UNSELECT before their turn; nothing where the server lacks the latter."""
        if unselect:
            with self._channel.together():
                sent = self._channel.start_ahead(*self.words(b"SELECT", name))
            if sent:
                self._channel.start_ahead(b"UNSELECT")

    def leave(self, unselect: bool) -> None:
        """Open no folder any more."""
        self.opened = None
        first, *others = leaving(unselect)
        self._channel.run(*first)
        for words in others:
            self._channel.settle(self._channel.start(*words))

    def note(self, command: bytes, name: FolderName, found: Selected) -> None:
        """This folder has been opened."""
        if not found.uidvalidity:
            raise ProtocolViolation(f"{self._channel.peer}: the folder {name!r} has no UIDVALIDITY")
        self.opened = _Opened(command, name, found)

    def note_examined(self, name: FolderName, found: Selected) -> None:
        """The same, by EXAMINE."""
        self.note(b"EXAMINE", name, found)

    def _reopen(self) -> None:
        """Commands that were sent ahead have opened other folders, and nobody wanted their answers."""
        if (was := self.opened) is None:
            return
        again = self._channel.start(*self.words(was.command, was.name))
        self._channel.settle(again)  # refused: it has no UIDVALIDITY
        if scanning.selected(again).uidvalidity != was.found.uidvalidity:
            self._channel.wire.abort()
            what = f"{was.name!r} was made anew, or taken away"
            raise ConnectionLost(f"{self._channel.peer}: {what}", during=was.command.decode())
