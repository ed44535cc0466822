"""Who a directory says there is: people, shared mailboxes and lists, with their other addresses and each other.

It stands beside what routes since one room speaks to directories: `wire`. Nothing is changed there.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from ldap3.core.exceptions import LDAPInvalidDnError
from ldap3.utils.dn import parse_dn

from migrator.model.inventory import Entry, EntryKind, Tie
from migrator.model.names import Address, address
from migrator.routing.ldap.wire import Record

_LISTS = frozenset(
    {"group", "groupofnames", "groupofuniquenames", "groupofurls", "nismailalias", "mailgroup", "posixgroup"}
)
_STRANGERS = frozenset({"contact"})  # an address elsewhere, that lists may have in them
_UID = ("uid",)
_PRIMARY = "SMTP:"  # of proxyAddresses; "smtp:" is one address more, other words are no mail

Search = Callable[[str, Collection[str]], Iterable[Record]]  # a filter, and the attributes that are wanted


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries count, and which of their attributes say what, each in the order in which they are asked."""

    filter: str
    shared: str | None
    address: tuple[str, ...]
    aliases: tuple[str, ...]
    name: tuple[str, ...]
    department: tuple[str, ...]
    members: tuple[str, ...]
    groups: tuple[str, ...]
    forwards: tuple[str, ...]
    delegates: tuple[str, ...]

    @property
    def attributes(self) -> tuple[str, ...]:
        """All that are read."""
        ours = (self.address, self.aliases, self.name, self.department, self.members, self.groups, self.forwards)
        return tuple(
            dict.fromkeys(["objectClass", *_UID, *(name for some in (*ours, self.delegates) for name in some)])
        )


@dataclass(frozen=True, slots=True)
class Census:
    """All entries with an address; `odd`: what could not be read, or leads nowhere, each in a sentence."""

    entries: tuple[Entry, ...]
    odd: tuple[str, ...] = ()


def census(search: Search, wanted: Wanted, known: Collection[Address] = ()) -> Census:
    """Ask and read. An entry with several addresses is called by the one that `known` has, else by the first."""
    records = list(search(wanted.filter, wanted.attributes))
    shared = set[str]()
    if wanted.shared:
        shared = {_folded(one.dn) for one in search(f"(&{wanted.filter}{wanted.shared})", ("objectClass",))}
    return _Reading(wanted, frozenset(known), records, shared).census()


class _Reading:
    """The records of one search, and what they call each other."""

    def __init__(self, wanted: Wanted, known: frozenset[Address], records: list[Record], shared: set[str]) -> None:
        self._wanted, self._known, self._shared = wanted, known, shared
        self._odd: list[str] = []
        self._found = {_folded(record.dn): (record, self._addresses(record)) for record in records}
        self._by_dn = {dn: some[0] for dn, (_, some) in self._found.items() if some}
        self._by_uid = {uid: some[0] for record, some in self._found.values() if some for uid in _values(record, _UID)}

    def census(self) -> Census:
        on_lists: dict[str, list[Address]] = {}  # by the list's DN, whom its members' own entries name
        for dn, (record, _) in self._found.items():
            for group in _values(record, self._wanted.groups):
                if dn in self._by_dn:
                    on_lists.setdefault(_folded(group), []).append(self._by_dn[dn])
        entries: dict[Address, Entry] = {}
        for dn, (record, addresses) in self._found.items():
            classes = {text.lower() for text in _values(record, ("objectClass",))}
            if not addresses or classes & _STRANGERS:
                continue
            is_list = bool(classes & _LISTS)
            kind = EntryKind.LIST if is_list else EntryKind.SHARED if dn in self._shared else EntryKind.PERSON
            if addresses[0] in entries:
                self._odd.append(f"{record.dn}: {addresses[0]} is another entry's address, too; this one is left out")
                continue
            ties = self._ties(record, kind, addresses, on_lists.get(dn, ()))
            name, department = (_first(record, names) for names in (self._wanted.name, self._wanted.department))
            entries[addresses[0]] = Entry(addresses[0], kind, name, department, tuple(dict.fromkeys(ties)))
        return Census(tuple(entries.values()), tuple(self._odd))

    def _ties(
        self, record: Record, kind: EntryKind, addresses: list[Address], also: Iterable[Address]
    ) -> Iterator[tuple[Tie, Address]]:
        yield from ((Tie.ALIAS, other) for other in addresses[1:])
        asked = [(Tie.FORWARD, self._wanted.forwards), (Tie.DELEGATE, self._wanted.delegates)]
        if kind is EntryKind.LIST:
            asked.append((Tie.MEMBER, self._wanted.members))
        for tie, names in asked:
            for value in _values(record, names):
                if (other := self._meant(value)) is None:
                    self._odd.append(f"{record.dn}: {tie} {value!r} leads to no address")
                elif other != addresses[0]:
                    yield tie, other
        if kind is EntryKind.LIST:
            yield from ((Tie.MEMBER, other) for other in also if other != addresses[0])

    def _meant(self, value: str) -> Address | None:
        """The address that a value names: by itself, or as the name or the uid (memberUid) of an entry."""
        if (dn := _folded(value)) in self._by_dn:
            return self._by_dn[dn]
        return _address(value) or self._by_uid.get(value)

    def _addresses(self, record: Record) -> list[Address]:
        """The address of an entry, then its others."""
        others = _values(record, self._wanted.aliases)
        primary = [text for text in others if text.startswith(_PRIMARY)]
        texts = [*_values(record, self._wanted.address), *primary, *others]
        found = dict[Address, None]()
        for text in texts:
            if (one := _address(text)) is not None:
                found[one] = None
            elif ":" not in text:
                self._odd.append(f"{record.dn}: {text!r} is no mail address")
        listed = [one for one in found if one in self._known]
        return list(dict.fromkeys([*listed[:1], *found]))


def _address(text: str) -> Address | None:
    scheme, colon, rest = text.partition(":")
    if colon and scheme.lower() != "smtp":
        return None  # X500:, SIP:, and others that are no mail
    try:
        return address(rest if colon else text)
    except ValueError:
        return None


def _values(record: Record, names: Iterable[str]) -> list[str]:
    held: Mapping[str, tuple[bytes, ...]] = record.attributes
    return [value.decode("utf-8", "replace") for name in names for value in held.get(name.lower(), ())]


def _first(record: Record, names: Iterable[str]) -> str:
    return next(iter(_values(record, names)), "").strip()


def _folded(dn: str) -> str:
    """A DN to compare: without case, and however its commas and escapes are spelt."""
    try:
        return ",".join(f"{name.strip()}={value.strip()}".casefold() for name, value, _ in parse_dn(dn))
    except LDAPInvalidDnError:
        return dn.casefold()
