"""Flags of messages that are across: set on the target before the cutover, carried back by a reverse pass."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from migrator.copier.job import FolderChanged
from migrator.copier.lanes import Lane
from migrator.copier.plan import KeptFlags, SetFlags, same_flags, without
from migrator.copier.work import FolderWork, Pass
from migrator.imap import Change, Mode, Session, Stored
from migrator.imap.errors import CommandRefused
from migrator.model.errors import MigratorError
from migrator.model.flags import SYSTEM_FLAGS
from migrator.model.message import Flags, MessageMeta
from migrator.model.names import FolderName
from migrator.state.records import FolderRecord, LedgerRow

BURST = 5000  # messages whose flags change in one go: the answers about them are held

Part = tuple[FolderWork, Sequence[SetFlags]]
Groups = dict[Flags, list[SetFlags]]


def set_flags(shared: Pass, lane: Lane, parts: Sequence[Part]) -> None:
    """Make the target's flags those of the source, in all these folders at once, and note it in the ledger.

    Two round trips for up to BURST messages, however many folders: a look whether each folder is still the one that
    its work knows, else FolderChanged before anything is changed; then the changes. They cannot be made to depend on
    that look, so UIDVALIDITY is compared again with their answers. A folder that was made anew between the two, within
    one round trip, has the flags of its own messages put back, and FolderChanged is raised.
    """
    for burst in _bursts(parts):
        shared.lanes.checkpoint()
        looks = lane.target.glance([(work.destination_name, ()) for work, _ in burst])
        for (work, _), now in zip(burst, looks, strict=True):
            if now.uidvalidity != work.uidvalidity:
                raise _changed(work)
        if bare := _set(shared, lane.target, [(work, _by_flags(changes)) for work, changes in burst]):
            _set(shared, lane.target, bare)


def _bursts(parts: Sequence[Part]) -> Iterator[list[Part]]:
    burst, room = list[Part](), BURST
    for work, changes in parts:
        rest = changes
        while rest:
            burst.append((work, rest[:room]))
            rest, room = rest[room:], room - len(burst[-1][1])
            if not room:
                yield burst
                burst, room = [], BURST
    if burst:
        yield burst


def _by_flags(changes: Sequence[SetFlags]) -> Groups:
    groups: Groups = defaultdict(list)
    for change in changes:
        groups[change.flags].append(change)
    return groups


@dataclass
class _Outcome:
    """What came of a burst: flags for the ledger, what is to be tried again `bare` of keywords, and errors."""

    taken: list[tuple[int, int, Flags]] = field(default_factory=list)
    bare: list[tuple[FolderWork, Groups]] = field(default_factory=list)
    errors: list[MigratorError] = field(default_factory=list)


def _set(shared: Pass, target: Session, parts: Sequence[tuple[FolderWork, Groups]]) -> list[tuple[FolderWork, Groups]]:
    """Set flags in one round trip; what is to be tried again with the system flags alone, as keywords were refused.

    What the target has taken is in the ledger, also when an error is raised.
    """
    asks = [(work.destination_name, [_change(*group) for group in groups.items()]) for work, groups in parts]
    outcome = _Outcome()
    for (work, groups), (name, changes), stored in zip(parts, asks, target.store_in(asks), strict=True):
        if stored.uidvalidity in (0, work.uidvalidity):
            _sort(shared, work, groups, stored, outcome)
        else:
            put_back(target, name, changes, stored)
            outcome.errors.append(_changed(work))
    shared.job.ledger.update_flags(outcome.taken, shared.job.lease)
    shared.tally.flags_changed(len(outcome.taken))
    for error in outcome.errors:
        raise error
    return outcome.bare


def _change(flags: Flags, group: Sequence[SetFlags]) -> Change:
    return Change("=", flags, [one.target_uid for one in group])


def _sort(shared: Pass, work: FolderWork, groups: Groups, stored: Stored, outcome: _Outcome) -> None:
    bare: Groups = defaultdict(list)
    for (flags, group), error in zip(groups.items(), stored.refused, strict=True):
        if error is None:
            outcome.taken += [(work.record.id, one.source_uid, flags) for one in group]
        elif isinstance(error, CommandRefused) and stored.uidvalidity and not flags <= SYSTEM_FLAGS:
            shared.tally.warn(f"{work.destination_name}: keywords refused, set without: {error.text}")
            bare[flags & SYSTEM_FLAGS] += group
        else:
            outcome.errors.append(error)
    if bare:
        outcome.bare.append((work, bare))


def put_back(target: Session, name: FolderName, changes: Sequence[Change], stored: Stored) -> None:
    """Changes ("=" or "+") that hit a folder which is not the one that was meant: its messages get their flags back."""
    was = {uid: KeptFlags().of(flags) for uid, flags in stored.before().items() if uid not in stored.alone}
    hit = {
        uid: (was[uid], change.flags if change.mode == "=" else was[uid] | change.flags)
        for change in changes
        for uid in change.uids
        if uid in was
    }
    (now,) = target.glance([(name, ())], select=True)
    if now.uidvalidity == stored.uidvalidity:
        for mode, flags, uids in _differences(hit):
            target.store(uids, flags, mode)
    target.unselect()


def _changed(work: FolderWork) -> FolderChanged:
    return FolderChanged(f"{work.destination_name!r} on the target is not the folder that it was")


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
    shared.job.ledger.update_flags([(record.id, uid, now) for uid, (now, _) in changes.items()], shared.job.lease)
    shared.tally.flags_changed(len(changes))


def _differences(changes: Mapping[int, tuple[Flags, Flags]]) -> Iterator[tuple[Mode, Flags, list[int]]]:
    """STOREs that turn the second flags into the first, messages with the same difference together."""
    added: dict[Flags, list[int]] = defaultdict(list)
    removed: dict[Flags, list[int]] = defaultdict(list)
    for uid, (now, was) in changes.items():
        added[without(now, was)].append(uid)
        removed[without(was, now)].append(uid)
    yield from (("+", flags, uids) for flags, uids in added.items() if flags)
    yield from (("-", flags, uids) for flags, uids in removed.items() if flags)
