"""Gmail's folders are labels, and some of them only show what others hold: which, and what is in none of the others.

Known by X-GM-EXT-1 and RFC 6154; from Google's documentation of its IMAP extensions, not tried on a real Gmail.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from migrator.copier.folders import FolderPolicy
from migrator.imap import Folder, Session
from migrator.model.names import FolderName

EXTENSION = "X-GM-EXT-1"
_VIEWS = frozenset({"\\all", "\\flagged", "\\important"})  # All Mail, Starred, Important
_SYSTEM = {  # labels that are no folder's name, and the special use of the folder that they stand for
    b"\\sent": "\\sent", b"\\draft": "\\drafts", b"\\drafts": "\\drafts", b"\\trash": "\\trash",
    b"\\spam": "\\junk", b"\\junk": "\\junk",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Views:
    """Folders that show what others hold; `alone`: how many messages of `everything` are in none of these others."""

    names: frozenset[FolderName] = frozenset()
    everything: FolderName | None = None
    alone: int = 0


NO_VIEWS = Views()


def views(session: Session, folders: Sequence[Folder]) -> Views:
    """Those among `folders`; none where the server is no Gmail. All Mail, if it is listed, is open afterwards."""
    if not session.has(EXTENSION):
        return NO_VIEWS
    found = [folder for folder in folders if folder.attributes & _VIEWS and folder.selectable]
    everything = next((folder for folder in found if "\\all" in folder.attributes), None)
    if everything is None:
        return NO_VIEWS  # hidden from IMAP: what is left is as it is on any other server
    others = [folder for folder in folders if folder.selectable and not folder.attributes & _VIEWS]
    exists = session.examine(everything.name).exists
    names = frozenset(folder.name for folder in found)
    return Views(names, everything.name, alone(exists, session.checkup().labels(exists), others))


def alone(exists: int, labels: Iterable[frozenset[bytes]], others: Iterable[Folder]) -> int:
    """How many of `exists` messages, each by its labels, are in none of the folders `others`. Pure.

    A label may be hidden from IMAP: then it has no folder. A message without an answer counts as alone.
    """
    there = list(others)
    listed = {folder.raw for folder in there}
    uses = frozenset[str]().union(*(folder.attributes for folder in there))
    covering = listed | {label for label, use in _SYSTEM.items() if use in uses}
    covered = sum(any(label in covering or _plain(label) in covering for label in each) for each in labels)
    return max(0, exists - covered)


def _plain(label: bytes) -> bytes:
    lowered = label.lower()
    return b"INBOX" if lowered == b"\\inbox" else lowered if lowered[:1] == b"\\" else label


def without_views(policy: FolderPolicy, found: Views) -> FolderPolicy:
    """`policy`, for a source side that has these views: All Mail is refused while something is in it alone."""
    out = dict.fromkeys(found.names, (True, "it shows what other folders hold (Gmail)"))
    if found.everything and found.alone:
        out[found.everything] = (
            False, f"{found.alone} of its messages are in no other folder (Gmail: archived, without a label)"
        )  # fmt: skip
    return replace(policy, views=out)
