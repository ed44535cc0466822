"""Messages on the target that are not where the ledger put them: which of the lost ones is this?"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from migrator.copier.lanes import Lane
from migrator.copier.match import look, match
from migrator.copier.resolve import open_if_same
from migrator.imap import Digests
from migrator.model.names import FolderName
from migrator.state.records import FolderRecord, LedgerRow


@dataclass(frozen=True)
class Lost:
    """A message that was copied, and is not at its target UID any more."""

    record: FolderRecord
    row: LedgerRow


@dataclass(frozen=True)
class Stray:
    """A message on the target that the ledger has not paired."""

    folder: FolderName
    uid: int


def find_homes(lane: Lane, lost: Sequence[Lost], strays: Sequence[Stray]) -> dict[Stray, Lost]:
    """Which stray is which lost message, one to one by content; one in its own folder first.

    By the ledger's digests; where messages are left on both sides, also by the source's bodies, up the whole ladder.
    """
    digests = _stray_digests(lane, strays)
    homes: dict[Stray, Lost] = {}
    free = list(lost)
    for own_folder in (True, False):
        by_digest: dict[tuple[bytes, FolderName | None], list[Lost]] = defaultdict(list)
        for one in free:
            by_digest[one.row.digest, one.record.target_name if own_folder else None].append(one)
        for stray, found in digests.items():
            candidates = by_digest.get((found.l2, stray.folder if own_folder else None))
            if stray not in homes and candidates:
                homes[stray] = candidates.pop(0)
        taken = {(one.record.id, one.row.source_uid) for one in homes.values()}
        free = [one for one in free if (one.record.id, one.row.source_uid) not in taken]
    rest = {stray: found for stray, found in digests.items() if stray not in homes}
    return homes | (_by_source(lane, free, rest) if free and rest else {})


def _stray_digests(lane: Lane, strays: Sequence[Stray]) -> dict[Stray, Digests]:
    found: dict[Stray, Digests] = {}
    for folder in sorted({stray.folder for stray in strays}):
        lane.target.examine(folder)
        uids = sorted(stray.uid for stray in strays if stray.folder == folder)
        found |= {Stray(folder, uid): digests for uid, digests in look(lane.target, uids).items()}
    return found


def _by_source(lane: Lane, lost: Sequence[Lost], strays: dict[Stray, Digests]) -> dict[Stray, Lost]:
    """For targets that alter messages: compare with the bodies on the source."""
    bodies: dict[int, Digests] = {}
    for record in {one.record.id: one.record for one in lost}.values():
        if open_if_same(lane.source, record.source_name, record.source_uidvalidity):
            numbers = {one.row.source_uid: n for n, one in enumerate(lost) if one.record.id == record.id}
            bodies |= {numbers[uid]: found for uid, found in look(lane.source, sorted(numbers)).items()}
    order = list(strays)
    pairs = match(bodies, {n: strays[stray] for n, stray in enumerate(order)})
    return {order[there]: lost[number] for number, (there, _) in pairs.items()}
