"""Who has to leave a wave that is over its budget: as few mailboxes as can be, groups as a whole."""

from collections.abc import Sequence

from migrator.model.names import ServerName
from migrator.waves.planner.groups import Group
from migrator.waves.planner.values import Budget, Load


def surplus(groups: Sequence[Group], staying: Load, target: ServerName, budget: Budget) -> list[Group]:
    """Those of `groups`, which are in a wave to `target`, that leave it. `staying` is what stays in any case.

    Nobody where that alone is over the budget; one group where each is, by itself.
    """
    load = sum((one.loads[target] for one in groups), staying)
    over = budget.excess(load)
    if staying.mailboxes and not budget.fits(staying):
        return []
    if over == Load(over.mailboxes):
        return _fewest(groups, over.mailboxes)
    left = sorted(groups, key=lambda one: (*_relief(one.loads[target], over), one.members[0].address))
    gone: list[Group] = []
    while not budget.fits(load) and (len(left) > 1 or staying.mailboxes):
        gone.append(left.pop())
        load -= gone[-1].loads[target]
    for one in sorted(gone, key=lambda one: (-len(one.members), one.members[0].address)):  # who need not, after all
        if budget.fits(load, one.loads[target]):
            gone.remove(one)
            load += one.loads[target]
    return gone


def _fewest(groups: Sequence[Group], excess: int) -> list[Group]:
    """Groups of at least `excess` mailboxes together, and of as few as can be; the last ones by address."""
    chosen: dict[int, tuple[Group, int] | None] = {0: None}  # how each sum is reached: by whom, from which sum
    for one in reversed(groups):
        for total in [total for total in chosen if total < excess]:
            chosen.setdefault(total + len(one.members), (one, total))
        if excess in chosen:
            break
    at = min((total for total in chosen if total >= excess), default=0)
    found: list[Group] = []
    while step := chosen[at]:
        found.append(step[0])
        at = step[1]
    return found


def _relief(load: Load, over: Load) -> tuple[float, int]:
    """How much of what is too much goes with it, for each of its mailboxes; of equals those with few octets."""
    pairs = (
        (load.mailboxes, over.mailboxes),
        (load.octets, over.octets),
        (load.milliseconds, over.milliseconds),
    )
    return sum(min(has / much, 1.0) for has, much in pairs if much) / load.mailboxes, -load.octets
