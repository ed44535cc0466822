"""Both sides as LIST shows them: a mailbox without changes costs no more than this."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from migrator.copier.folders import LEASE_FOLDER, STAGING_FOLDER, is_own, is_rehearsed, name_of
from migrator.copier.gmail import NO_VIEWS, Views, views
from migrator.copier.lanes import Lane
from migrator.copier.spaces import Elsewhere, Owner, elsewhere, owner_of
from migrator.imap import Folder, Namespace, Session
from migrator.model.names import FolderName


@dataclass(frozen=True)
class SideView:
    """One side's folders, our own left out, and its personal namespace."""

    namespace: Namespace
    folders: Mapping[FolderName, Folder]
    has_staging: bool = False  # left behind by an earlier run
    has_lease: bool = False  # somebody is at work there, or died
    elsewhere: Sequence[Elsewhere] = ()  # folders that are listed here and are not this mailbox's
    views: Views = NO_VIEWS

    @property
    def messages(self) -> int:
        return sum(folder.status.messages for folder in self.folders.values() if folder.status)

    @property
    def staging(self) -> FolderName:
        """The name of our staging mailbox here."""
        return name_of((STAGING_FOLDER,), self.namespace)

    @property
    def listed(self) -> Sequence[Folder]:
        return tuple(self.folders.values())


@dataclass(frozen=True)
class Snapshot:
    """Both sides at the beginning of a pass."""

    source: SideView
    target: SideView


def view(session: Session, rehearsed: bool = False) -> SideView:
    """List one side; `rehearsed`: the target of a rehearsal, whose folders are that mailbox's only ones."""
    session.folders_ahead()
    namespace = session.namespace
    listed = session.folders()
    staging, lease = name_of((STAGING_FOLDER,), namespace), lease_name(session)
    names = {folder.name for folder in listed}
    ours = is_rehearsed if rehearsed else lambda name, space: not is_own(name, space)
    mail = {
        folder.name: folder
        for folder in listed
        if ours(folder.name, namespace) and owner_of(folder.name, session.spaces)[0] is Owner.OURS
    }
    others = elsewhere(listed, session.spaces)
    return SideView(namespace, mail, staging in names, lease in names, others, views(session, tuple(mail.values())))


def lease_name(session: Session) -> FolderName:
    """The name of our lease mailbox on this server."""
    return name_of((LEASE_FOLDER,), session.namespace)


def list_both(lane: Lane, rehearsed: bool = False) -> Snapshot:
    """List both sides at once; `rehearsed` as for `view`."""
    lane.open_both()
    for session in (lane.source, lane.target):
        session.folders_ahead()
    return Snapshot(view(lane.source), view(lane.target, rehearsed))
