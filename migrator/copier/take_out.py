"""Taking messages out of several target folders at once: look, mark, expunge and look, a round trip each.

No command of IMAP holds only for a certain UIDVALIDITY, and one connection has one folder open. So each folder is
opened three times, and before each next step UIDVALIDITY is compared. A folder that was made anew between two of them,
within one round trip, has strangers under our UIDs: marks that hit them are taken back, and nothing is expunged there.

What is left: where a folder is made anew between the mark and the EXPUNGE, those of its messages go that have just
these UIDs and that somebody marked \\Deleted himself. It is told.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from migrator.copier.flags import put_back
from migrator.copier.mirror import judge, removed_row, touched_row
from migrator.copier.plan import same_flags
from migrator.copier.work import Pass
from migrator.imap import Change, Session, Stored
from migrator.imap.errors import CommandRefused
from migrator.model.errors import MigratorError
from migrator.model.message import Mirrored
from migrator.model.names import FolderName
from migrator.state.records import FolderRecord, LedgerRow

DELETED = frozenset({"\\Deleted"})

Part = tuple[FolderRecord, list[LedgerRow]]


@dataclass
class _Folder:
    """One folder's rows on their way: `remove` by target UID, `done` as they are afterwards."""

    record: FolderRecord
    remove: dict[int, LedgerRow]
    done: list[LedgerRow]
    modseq: int = 0  # of the look; 0: the server has no CONDSTORE

    @property
    def name(self) -> FolderName:
        return self.record.target_name


def take_out(shared: Pass, parts: Sequence[Part]) -> dict[int, list[LedgerRow]]:
    """Remove the messages of `parts` that nobody touched: by folder id the rows as they are afterwards.

    Rows of which nothing is known, as their folder was made anew or lets nothing be removed, are left out. In three
    round trips, however many folders; more where something has to be taken back.
    """
    folders = _look(shared, parts)
    marked = _mark(shared, [folder for folder in folders.values() if folder.remove])
    _expunge(shared, [folder for folder in marked if folder.remove])
    return {record.id: _told(shared, folders[record.id]) if record.id in folders else [] for record, _ in parts}


def _look(shared: Pass, parts: Sequence[Part]) -> dict[int, _Folder]:
    """What is to go from each folder that is still the one we know, by its id."""
    asks = [(record.target_name, [uid for row in rows if (uid := row.target_uid)]) for record, rows in parts]
    found: dict[int, _Folder] = {}
    for (record, rows), now in zip(parts, shared.lanes.first.target.glance(asks), strict=True):
        if now.uidvalidity != record.target_uidvalidity:
            continue  # made anew, or taken away: the next pass sees to it
        judged = judge(rows, now.messages)
        remove = {row.target_uid: row for row in judged.remove if row.target_uid is not None}
        modseq = max((now.messages[uid].modseq for uid in remove), default=0)
        found[record.id] = _Folder(record, remove, list(judged.settled), modseq)
    return found


def _mark(shared: Pass, folders: Sequence[_Folder]) -> list[_Folder]:
    """Mark what nobody touched since the look; the folders in which something is marked now."""
    if not folders:
        return []
    target = shared.lanes.first.target
    asks = [(folder.name, [Change("+", DELETED, list(folder.remove), folder.modseq)]) for folder in folders]
    refused: list[MigratorError] = []
    for folder, (_, changes), stored in zip(folders, asks, target.store_in(asks), strict=True):
        if stored.uidvalidity not in (0, folder.record.target_uidvalidity):
            put_back(target, folder.name, changes, stored)
            _made_anew(shared, folder, "nothing was removed")
        elif error := stored.error:
            refused += _left_alone(shared, folder, error)
        else:
            _keep_touched(target, folder, stored)
    for error in refused:
        raise error
    return [folder for folder in folders if folder.remove]


def _keep_touched(target: Session, folder: _Folder, stored: Stored) -> None:
    """What somebody touched between the look and the mark stays; without CONDSTORE its flags tell, afterwards."""
    seen = {} if folder.modseq else {uid: now for uid, now in stored.before().items() if uid in folder.remove}
    late = {uid for uid, flags in seen.items() if not same_flags(flags, folder.remove[uid].flags)}
    _unmark(target, folder, [uid for uid in late if "\\Deleted" not in seen[uid]])
    kept = [uid for uid in folder.remove if uid in late or uid in stored.alone]
    folder.done += [touched_row(folder.remove.pop(uid)) for uid in kept]


def _expunge(shared: Pass, folders: Sequence[_Folder]) -> None:
    """Expunge what is marked, and just that; the rows of what is not there any more are done."""
    if not folders:
        return
    target = shared.lanes.first.target
    results = target.expunge_in([(folder.name, list(folder.remove)) for folder in folders])
    refused: list[MigratorError] = []
    for folder, result in zip(folders, results, strict=True):
        if result.error:
            refused += _left_alone(shared, folder, result.error)
        elif result.uidvalidity != folder.record.target_uidvalidity:
            uids = ", ".join(map(str, sorted(folder.remove)))
            _made_anew(shared, folder, f"what carried \\Deleted in the new folder may be gone (UIDs {uids})")
        else:
            folder.done += [removed_row(row) for uid, row in folder.remove.items() if uid not in result.left]
            _unmark(target, folder, result.left)  # the server did not remove them: nobody else shall
    for error in refused:
        raise error


def _left_alone(shared: Pass, folder: _Folder, error: MigratorError) -> list[MigratorError]:
    """The target lets nothing be removed from this folder: our marks go, its messages stay, and the others go on.

    The error, where it is not about this folder alone.
    """
    if not isinstance(error, CommandRefused):
        return [error]
    shared.tally.warn(f"{folder.name}: messages gone from the source stay on the target: {error}")
    _unmark(shared.lanes.first.target, folder, folder.remove)
    folder.remove = {}
    return []


def _made_anew(shared: Pass, folder: _Folder, what: str) -> None:
    """Nothing is known of our rows; the next pass sees to the new folder."""
    shared.tally.warn(f"{folder.name}: made anew on the target while messages were removed from it: {what}")
    folder.remove, folder.done = {}, []


def _unmark(target: Session, folder: _Folder, uids: Iterable[int]) -> None:
    """Take our marks away, if the folder is still the one in which we set them."""
    marked = [uid for uid in uids if "\\Deleted" not in folder.remove[uid].flags]
    if not marked:
        return
    with suppress(CommandRefused):
        if target.glance([(folder.name, ())], select=True)[0].uidvalidity == folder.record.target_uidvalidity:
            target.store(marked, DELETED, "-")


def _told(shared: Pass, folder: _Folder) -> list[LedgerRow]:
    if kept := sum(row.reason == Mirrored.TOUCHED for row in folder.done):
        shared.tally.warn(
            f"{folder.name}: {kept} messages gone from the source were kept: somebody changed them on the target"
        )
    return folder.done
