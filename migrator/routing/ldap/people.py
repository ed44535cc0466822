"""Whose entry is which: the entries of many addresses, found in a few searches."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from migrator.model.ldap_filter import Template
from migrator.model.names import Address, Nexthop
from migrator.routing.errors import EntryInvalid, listing
from migrator.routing.ldap.wire import Directory, Record

BATCH = 100  # addresses a search; servers give 500 or 1,000 entries an answer, and two may have one address

Search = Callable[[str, Collection[str]], Sequence[Record]]  # a filter, and the attributes that are wanted


@dataclass(frozen=True, slots=True)
class Site:
    """What routes: the attribute `attribute` of the entries below `base` that `template` finds."""

    directory: Directory
    base: str
    template: Template
    attribute: str

    def __str__(self) -> str:
        return f"{self.directory}/{self.base} {self.attribute}"


@dataclass(frozen=True, slots=True)
class Person:
    """The one entry of an address; `values` are those of the attribute that routes, `classes` its object classes."""

    dn: str
    values: tuple[str, ...]
    classes: frozenset[str] = field(default=frozenset())

    @property
    def nexthop(self) -> Nexthop | None:
        return Nexthop(self.values[0]) if self.values else None


@dataclass(frozen=True, slots=True)
class People:
    """Entries by address; and by address, why there is none that a route could be read from."""

    entries: Mapping[Address, Person]
    odd: Mapping[Address, str]

    def nexthops(self, place: str, so_far: str = "nothing was written") -> dict[Address, Nexthop | None]:
        """What the entries say. EntryInvalid, with all of them, when one is missing or can be read in two ways."""
        if self.odd:
            raise EntryInvalid(
                f"{place}: {len(self.odd)} addresses cannot be routed there; {so_far}:"
                f"{listing([f'{address} {why}' for address, why in self.odd.items()], 20)}",
                remedy="Correct these entries, or `base:` and `filter:`, so that each address has one entry with one "
                "value at most; or take the address out of mailboxes.csv. Then run again.",
            )
        return {address: person.nexthop for address, person in self.entries.items()}


def find(search: Search, site: Site, addresses: Collection[Address]) -> People:
    """The entries of `addresses`, in their order."""
    rest, found = iter(addresses), dict[Address, list[Record]]()
    while batch := list(islice(rest, BATCH)):
        found |= _batch(search, site, batch)
    entries: dict[Address, Person] = {}
    odd: dict[Address, str] = {}
    for address in addresses:
        people = [person(record, site.attribute) for record in found[address]]
        if why := _oddity(people):
            odd[address] = why
        else:
            entries[address] = people[0]
    return People(entries, odd)


def person(record: Record, attribute: str) -> Person:
    """An entry, of what was read of it."""
    classes = frozenset(_text(name).lower() for name in record.attributes.get("objectclass", ()))
    return Person(record.dn, tuple(map(_text, record.attributes.get(attribute.lower(), ()))), classes)


def wanted(attribute: str) -> tuple[str, ...]:
    """What is read of a person's entry."""
    return (attribute, "objectClass")


def _batch(search: Search, site: Site, addresses: Sequence[Address]) -> dict[Address, list[Record]]:
    """All that was found for each of `addresses`.

    One that got nothing is asked for again, by itself: the directory may compare otherwise than we do, or not let us
    see by what it found an entry.
    """
    found: dict[Address, list[Record]] = {address: [] for address in addresses}
    if site.template.keys and len(addresses) > 1:
        names = [name for name, _ in site.template.keys]
        records = search(site.template.any_of(addresses), (*wanted(site.attribute), *names))
        owners = site.template.owners((record.attributes for record in records), addresses)
        for record, whose in zip(records, owners, strict=True):
            for address in whose:
                found[address].append(record)
    for address in [each for each, records in found.items() if not records]:
        found[address] = list(search(site.template.fill(address), wanted(site.attribute)))
    return found


def _oddity(people: Sequence[Person]) -> str:
    if not people:
        return "has no entry"
    if len(people) > 1:
        return f"has {len(people)} entries: {'; '.join(each.dn for each in people)}"
    if len(people[0].values) > 1:
        return f"has {len(people[0].values)} values: {'; '.join(people[0].values)} ({people[0].dn})"
    return ""


def _text(value: bytes) -> str:
    return value.decode("utf-8", "backslashreplace")
