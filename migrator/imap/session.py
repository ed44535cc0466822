"""One logged-in IMAP connection, used by one thread at a time."""

from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Literal, Self

from migrator.imap.appender import Appender
from migrator.imap.fetcher import Fetcher
from migrator.imap.records import Body, Folder, Namespace, Selected, Status
from migrator.model.message import Flags, MessageMeta
from migrator.model.names import FolderName


class Session:
    """One logged-in connection. Errors: ConnectionLost, ProtocolViolation, CommandRefused, Throttled, OverQuota.

    Used as a context manager it logs out at the end, and drops the connection when an error passes through.
    """

    capabilities: frozenset[str]  # upper case, as offered after login
    server_id: Mapping[str, str]  # RFC 2971; empty where not offered

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        raise NotImplementedError

    def close(self) -> None:
        """LOGOUT and close; never raises."""
        raise NotImplementedError

    def abort(self) -> None:
        """Drop the connection at once, without a word; never raises. Half-sent messages are not stored."""
        raise NotImplementedError

    def has(self, capability: str) -> bool:
        """Whether the server offers `capability` ("MOVE", "CONDSTORE")."""
        raise NotImplementedError

    def folders(self) -> tuple[Folder, ...]:
        """All folders with subscription and status, in one round trip where the server has LIST-STATUS."""
        raise NotImplementedError

    def namespace(self) -> Namespace:
        """The first personal namespace; by LIST "" "" where NAMESPACE is missing."""
        raise NotImplementedError

    def status(self, name: FolderName) -> Status:
        """STATUS of one folder."""
        raise NotImplementedError

    def examine(self, name: FolderName, condstore: bool = True) -> Selected:
        """EXAMINE: select without the right to change anything (I1)."""
        raise NotImplementedError

    def select(self, name: FolderName) -> Selected:
        """SELECT."""
        raise NotImplementedError

    def unselect(self) -> None:
        """Leave the selected folder without expunging it."""
        raise NotImplementedError

    def create(self, name: FolderName, special_use: str | None = None) -> None:
        """CREATE, then LIST must show exactly that name, else FolderNameChanged. CommandRefused when it exists."""
        raise NotImplementedError

    def delete(self, name: FolderName) -> None:
        """DELETE."""
        raise NotImplementedError

    def rename(self, name: FolderName, to: FolderName) -> None:
        """RENAME."""
        raise NotImplementedError

    def subscribe(self, name: FolderName) -> None:
        """SUBSCRIBE."""
        raise NotImplementedError

    def uids(self) -> list[int]:
        """All UIDs of the selected folder, ascending."""
        raise NotImplementedError

    def scan(self, uids: str | Sequence[int], changed_since: int = 0) -> list[MessageMeta]:
        """UID, flags, date and size of messages, by UID ascending. `uids` may be a range such as "17:*".

        `changed_since`: only messages whose MODSEQ is higher; without CONDSTORE all are returned.
        """
        raise NotImplementedError

    def scan_header(self, uids: str | Sequence[int], header: str) -> dict[int, str]:
        """The value of one header field (first one, unfolded) of those messages that have it."""
        raise NotImplementedError

    def bodies(self, uids: Sequence[int]) -> Iterator[Body]:
        """The messages, streamed; UIDs that the server does not answer are absent."""
        raise NotImplementedError

    def fetcher(self) -> Fetcher:
        """Bodies with requests sent ahead."""
        raise NotImplementedError

    def appender(self, folder: FolderName) -> Appender:
        """Batched APPENDs to `folder` (need not be selected). No other command until its results are in."""
        raise NotImplementedError

    def move(self, uids: Sequence[int], folder: FolderName) -> dict[int, int]:
        """NOOP, then UID MOVE: source UID to new UID, as COPYUID tells; a UID not in the result did not move.

        Unsupported where the server lacks MOVE.
        """
        raise NotImplementedError

    def copy(self, uids: Sequence[int], folder: FolderName) -> dict[int, int]:
        """NOOP, then UID COPY: the same as `move`."""
        raise NotImplementedError

    def store(self, uids: Sequence[int], flags: Flags, mode: Literal["+", "-", "="]) -> None:
        """Add, remove or set flags; returns when the server has said OK."""
        raise NotImplementedError

    def expunge(self, uids: Sequence[int]) -> None:
        """UID EXPUNGE of messages that carry \\Deleted. Unsupported where the server lacks UIDPLUS."""
        raise NotImplementedError

    def noop(self) -> None:
        """NOOP: lets the server tell what changed."""
        raise NotImplementedError
