"""What goes from the target because it went from the source: before the cutover, and only what we put there. Pure.

A plan of its own, for the copy plan has no Delete. It shows in the dry run; `removal` carries it out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from migrator.copier.plan import same_flags
from migrator.model.message import MessageMeta, Mirrored, Outcome
from migrator.state.records import FolderRecord, LedgerRow

MASS = 10  # messages; more than that, and more than half of a folder or mailbox, look like a broken source


@dataclass(frozen=True, slots=True)
class GoneIn:
    """Of one folder: messages on the source, and those gone from it that we placed on the target.

    `moved`: how many of the latter are on both sides in another place.
    """

    record: FolderRecord
    live: int
    gone: int
    moved: int = 0

    @property
    def lost(self) -> int:
        """Gone, and nowhere else."""
        return max(0, self.gone - self.moved)


@dataclass(frozen=True, slots=True)
class MirrorPlan:
    """`remove`: from which folders; `held`: where too much went at once, so that nothing is removed."""

    remove: tuple[GoneIn, ...] = ()
    held: tuple[GoneIn, ...] = ()

    @property
    def messages(self) -> int:
        """How many are to be removed."""
        return sum(folder.gone for folder in self.remove)


@dataclass(frozen=True, slots=True)
class Judged:
    """Of rows whose messages were to go: `remove` those; `settled` need no removal, their reason says why."""

    remove: tuple[LedgerRow, ...]
    settled: tuple[LedgerRow, ...]


def plan_mirror(folders: Sequence[GoneIn]) -> MirrorPlan:
    """Remove what went from each folder, unless too much went from it, or from the mailbox, to be believed."""
    all_at_once = _too_much(sum(f.lost for f in folders), sum(f.live + f.gone for f in folders))
    affected = [folder for folder in folders if folder.gone]
    held = [f for f in affected if (all_at_once and f.lost) or _too_much(f.lost, f.live + f.gone)]
    return MirrorPlan(tuple(folder for folder in affected if folder not in held), tuple(held))


def _too_much(lost: int, known: int) -> bool:
    return lost > MASS and 2 * lost > known


def may_be_removed(row: LedgerRow) -> bool:
    """Whether we put the row's message on the target, know where, and have not settled what becomes of it."""
    return row.outcome is Outcome.COPIED and row.target_uid is not None and not row.reason


def judge(rows: Sequence[LedgerRow], on_target: Mapping[int, MessageMeta]) -> Judged:
    """Which of `rows`, all gone from the source, are to be removed; `on_target` is by target UID, asked again."""
    gone = [row for row in rows if may_be_removed(row)]
    there = [
        (row, on_target[row.target_uid]) for row in gone if row.target_uid is not None and row.target_uid in on_target
    ]
    found = {row.source_uid for row, _ in there}
    missed = [replace(row, target_uid=None, reason=Mirrored.MISSED) for row in gone if row.source_uid not in found]
    touched = [touched_row(row) for row, message in there if not same_flags(message.flags, row.flags)]
    same = [row for row, message in there if same_flags(message.flags, row.flags)]
    return Judged(tuple(same), (*missed, *touched))


def removed_row(row: LedgerRow) -> LedgerRow:
    """The row of a message that is on neither side any more."""
    return replace(row, target_uid=None, reason=Mirrored.REMOVED)


def touched_row(row: LedgerRow) -> LedgerRow:
    """The row of a message that is kept, as somebody has changed it."""
    return replace(row, reason=Mirrored.TOUCHED)
