"""What is there now against what is expected and what is wanted, the same for all places: no I/O."""

from collections.abc import Mapping

from migrator.model.names import Address, Nexthop
from migrator.model.route import Flip, Flips
from migrator.routing.contract import Conflict, RouteConflict, shown
from migrator.routing.errors import RouteNotInForce, listing

Routes = Mapping[Address, Nexthop | None]
OTHERS = "Somebody else writes there too, or it did not do what it said; see which, then run again."


def planned(now: Routes, wanted: Routes) -> Flips:
    """The changes from `now` to `wanted`, in the order of `wanted`."""
    return Flips(tuple(Flip(each, now[each], value) for each, value in wanted.items() if now[each] != value))


def refuse_conflicts(place: str, flips: Flips, now: Routes) -> None:
    """RouteConflict, with all of them, where `now` is neither what is expected nor what is wanted."""
    found = ((flip, now[flip.address]) for flip in flips.changes)
    conflicts = tuple(
        Conflict(flip.address, flip.expected, value, flip.wanted)
        for flip, value in found
        if value not in (flip.expected, flip.wanted)
    )
    if conflicts:
        raise RouteConflict(place, conflicts)


def unlike(flips: Flips, now: Routes) -> tuple[Flip, ...]:
    """The flips whose wanted value is not there."""
    return tuple(flip for flip in flips.changes if now[flip.address] != flip.wanted)


def refuse_unlike(place: str, flips: Flips, now: Routes, remedy: str = OTHERS) -> None:
    """RouteNotInForce, with `remedy`, when `now`, read after the change, is not what was wanted."""
    if wrong := unlike(flips, now):
        lines = [f"{f.address}: written {shown(f.wanted)}, answered {shown(now[f.address])}" for f in wrong]
        raise RouteNotInForce(f"{place}: after the change, it answers otherwise:{listing(lines)}", remedy=remedy)


def diff(place: str, flips: Flips, now: Routes) -> str:
    """What `flips` would change, as a unified diff with a line an entry. RouteConflict as for an apply."""
    refuse_conflicts(place, flips, now)
    old = [f"-{f.address}\t{now[f.address]}\n" for f in unlike(flips, now) if now[f.address] is not None]
    new = [f"+{f.address}\t{f.wanted}\n" for f in unlike(flips, now) if f.wanted is not None]
    if not old and not new:
        return ""
    sides = f"-{int(bool(old))},{len(old)} +{int(bool(new))},{len(new)}"
    return f"--- {place}\n+++ {place} (planned)\n@@ {sides} @@\n" + "".join(old + new)
