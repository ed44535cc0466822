"""Which mailboxes move together, and when. Pure: the plan is shown, compared and written by others.

values      what is asked and what is answered        calendar    windows, holidays, blackouts
groups      who moves with whom                       board       waves in the making
placing     who leaves, and who joins which wave      naming      what new waves are called
notes       what a person should know of a plan
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from migrator.model.inventory import Bond, Size
from migrator.model.mailbox import Mailbox
from migrator.model.names import Address, WaveName
from migrator.model.wave import Wave
from migrator.waves.planner.board import Board, Draft
from migrator.waves.planner.calendar import allot, outdated
from migrator.waves.planner.groups import explicit_bonds, in_order
from migrator.waves.planner.naming import natural
from migrator.waves.planner.notes import notes, window_notes
from migrator.waves.planner.placing import place, relieve
from migrator.waves.planner.values import Budget, Load, Note, Scales, Speeds, WavePlan, Wishes

__all__ = ["Budget", "Load", "Note", "Speeds", "WavePlan", "Wishes", "look", "plan_waves"]


def plan_waves(
    mailboxes: Sequence[Mailbox],
    existing: Mapping[WaveName, Wave],
    begun: Mapping[WaveName, Iterable[Address]],
    wishes: Wishes,
    sizes: Mapping[Address, Size] | None = None,
    bonds: Iterable[Bond] = (),
) -> WavePlan:
    """Waves by department: the pilot department first, then small to large, each within its budget.

    `existing` are the wave files, `begun` the waves that have begun, with the mailboxes that the state has of them.

    A mailbox stays in the wave it is in, whatever the order of the input, unless that wave is over the budget and has
    not begun. Newcomers join the wave of those whom they should move with, else one of their department with room, else
    a new one. Who is bound by `bonds` or by keep_with goes as one, unless no wave can hold them: then a note says so.
    """
    sizes = sizes or {}
    board, known = _board(mailboxes, existing, begun, wishes, sizes, bonds, wishes.anew)
    underway = frozenset(address for members in begun.values() for address in members)
    relieve(board, known)
    place(board, known, wishes.pilot, frozenset({*existing, *begun}), underway)
    waves = _ordered(board, wishes.pilot)
    windows = allot(waves, wishes.calendar, frozenset(begun), wishes.pilot) if wishes.calendar else {}
    waves = [replace(wave, window=windows.get(wave.name) or wave.window) for wave in waves]
    return WavePlan(
        waves=tuple(waves),
        added=tuple(one for one in waves if one.name not in existing),
        grown=tuple(one for one in waves if one.name in existing and one != existing[one.name]),
        removed=tuple(sorted(set(existing) - {one.name for one in waves})),
        loads={draft.name: draft.load for draft in board.drafts if draft.name},
        notes=(*notes(board, known, sizes, wishes), *window_notes(windows), *_late(waves, begun, wishes)),
    )


def _late(waves: Sequence[Wave], begun: Collection[WaveName], wishes: Wishes) -> Iterator[Note]:
    """Windows of the files that cannot be kept."""
    named = {wave.name: wave for wave in waves}
    for wave, why in outdated(named, wishes.calendar, frozenset(begun)) if wishes.calendar else ():
        yield Note("window", f"wave {wave.name}: {why}; change `window:` in its file", wave.name)


def look(
    mailboxes: Sequence[Mailbox],
    waves: Mapping[WaveName, Wave],
    begun: Mapping[WaveName, Iterable[Address]],
    wishes: Wishes,
    sizes: Mapping[Address, Size],
    bonds: Iterable[Bond] = (),
) -> tuple[dict[WaveName, Load], tuple[Note, ...]]:
    """What `waves` weigh as they are, and what a person should know of them. Nothing is planned."""
    board, known = _board(mailboxes, waves, begun, wishes, sizes, bonds, anew=False)
    loads = {draft.name: draft.load for draft in board.drafts if draft.name}
    return loads, tuple(notes(board, known, sizes, wishes))


def _board(
    mailboxes: Sequence[Mailbox], waves: Mapping[WaveName, Wave], begun: Collection[WaveName], wishes: Wishes,
    sizes: Mapping[Address, Size], bonds: Iterable[Bond], anew: bool,
) -> tuple[Board, list[Bond]]:  # fmt: skip
    """The waves as they stand, and the bonds in the order in which they are kept."""
    people = {one.address: one for one in sorted(mailboxes, key=lambda one: one.address)}
    known = in_order([*bonds, *explicit_bonds(people.values())]) if wishes.keep_together else []
    board = Board(people, Scales(sizes, wishes), wishes.budget)
    for name in sorted(waves, key=natural):
        board.add(_draft(waves[name], people, name in begun, anew))
    return board, known


def _draft(wave: Wave, people: Mapping[Address, Mailbox], begun: bool, anew: bool) -> Draft:
    """The wave as it stands, without those who left or may not go to its server; with `anew` only who is pinned."""
    stay = [
        one
        for one in wave.mailboxes
        if begun or (one in people and wave.target in people[one].choices and (not anew or one in wave.pinned))
    ]
    return Draft(
        wave.name, wave.departments, wave.target, stay,
        window=wave.window, pinned=wave.pinned, fixed=begun, standing=not anew,
    )  # fmt: skip


def _ordered(board: Board, pilot: str | None) -> list[Wave]:
    """The waves that somebody is in: the pilot's, then small departments before large ones, their parts by number."""
    size: dict[tuple[str, ...], int] = {}
    for draft in board.drafts:
        size[draft.departments] = size.get(draft.departments, 0) + len(draft.addresses)
    waves = [(draft, draft.wave(draft.name)) for draft in board.drafts if draft.name and draft.addresses]
    waves.sort(
        key=lambda pair: (
            pilot not in pair[0].departments, size[pair[0].departments], pair[0].departments, natural(pair[1].name),
        )
    )  # fmt: skip
    return [wave for _, wave in waves]
