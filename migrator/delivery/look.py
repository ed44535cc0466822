"""Looks for canaries in one mailbox on one server, and takes away exactly those that were found."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from migrator.delivery.verdict import Place
from migrator.imap import Folder, Selected, Session
from migrator.imap.errors import CommandRefused, Unsupported
from migrator.model.canary import CANARY_HEADER
from migrator.model.names import FolderName

_SLACK = timedelta(days=2)  # clocks and time zones of servers
_NEWEST = 50  # so many of the highest UIDs are read whatever their date


class Finder:
    """Finds canaries in any folder of one mailbox, look after look; a later look reads only what has come since.

    `tokens` are those looked for. `since` (aware) is before the first of them was sent: older messages are not read,
    save the newest of each folder. None: none was sent before the first look, which then only notes where each folder
    ends. One thread at a time.
    """

    def __init__(self, tokens: Collection[str], since: datetime | None) -> None:
        self._tokens = frozenset(tokens)
        self._since = since
        self._looked = False
        self._read: dict[FolderName, tuple[int, int]] = {}  # folder -> UIDVALIDITY, UIDNEXT of the last look
        self._places: dict[Place, str] = {}
        self.unreadable: set[FolderName] = set()

    @property
    def places(self) -> Mapping[Place, str]:
        """Every place where a canary was seen, with its token."""
        return self._places

    def of(self, token: str) -> tuple[Place, ...]:
        """The places where the canary `token` was seen."""
        return tuple(sorted(place for place, found in self._places.items() if found == token))

    def look(self, session: Session) -> None:
        """Look into every folder that can hold mail, INBOX first. Only EXAMINE is used: nothing is changed.

        Raises what the session raises; a folder other than INBOX that cannot be opened is kept in `unreadable`.
        """
        for folder in sorted(filter(_selectable, session.folders()), key=_inbox_first):
            if self._since is None and not self._looked and folder.status is not None:
                self._read[folder.name] = (folder.status.uidvalidity, folder.status.uidnext)
            elif not self._is_unchanged(folder):
                self._open(session, folder)
        self._looked = True

    def _is_unchanged(self, folder: Folder) -> bool:
        """INBOX is always opened: an index that is a little behind must not hide a delivery."""
        if _is_inbox(folder) or folder.status is None:
            return False
        status = folder.status
        return status.messages == 0 or self._read.get(folder.name) == (status.uidvalidity, status.uidnext)

    def _open(self, session: Session, folder: Folder) -> None:
        try:
            selected = session.examine(folder.name)
        except CommandRefused:
            if _is_inbox(folder):
                raise
            self.unreadable.add(folder.name)
            return
        self.unreadable.discard(folder.name)
        if selected.exists:
            self._read_new(session, folder.name, selected)
        self._read[folder.name] = (selected.uidvalidity, selected.uidnext)

    def _read_new(self, session: Session, name: FolderName, selected: Selected) -> None:
        uids = self._unread(session, name, selected)
        for uid, value in session.scan_header(uids, CANARY_HEADER).items():
            if value.strip() in self._tokens:
                self._places[Place(name, selected.uidvalidity, uid)] = value.strip()

    def _unread(self, session: Session, name: FolderName, selected: Selected) -> str | Sequence[int]:
        """What came since the last look; at a first look, what was delivered since, and the newest of any date."""
        uidvalidity, uidnext = self._read.get(name, (0, 0))
        if uidnext and uidvalidity == selected.uidvalidity:
            return f"{uidnext}:*"
        if self._since is None or selected.exists <= _NEWEST:
            return "1:*"
        metas = session.scan("1:*")  # by UID
        newest = {meta.uid for meta in metas[-_NEWEST:]}
        return sorted(newest | {meta.uid for meta in metas if meta.internaldate >= self._since - _SLACK})


def remove(session: Session, places: Mapping[Place, str]) -> int:
    """Remove the canaries at `places` (with their tokens) and return how many went.

    Each is looked at again first: a place whose message is gone, or is another one, is left alone, so that it may be
    called again after a crash. Unsupported, and nothing is touched, when the server cannot expunge by UID.
    """
    if places and not session.has("UIDPLUS"):
        raise Unsupported("the server cannot remove a message by its UID", remedy="Delete the test messages by hand.")
    return sum(_remove(session, folder, uidvalidity, found) for folder, uidvalidity, found in _by_folder(places))


def _by_folder(places: Mapping[Place, str]) -> Iterator[tuple[FolderName, int, dict[int, str]]]:
    for folder, uidvalidity in sorted({(place.folder, place.uidvalidity) for place in places}):
        inside = {p.uid: token for p, token in places.items() if (p.folder, p.uidvalidity) == (folder, uidvalidity)}
        yield folder, uidvalidity, inside


def _remove(session: Session, folder: FolderName, uidvalidity: int, found: Mapping[int, str]) -> int:
    if session.select(folder).uidvalidity != uidvalidity:
        return 0
    headers = session.scan_header(sorted(found), CANARY_HEADER)
    sure = sorted(uid for uid, token in found.items() if headers.get(uid, "").strip() == token)
    if sure:
        session.store(sure, frozenset({"\\Deleted"}), "+")
        session.expunge(sure)
    return len(sure)


def _selectable(folder: Folder) -> bool:
    return folder.selectable


def _is_inbox(folder: Folder) -> bool:
    return folder.name.upper() == "INBOX"


def _inbox_first(folder: Folder) -> tuple[bool, FolderName]:
    return not _is_inbox(folder), folder.name
