"""Who leaves a wave that is too large, and who joins which."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from migrator.model.inventory import Bond
from migrator.model.names import Address
from migrator.waves.planner.board import Board, Draft
from migrator.waves.planner.groups import Group, fits_somewhere, group, loads_of
from migrator.waves.planner.naming import names
from migrator.waves.planner.surplus import surplus
from migrator.waves.planner.values import Load


def relieve(board: Board, bonds: Sequence[Bond]) -> None:
    """Take as few mailboxes as can be out of each wave that is over the budget and has not begun; groups as a whole.

    One group stays, however large, and so do pinned mailboxes.
    """
    for draft in board.drafts:
        if draft.fixed or board.budget.fits(draft.load):
            continue
        pinned = frozenset(draft.pinned)
        inside = group((board.people[one] for one in draft.stay), _within(bonds, draft), board.budget, board.scales)
        movable = [one for one in inside if not pinned.intersection(one.addresses)]
        staying = draft.load - sum((one.loads[draft.target] for one in movable), Load())
        for one in surplus(movable, staying, draft.target, board.budget):
            board.leave(draft, one.addresses, one.loads[draft.target])


def _within(bonds: Sequence[Bond], draft: Draft) -> list[Bond]:
    stay = frozenset(draft.stay)
    return [bond for bond in bonds if not stay.isdisjoint(bond.members)]


def place(
    board: Board, bonds: Sequence[Bond], pilot: str | None, taken: frozenset[str], left_alone: frozenset[Address]
) -> None:
    """Put everybody who is in no draft into one. `taken` are names that new waves may not have."""
    newcomers = [
        one for one in board.people.values() if one.address not in board.home and one.address not in left_alone
    ]
    total = _total(board)
    by_department: dict[str, list[Group]] = defaultdict(list)
    friends = _friends(board, bonds)
    for one in group(newcomers, bonds, board.budget, board.scales):
        if (draft := _wave_of_friends(board, one, friends)) is not None:
            board.join(draft, one)
        else:
            by_department[_department(one, pilot)].append(one)
    used = set(taken)
    for department in sorted(by_department):
        for one in sorted(by_department[department], key=_large_first):
            board.join(_wave_for(board, one, department, total), one)
        new = [draft for draft in board.of(department) if draft.name is None]
        for draft, name in zip(new, names(department, [one.target for one in new], used), strict=True):
            draft.name = name
            used.add(name)


def _total(board: Board) -> Load:
    people = board.people.values()
    return sum((board.scales.weigh(one, one.choices[0]) for one in people), Load())


def _large_first(one: Group) -> tuple[int, int, Address]:
    return -len(one.members), -max(load.octets for load in one.loads.values()), one.members[0].address


def _department(one: Group, pilot: str | None) -> str:
    """Whose wave a group joins: the pilot's if one of it is there, else that of most of its members."""
    count = Counter(member.department for member in one.members)
    if pilot in count and pilot is not None:
        return pilot
    return min(count, key=lambda department: (-count[department], department))


def _friends(board: Board, bonds: Sequence[Bond]) -> dict[Address, list[Draft]]:
    """For those in no wave: the waves of those whom they should move with; once a bond and member.

    A bond that no wave can keep draws nobody.
    """
    found: dict[Address, list[Draft]] = defaultdict(list)
    for bond in bonds:
        homes = [board.home[one] for one in bond.members if one in board.home]
        new = [one for one in bond.members if one not in board.home and one in board.people]
        if not homes or not new:
            continue
        here = [board.people[one] for one in sorted(bond.members) if one in board.people]
        if fits_somewhere(loads_of(here, board.scales), board.budget):
            for address in new:
                found[address] += homes
    return found


def _wave_of_friends(board: Board, one: Group, friends: Mapping[Address, list[Draft]]) -> Draft | None:
    votes: Counter[int] = Counter()
    known: dict[int, Draft] = {}
    for address in one.addresses:
        for draft in friends.get(address, ()):
            votes[id(draft)] += 1
            known[id(draft)] = draft
    for key in sorted(known, key=lambda key: (-votes[key], known[key].name or "")):
        if not known[key].fixed and board.has_room(known[key], one):
            return known[key]
    return None


def _wave_for(board: Board, one: Group, department: str, total: Load) -> Draft:
    """An open wave of `department` that people know already; else one of this plan, on the server with the least."""
    servers = board.lightest(one.loads, total)
    standing = [draft for draft in board.of(department) if draft.standing and board.has_room(draft, one)]
    if standing:
        return min(standing, key=lambda draft: servers.index(draft.target))
    target = next((server for server in servers if board.budget.fits(one.loads[server])), servers[0])
    for draft in board.of(department):
        if draft.target == target and board.has_room(draft, one):
            return draft
    draft = Draft(None, (department,), target)
    board.add(draft)
    return draft
