"""Flags of messages that are across: set on the target before the cutover, carried back by a reverse pass."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from migrator.copier.lanes import Lane
from migrator.copier.plan import KeptFlags, SetFlags, same_flags, without
from migrator.copier.work import FolderWork, Pass
from migrator.imap import Session
from migrator.imap.errors import CommandRefused
from migrator.model.flags import SYSTEM_FLAGS
from migrator.model.message import Flags, MessageMeta
from migrator.state.records import FolderRecord, LedgerRow


def set_flags(shared: Pass, lane: Lane, work: FolderWork, changes: Sequence[SetFlags]) -> None:
    """Make the target's flags those of the source, message by message, and note it in the ledger."""
    by_flags: dict[Flags, list[SetFlags]] = defaultdict(list)
    for change in changes:
        by_flags[change.flags].append(change)
    lane.target.select(work.destination_name)
    for flags, group in by_flags.items():
        stored = _store(shared, lane.target, work, [change.target_uid for change in group], flags)
        shared.job.ledger.update_flags(work.record.id, [(c.source_uid, stored) for c in group], shared.job.lease)
    lane.target.unselect()
    shared.tally.flags_changed(len(changes))


def _store(shared: Pass, target: Session, work: FolderWork, uids: Sequence[int], flags: Flags) -> Flags:
    """The flags that the target has taken: where it refuses a keyword, the system flags alone."""
    try:
        target.store(uids, flags, "=")
    except CommandRefused as error:
        if flags <= SYSTEM_FLAGS:
            raise
        shared.tally.warn(f"{work.destination_name}: keywords refused, set without: {error.text}")
        flags &= SYSTEM_FLAGS
        target.store(uids, flags, "=")
    return flags


def carry_back_flags(
    shared: Pass, lane: Lane, record: FolderRecord, messages: Mapping[int, MessageMeta], paired: Mapping[int, LedgerRow]
) -> None:
    """What the user changed on the target since the ledger: added flags are added on the source, removed ones removed.

    `messages` and `paired` by target UID. Other flags on the source are left alone: the target may not keep them.
    """
    changes = {
        row.source_uid: (kept, row.flags)
        for uid, row in paired.items()
        if not row.gone and not same_flags(kept := KeptFlags().of(messages[uid].flags), row.flags)
    }
    if not changes:
        return
    lane.source.select(record.source_name)
    for mode, flags, uids in _differences(changes):
        lane.source.store(uids, flags, mode)
    shared.job.ledger.update_flags(record.id, [(uid, now) for uid, (now, _) in changes.items()], shared.job.lease)
    shared.tally.flags_changed(len(changes))


def _differences(changes: Mapping[int, tuple[Flags, Flags]]) -> Iterator[tuple[Literal["+", "-"], Flags, list[int]]]:
    """STOREs that turn the second flags into the first, messages with the same difference together."""
    added: dict[Flags, list[int]] = defaultdict(list)
    removed: dict[Flags, list[int]] = defaultdict(list)
    for uid, (now, was) in changes.items():
        added[without(now, was)].append(uid)
        removed[without(was, now)].append(uid)
    yield from (("+", flags, uids) for flags, uids in added.items() if flags)
    yield from (("-", flags, uids) for flags, uids in removed.items() if flags)
