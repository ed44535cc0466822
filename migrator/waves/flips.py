"""Setting routes: journal the intent, write by compare-and-swap, read back, journal the evidence (I6, I7)."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress

from migrator.model.errors import ExitCode, MigratorError, Refused
from migrator.model.names import Address, Nexthop
from migrator.model.route import Flip, Flips
from migrator.routing import Attended, Conflict, RouteConflict, shown
from migrator.state.errors import LeaseLost
from migrator.waves.operation import Operation
from migrator.waves.places import Place

Routes = Mapping[Address, Nexthop | None]


def originals(op: Operation, place: Place) -> Routes:
    """What `place` said of the wave's addresses before this program first wrote there.

    An address that has left the wave since is not among them: another wave may have moved it.
    """
    found, ours = op.store.flips.original(op.wave.name, place.name), set(op.addresses)
    return {address: value for address, value in found.items() if address in ours}


def home(op: Operation, place: Place) -> Routes:
    """To where a rollback takes each entry: what was found before the cutover. One that says by now what the workspace
    expects of the source stays so: what was found may have been wrong, and was put right by hand since."""
    found, source = originals(op, place), expected_at_source(op, place)
    now = place.routing.read(tuple(found))
    return {address: now[address] if now[address] == source.get(address) else value for address, value in found.items()}


def observe(op: Operation, place: Place) -> Routes:
    """Read the present routes and remember them as the point to which a rollback returns."""
    found = place.routing.read(place.serves(op.addresses))
    op.store.flips.observe(op.wave.name, place.name, found)
    return found


def set_routes(op: Operation, place: Place, step: str, wanted: Routes) -> None:
    """Make `place` say `wanted`. May be repeated after a crash: a value this wave wrote, or found first, is ours.

    Raises RouteConflict, and writes nothing, where an entry holds anything else: a hand edit, another tool; NotObserved
    where it would be overwritten without being known.
    """
    flips = place.routing.plan(wanted)
    refuse_unobserved(op, place, flips)
    if foreign := _foreign(op, place, flips):
        raise RouteConflict(place.name, foreign)
    _write(op, place, step, wanted, flips)


def set_ours(op: Operation, place: Place, step: str, wanted: Routes) -> tuple[Conflict, ...]:
    """The same for the entries that are ours; those that somebody else changed are left as they are, and returned."""
    flips = place.routing.plan(wanted)
    foreign = _foreign(op, place, flips)
    strangers = {conflict.address for conflict in foreign}
    ours = {address: value for address, value in wanted.items() if address not in strangers}
    _write(op, place, step, ours, Flips(tuple(flip for flip in flips.changes if flip.address in ours)))
    known = originals(op, place) if foreign else {}
    for conflict in foreign:
        why = "changed by somebody else" if conflict.address in known else "not looked at before the cutover"
        op.progress.note(f"{place.name}: left alone, {why}: {conflict}")
    return foreign


class NotObserved(Refused):
    """A place was not looked at before the cutover: what is there now could never be put back (DESIGN, rule 6)."""

    exit_code = ExitCode.GATE_REFUSED


def refuse_unobserved(op: Operation, place: Place, flips: Flips) -> None:
    """NotObserved where an entry is to be changed of which nobody has noted what it was."""
    first = originals(op, place)
    if unknown := sorted(flip.address for flip in flips.changes if flip.address not in first):
        raise NotObserved(
            f"{place.name}: {len(unknown)} entries, first {unknown[0]}, were not looked at before the cutover; "
            "nothing was written there",
            remedy="It was added, or could not be read, when the gate `routes` looked. Before the flip: run again, and "
            "let that gate look. Later: take it out of `routing:` until the wave is completed or rolled back.",
        )


def restore(
    op: Operation, step: str, wanted: Callable[[Operation, Place], Routes | None], places: Iterable[Place]
) -> list[RouteConflict]:
    """`set_ours` at each of `places` where `wanted` gives routes, whatever happens at the others.

    Places that need a person come last: what waits elsewhere waits for nobody.

    Returns what somebody else has changed, place by place. Raises the first other error when all have been tried.
    """
    conflicts, errors = [], []
    for place in sorted(places, key=lambda place: isinstance(place.routing, Attended)):
        try:
            routes = wanted(op, place)
            if routes and (foreign := set_ours(op, place, step, routes)):
                conflicts.append(RouteConflict(place.name, foreign, "these were left alone, all others are as wanted"))
        except MigratorError as error:
            op.progress.note(f"{place.name}: {step} failed: {error}")
            errors.append(error)
    if errors:
        raise errors[0]
    return conflicts


def foreign_entries(op: Operation, place: Place, wanted: Routes) -> tuple[Conflict, ...]:
    """Entries that hold what this wave neither found first nor wrote, nor wants. NotObserved as for `set_routes`."""
    flips = place.routing.plan(wanted)
    refuse_unobserved(op, place, flips)
    return _foreign(op, place, flips)


def _foreign(op: Operation, place: Place, flips: Flips) -> tuple[Conflict, ...]:
    """The same for planned flips: what was judged is what the write expects, or it is a conflict there (I6)."""
    first = originals(op, place)
    written = op.store.flips.written(op.wave.name, place.name)

    def is_ours(flip: Flip) -> bool:
        found_first = flip.address in first and flip.expected == first[flip.address]
        return found_first or flip.expected in written.get(flip.address, frozenset())

    return tuple(
        Conflict(flip.address, first.get(flip.address), flip.expected, flip.wanted)
        for flip in sorted(flips.changes, key=lambda flip: flip.address)
        if not is_ours(flip)
    )


def _write(op: Operation, place: Place, step: str, wanted: Routes, flips: Flips) -> None:
    op.refuse_stale()
    op.store.flips.intend(op.wave.name, place.name, step, flips)
    # Also with nothing left to write: a run that died between the write and the reload left Postfix on the old map.
    made = place.routing.apply(flips)
    for note in made.notes:
        op.progress.note(f"{place.name}: {note}")
    changed = set(made.changed)
    _take_back_if_stale(op, place, step, Flips(tuple(flip for flip in flips.changes if flip.address in changed)))
    found = place.routing.read(tuple(wanted))
    unlike = tuple(Conflict(a, wanted[a], found[a], wanted[a]) for a in sorted(wanted) if found[a] != wanted[a])
    if unlike:
        raise RouteConflict(place.name, unlike, "they were as wanted when they had been written")
    op.store.flips.confirm(op.wave.name, place.name, step)
    detail = {"ingress": place.name, "changed": len(flips.changes), "entries": len(wanted), **_said(place, flips)}
    op.store.audit.record(op.actor, f"routes: {step}", wave=op.wave.name, detail=detail)


def _take_back_if_stale(op: Operation, place: Place, step: str, made: Flips) -> None:
    """A run that slept through its own write, and was replaced meanwhile, may have written over what the other one
    did: it takes back what is still as it wrote it, and raises LeaseLost."""
    try:
        op.refuse_stale()
    except LeaseLost:
        op.progress.note(f"{place.name}: {step} came too late, and is taken back: another runner has the wave")
        with suppress(RouteConflict):
            place.routing.revert(made)
        raise


def where_routes_stand(op: Operation, most: int = 100) -> str:
    """A line for each address and place: what is there now, and which server that is.

    For an operator whose places could not all be put back; of more than `most` lines the rest is counted.
    """
    lines = []
    for place in op.places:
        try:
            found = place.routing.read(place.serves(op.addresses))
        except MigratorError as error:
            lines.append(f"{place.name}: cannot be read: {error}")
            continue
        lines += [f"{place.name}: {a}: {shown(value)}, {place.leads(a, value)}" for a, value in found.items()]
    rest = [f"and {len(lines) - most} more: `migrator route show --wave {op.wave.name}`"] if len(lines) > most else []
    return "\n".join(f"  {line}" for line in [*lines[:most], *rest])


def _said(place: Place, flips: Flips) -> dict[str, str]:
    """Where only people can look: who says that these entries are so."""
    if not isinstance(place.routing, Attended):
        return {}
    evidence = place.routing.evidence(flips.addresses)
    return {"evidence": "; ".join(dict.fromkeys(evidence.values()))}


def to_server(op: Operation, place: Place) -> Routes:
    """Every address of the wave on its target."""
    return place.nexthops({mailbox: mailbox.target for mailbox in op.mailboxes})


def expected_at_source(op: Operation, place: Place) -> Routes:
    """What this place says of every address of the wave before the cutover, by the workspace."""
    return place.nexthops({mailbox: mailbox.source for mailbox in op.mailboxes})


def frozen(op: Operation, place: Place) -> Routes | None:
    """Every address of the wave held back; None where this place cannot hold mail back."""
    value = place.routing.freeze_value
    return None if value is None else dict.fromkeys(place.serves(op.addresses), value)
