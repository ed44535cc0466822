"""What a person should know of a plan: every budget that is broken, every bond that is not kept, what was not known."""

from collections.abc import Iterator, Mapping, Sequence

from migrator.model.inventory import Bond, Size
from migrator.model.names import Address, WaveName
from migrator.waves.planner.board import Board, Draft
from migrator.waves.planner.groups import fits_somewhere, loads_of
from migrator.waves.planner.values import Load, Note, Wishes

SHOWN = 5


def notes(board: Board, bonds: Sequence[Bond], sizes: Mapping[Address, Size], wishes: Wishes) -> list[Note]:
    """Of the plan as it stands on `board`."""
    return [*_pilot(board, wishes.pilot), *_budgets(board), *_bonds(board, bonds), *_unknown(board, sizes, wishes)]


def _pilot(board: Board, pilot: str | None) -> Iterator[Note]:
    if pilot is not None and board.people and all(one.department != pilot for one in board.people.values()):
        yield Note("pilot", f"nobody is in the department `{pilot}` (`planner.pilot`): no wave is the pilot's")


def _budgets(board: Board) -> Iterator[Note]:
    for draft in sorted(board.drafts, key=lambda one: one.name or ""):
        over = board.budget.excess(draft.load)
        if over == Load():
            continue
        texts = []
        if over.mailboxes:
            texts.append(f"{draft.load.mailboxes:,} mailboxes are more than {board.budget.mailboxes:,}")
        if over.octets:
            texts.append(f"{draft.load.octets:,} octets are more than {board.budget.octets:,}")
        if over.milliseconds:
            texts.append(f"{_hours(draft.load.milliseconds)} are more than {_hours(board.budget.milliseconds or 0)}")
        yield Note("budget", f"wave {draft.name}: {', and '.join(texts)}: {_why_over(board, draft)}", draft.name)


def _why_over(board: Board, draft: Draft) -> str:
    if draft.fixed:
        return "it has begun, and is left as it is"
    if len(draft.addresses) == 1:
        return f"{draft.addresses[0]} alone breaks the budget"
    return "the rest of it is pinned" if draft.pinned else "it cannot be made smaller"


def _bonds(board: Board, bonds: Sequence[Bond]) -> Iterator[Note]:
    for bond in bonds:
        here = sorted(one for one in bond.members if one in board.home)
        waves = sorted({board.home[one].name or "" for one in here})
        if len(waves) > 1:
            who = ", ".join(here[:SHOWN]) + (f" and {len(here) - SHOWN:,} more" if len(here) > SHOWN else "")
            text = f"{who} should move together ({bond.why}), and are in {', '.join(waves)}: "
            yield Note("together", text + _why_split(board, here), mailboxes=tuple(here))


def _why_split(board: Board, here: Sequence[Address]) -> str:
    people = [board.people[one] for one in here if one in board.people]
    if begun := sorted({home.name or "" for one in here if (home := board.home[one]).fixed}):
        return f"{', '.join(begun)} has begun" if len(begun) == 1 else f"{', '.join(begun)} have begun"
    loads = loads_of(people, board.scales)
    if not loads:
        return "no server takes all of them"
    if not fits_somewhere(loads, board.budget):
        return "they alone break the budget of a wave"
    return "there was no room; `migrator wave move` changes it, and `wave plan --anew` plans what has not begun anew"


def _unknown(board: Board, sizes: Mapping[Address, Size], wishes: Wishes) -> Iterator[Note]:
    budget = wishes.budget
    if budget.octets is not None or budget.milliseconds is not None:
        unseen = sum(1 for one in board.people if one not in sizes)
        if unseen:
            counted = f"counted as {wishes.mailbox_octets:,} octets" if wishes.mailbox_octets else "counted as empty"
            many = "1 mailbox" if unseen == 1 else f"{unseen:,} mailboxes"
            yield Note("size", f"nobody has looked how large {many} may be: {counted} (`planner.mailbox_size`)")
    if budget.milliseconds is not None:
        pairs = {(one.source, target) for one in board.people.values() for target in one.choices}
        for source, target in sorted(pairs):
            if wishes.speeds.copying(source, target) is None:
                text = f"how fast {source} and {target} are is not known (`planner.throughput`): hours are not budgeted"
                yield Note("speed", text)


def window_notes(found: Mapping[WaveName, object]) -> Iterator[Note]:
    """For waves for which the calendar had no window."""
    for name, window in found.items():
        if window is None:
            yield Note("window", f"wave {name}: the calendar has no window left for it", name)


def _hours(milliseconds: int) -> str:
    return f"{milliseconds / 3_600_000:.1f} h"
