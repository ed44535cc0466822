"""Who moves with whom: bonds made into groups that fit a wave."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from migrator.model.inventory import Bond
from migrator.model.mailbox import Mailbox
from migrator.model.names import Address, ServerName
from migrator.waves.planner.values import Budget, Load, Scales


@dataclass(frozen=True, slots=True)
class Group:
    """Mailboxes that are placed as one, by address; `loads` says what they weigh on each server they may go to."""

    members: tuple[Mailbox, ...]
    loads: Mapping[ServerName, Load]

    @property
    def addresses(self) -> tuple[Address, ...]:
        return tuple(mailbox.address for mailbox in self.members)


def explicit_bonds(mailboxes: Iterable[Mailbox]) -> tuple[Bond, ...]:
    """The bonds that the column keep_with makes: one a label, one an address that others name."""
    named: dict[str, set[Address]] = {}
    for mailbox in mailboxes:
        if mailbox.keep_with:
            together = named.setdefault(mailbox.keep_with, set())
            together.add(mailbox.address)
            if "@" in mailbox.keep_with:
                together.add(Address(mailbox.keep_with))
    return tuple(Bond(frozenset(named[label]), f"keep_with: {label}") for label in sorted(named))


def in_order(bonds: Iterable[Bond]) -> list[Bond]:
    """Each once: what people wrote goes first, then small to large; what they are called decides the rest."""
    found = {(one.members, one.why) for one in bonds if len(one.members) > 1}
    keyed = [((not why.startswith("keep_with: "), len(who), sorted(who), why), Bond(who, why)) for who, why in found]
    return [bond for _, bond in sorted(keyed, key=lambda pair: pair[0])]


def fits_somewhere(loads: Mapping[ServerName, Load], budget: Budget) -> bool:
    return any(budget.fits(load) for load in loads.values())


def loads_of(mailboxes: Sequence[Mailbox], scales: Scales) -> dict[ServerName, Load]:
    """What they weigh together on each server that all of them may go to; empty when there is none."""
    common = set(mailboxes[0].choices).intersection(*(one.choices for one in mailboxes[1:]))
    return {target: sum((scales.weigh(one, target) for one in mailboxes), Load()) for target in sorted(common)}


def group(mailboxes: Iterable[Mailbox], bonds: Sequence[Bond], budget: Budget, scales: Scales) -> list[Group]:
    """All `mailboxes`, each in one group; by first address.

    Bonds are kept one after the other (`in_order`). One that would make a group that fits no wave, or that no server
    takes as a whole, is passed over: what it says is then for the notes.
    """
    people = {one.address: one for one in mailboxes}
    home: dict[Address, Group] = {}
    for bond in bonds:
        members = [address for address in bond.members if address in people]
        if len(members) < 2 or (budget.mailboxes is not None and len(members) > budget.mailboxes):
            continue
        parts = {id(part): part for part in (home.get(a) or _alone(people[a], scales) for a in sorted(members))}
        if len(parts) < 2:
            continue
        if merged := _merged(list(parts.values()), budget):
            home.update(dict.fromkeys(merged.addresses, merged))
    found = {id(one): one for one in (home.get(a) or _alone(people[a], scales) for a in people)}
    return sorted(found.values(), key=lambda one: one.members[0].address)


def _alone(mailbox: Mailbox, scales: Scales) -> Group:
    return Group((mailbox,), {target: scales.weigh(mailbox, target) for target in mailbox.choices})


def _merged(parts: Sequence[Group], budget: Budget) -> Group | None:
    common = set(parts[0].loads).intersection(*(part.loads for part in parts[1:]))
    loads = {target: sum((part.loads[target] for part in parts), Load()) for target in sorted(common)}
    if not fits_somewhere(loads, budget):
        return None
    members = chain.from_iterable(part.members for part in parts)
    return Group(tuple(sorted(members, key=lambda one: one.address)), loads)
