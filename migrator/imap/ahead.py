"""Questions asked before their turn: each method asks now what the session's method of the same name asks next.

A right guess saves a round trip, a wrong one costs one (see `Channel.start_ahead`).
"""

from collections.abc import Callable, Sequence

from migrator.imap import scanning
from migrator.imap.channel import Channel
from migrator.imap.grammar import astring
from migrator.imap.opened import OpenFolder
from migrator.imap.scanning import Since
from migrator.model.names import FolderName


class Ahead:
    """What a session may be asked ahead; nothing here waits."""

    def __init__(
        self, channel: Channel, folder: OpenFolder, unselect: bool, since: Callable[[Sequence[str], int, str], Since]
    ) -> None:
        """`unselect`: whether the server has UNSELECT; `since`: the question that `changes` asks."""
        self._channel, self._folder = channel, folder
        self._unselect, self._since = unselect, since

    def subscribe(self, name: FolderName) -> None:
        self._channel.start_ahead(b"SUBSCRIBE", astring(self._folder.octets(name)))

    def examine(self, name: FolderName) -> bool:
        """False where it could not be asked; then nothing in that folder shall be, either."""
        return self._channel.start_ahead(*self._folder.examine_words(name))

    def select(self, name: FolderName) -> None:
        """`select`, and then `unselect`."""
        self._folder.select_ahead(name, self._unselect)

    def scan(self, uids: str) -> None:
        """Of a range."""
        scanning.scan_ahead(self._channel, uids)

    def changes(self, ranges: Sequence[str], since: int, new: str = "") -> None:
        scanning.changes_ahead(self._channel, self._since(ranges, since, new))
