"""Changing entries of a directory one by one: what can go wrong in the middle, and what is told of it then."""

from collections.abc import Sequence
from dataclasses import dataclass

from migrator.model.errors import MigratorError, Refused, Transient, Unreachable
from migrator.model.names import Address, Nexthop
from migrator.model.route import Flip
from migrator.routing.contract import LISTED, Conflict, RouteConflict, shown
from migrator.routing.errors import DirectoryRefused, EntryInvalid, listing
from migrator.routing.ldap.people import People, Site, person
from migrator.routing.ldap.wire import Session, ValueStale
from migrator.routing.retries import patiently


@dataclass(frozen=True, slots=True)
class Change:
    """One entry to change, for all its addresses that are to be flipped."""

    dn: str
    flips: tuple[Flip, ...]

    @property
    def flip(self) -> Flip:
        return self.flips[0]


class _Moved(Exception):
    """The entry holds neither what is expected nor what is wanted, but this."""

    def __init__(self, found: Nexthop | None) -> None:
        super().__init__()
        self.found = found


def by_entry(place: str, flips: Sequence[Flip], people: People) -> list[Change]:
    """The entries to change. EntryInvalid where addresses that share one are to go to different places."""
    shared: dict[str, list[Flip]] = {}
    for flip in flips:
        shared.setdefault(people.entries[flip.address].dn, []).append(flip)
    if lines := [
        f"{dn}: {'; '.join(f'{flip.address} to {shown(flip.wanted)}' for flip in both)}"
        for dn, both in shared.items()
        if len({flip.wanted for flip in both}) > 1
    ]:
        raise EntryInvalid(
            f"{place}: addresses that share an entry are to go to different places; nothing was written:"
            f"{listing(lines)}",
            remedy="Move them in one wave to one server, with a `nexthop:` that does not depend on the address.",
        )
    return [Change(dn, tuple(both)) for dn, both in shared.items()]


def make(session: Session, site: Site, place: str, changes: Sequence[Change], patience: float | None) -> None:
    """Make the changes, in their order. An error says which are made; the same call makes the rest.

    RouteConflict where an entry has changed since it was looked at; Unreachable where the server was away for longer
    than `patience` (seconds); DirectoryRefused.
    """
    for number, change in enumerate(changes):
        attempt = _Attempt(session, site, change)
        try:
            attempt.make(patience)
        except _Moved as moved:
            so_far = _so_far(changes[:number], (), changes[number:])
            flips = change.flips
            conflicts = tuple(Conflict(f.address, f.expected, moved.found, f.wanted) for f in flips)
            raise RouteConflict(place, conflicts, so_far) from None
        except MigratorError as error:
            doubtful = change.flips if attempt.in_doubt else ()
            so_far = _so_far(changes[:number], doubtful, changes[number + bool(doubtful) :])
            if isinstance(error, Transient):
                raise Unreachable(f"{place}: {error}; {so_far}", remedy=error.remedy) from error
            remedy = f"{error.remedy} The same command, run again, changes the rest."
            raise type(error)(f"{place}: {error}; {so_far}", remedy=remedy) from error


@dataclass
class _Attempt:
    """One change. `in_doubt`: it was sent, and whether it is made is not known.

    A request that a dead connection left at the server names the value that it replaces: executed late, it does nothing
    to an entry that has changed since.
    """

    session: Session
    site: Site
    change: Change
    in_doubt: bool = False

    def make(self, patience: float | None) -> None:
        """Make it, unless it is made. When its answer was lost, the entry is looked at before anything is done."""
        old, new = self.change.flip.expected, self.change.flip.wanted
        try:
            patiently(self._once, patience)
        except ValueStale as stale:
            if not patiently(self._is_made, patience):
                raise DirectoryRefused(
                    f"{self.site.directory}: {self.change.dn} holds {shown(old)} as expected, and yet it cannot be "
                    f"changed to {shown(new)}: {stale}",
                    remedy="The account of `bind_dn` may not be allowed to read a value that is there, or the schema "
                    "forbids the new one.",
                ) from None

    def _once(self) -> None:
        if self.in_doubt and self._is_made():
            return
        flip, attribute = self.change.flip, self.site.attribute
        unless = f"({attribute}=*)" if flip.expected is None else ""
        self.in_doubt = True
        try:
            self.session.modify(self.change.dn, attribute, flip.expected, flip.wanted, unless)
        except (ValueStale, Refused):
            self.in_doubt = False
            raise

    def _is_made(self) -> bool:
        """Whether the entry is as wanted; False: as expected. _Moved for anything else."""
        attribute, flip = self.site.attribute, self.change.flip
        values = person(self.session.entry(self.change.dn, [attribute]), attribute).values
        found = Nexthop("; ".join(values)) if values else None
        if found not in (flip.expected, flip.wanted):
            raise _Moved(found)
        return found == flip.wanted


def _so_far(made: Sequence[Change], doubtful: Sequence[Flip], left: Sequence[Change]) -> str:
    """What is changed and what is not, address by address."""
    parts = [
        _told("changed", [flip.address for change in made for flip in change.flips]),
        _told("changed or not, which is not known", [flip.address for flip in doubtful]),
        _told("not changed", [flip.address for change in left for flip in change.flips]),
    ]
    return "; ".join(part for part in parts if part)


def _told(what: str, addresses: Sequence[Address]) -> str:
    if not addresses:
        return ""
    rest = f" and {len(addresses) - LISTED} more" if len(addresses) > LISTED else ""
    return f"{what} ({len(addresses)}): {', '.join(addresses[:LISTED])}{rest}"
