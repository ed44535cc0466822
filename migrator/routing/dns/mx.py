"""Routes in the DNS: the MX records of sub-domains, all of whose mailboxes move together."""

import difflib
from collections.abc import Collection, Mapping
from datetime import datetime
from pathlib import Path

from migrator.model.mx import Exchange, canonical, parse, spell
from migrator.model.names import Address, Ingress, Nexthop
from migrator.model.route import Applied, Flip, Flips, Queue
from migrator.routing.contract import Conflict, Finding, RouteConflict, applied, shown
from migrator.routing.dns import wire  # first: it says so when its package is missing
from migrator.routing.dns.check import Site, findings
from migrator.routing.dns.timing import lower, restore
from migrator.routing.dns.ttl import Memory
from migrator.routing.dns.zone import Change, Moved, Records, Zone
from migrator.routing.errors import (
    DomainDivided,
    NameServersDisagree,
    RouteNotInForce,
    ValueUnwritable,
    ZoneUnfit,
    listing,
)

_ATTEMPTS = 3  # updates whose condition failed although the records then read as expected again

Values = Mapping[str, tuple[Exchange, ...] | None]


class DnsMx:
    """The MX records of the domains of `mailboxes` in one zone; see docs/routing-dns-mx.md for what it needs.

    Each domain's records are one entry, which all its mailboxes share: they can be flipped only together. `ttl`
    (seconds) is what the records are lowered to ahead of a flip, `patience` (seconds) how long name servers may take to
    agree, `state` the directory where old TTLs are remembered. `mailboxes` come with the values that they are to have,
    before and after; `alone` are addresses in the zone that are not to be routed here.
    """

    carries_mail = True
    freeze_value: Nexthop | None = None

    def __init__(
        self, name: Ingress, zone: str, primary: wire.NameServer, servers: Collection[wire.NameServer],
        key: wire.TsigKey, *, ttl: int, patience: float, state: Path,
        mailboxes: Mapping[Address, Collection[Nexthop]], alone: Collection[Address] = (),
    ) -> None:  # fmt: skip
        self.name = name
        self._zone = Zone(name, zone, primary, tuple(servers) or None, key, patience)
        self._ttl, self._memory, self._alone = ttl, Memory(state), tuple(alone)
        self._mailboxes: dict[str, set[Address]] = {}
        self._hosts: dict[str, set[str]] = {}
        for address, values in mailboxes.items():
            self._mailboxes.setdefault(_domain(address), set()).add(address)
            hosts = {each.host for value in values for each in parse(value)}
            self._hosts.setdefault(_domain(address), set()).update(hosts)

    def read(self, addresses: Collection[Address]) -> Mapping[Address, Nexthop | None]:
        """The records of each address's domain, as the primary says; None for other addresses than `mailboxes`.

        NameServersDisagree where another server answers, and says something else.
        """
        found = self._found(addresses)
        if lines := self._zone.differences(found):
            raise NameServersDisagree(
                f"{self._zone}: not all name servers say the same:{listing(lines)}",
                remedy="Wait for the transfer of the zone, or mend that server, then run again.",
            )
        return {address: _spelled(_exchanges(found.get(_domain(address)))) for address in addresses}

    def plan(self, wanted: Mapping[Address, Nexthop | None]) -> Flips:
        """The changes to `wanted`. DomainDivided where only part of a domain would move, or to different places."""
        self._by_domain(
            [Flip(address, None, value) for address, value in wanted.items() if not self._idle(address, value)]
        )
        found = self._found(tuple(wanted))
        now = {address: _exchanges(found.get(_domain(address))) for address in wanted}
        return Flips(
            tuple(
                Flip(address, _spelled(now[address]), value)
                for address, value in wanted.items()
                if now[address] != _records(value)
            )
        )

    def apply(self, flips: Flips) -> Applied:
        """One update for all domains, then wait until every name server answers by it.

        NameServersDisagree when one does not in time: the primary holds the change, and the same call goes on waiting.
        """
        wanted = self._by_domain(flips.changes)
        before: dict[str, Records | None] = {}
        for attempt in range(_ATTEMPTS):
            before = self._found_for(flips)
            changes = {domain: self._change(before[domain], value) for domain, value in wanted.items()}
            if all(_exchanges(before[domain]) == value for domain, value in wanted.items()):
                break
            self._memory.keep(self._text(before))
            try:
                self._zone.change(changes)
                break
            except Moved:
                if attempt == _ATTEMPTS - 1:
                    raise RouteNotInForce(
                        f"{self._zone}: somebody else changes the same records again and again; nothing was written",
                        remedy="Find out who changes them, and stop that for the time of the wave.",
                    ) from None
        self._read_back(wanted)
        self._zone.settle(lambda domain, found: _exchanges(found) == wanted[domain], tuple(wanted))
        moved = {domain for domain, value in wanted.items() if _exchanges(before[domain]) != value}
        return applied(flips, {address for address in flips.addresses if _domain(address) in moved})

    def revert(self, flips: Flips) -> Applied:
        """Put back what `apply` changed, where it is still as `apply` left it."""
        return self.apply(flips.reversed())

    def diff(self, flips: Flips) -> str:
        """The change of the records, as lines of a zone file, in a unified diff."""
        wanted = self._by_domain(flips.changes)
        before = self._found_for(flips)
        after = {domain: self._change(before[domain], value).wanted for domain, value in wanted.items()}
        old, new = (self._text(each).splitlines(keepends=True) for each in (before, after))
        return "".join(difflib.unified_diff(old, new, str(self._zone), str(self._zone), n=0))

    def check(self) -> list[Finding]:
        """What stands in the way of a flip, or will surprise."""
        return findings(Site(self._zone, self._hosts, self._alone, self._ttl, self._memory))

    def queue(self, addresses: Collection[Address]) -> Queue | None:
        """None: mail waits with its senders, all over the world."""
        return None

    def flush(self, addresses: Collection[Address]) -> None:
        """Nothing waits here."""

    def backup(self) -> Path:
        """Keep a copy of all records that this place may change."""
        return self._memory.keep(self._text({domain: self._zone.records(domain) for domain in sorted(self._mailboxes)}))

    def prepare(self, addresses: Collection[Address]) -> datetime:
        """Lower the records' TTL; when every answer with the old one is gone from all caches (aware, UTC).

        That is the old TTL counted from the moment when the last name server gave the new one. Where there are no
        records yet there is nothing to lower: for how long caches remember that is a matter of the zone's SOA record.
        """
        self._refuse_divided({address for address in addresses if _domain(address) in self._mailboxes})
        return lower(self._zone, self._memory, self._ttl, self._found(addresses))

    def finish(self, addresses: Collection[Address]) -> None:
        """Put the records' TTL back; where it is not as `prepare` left it, somebody else has decided, and it stays."""
        restore(self._zone, self._memory, self._found(addresses))

    def _found(self, addresses: Collection[Address]) -> dict[str, Records | None]:
        domains = dict.fromkeys(_domain(address) for address in addresses)
        return {domain: self._zone.records(domain) for domain in domains if domain in self._mailboxes}

    def _found_for(self, flips: Flips) -> dict[str, Records | None]:
        """What is there now. RouteConflict where that is neither what is expected nor what is wanted."""
        found = self._found(flips.addresses)
        conflicts = tuple(
            Conflict(flip.address, flip.expected, _spelled(now), flip.wanted)
            for flip in flips.changes
            if (now := _exchanges(found[_domain(flip.address)])) not in (_records(flip.expected), _records(flip.wanted))
        )
        if conflicts:
            raise RouteConflict(str(self._zone), conflicts)
        return found

    def _by_domain(self, flips: Collection[Flip]) -> Values:
        """What each domain shall say. DomainDivided where its mailboxes do not all go to one place together."""
        wanted: dict[str, tuple[Exchange, ...] | None] = {}
        for flip in flips:
            domain, value = _domain(flip.address), _records(flip.wanted)
            if domain not in self._mailboxes:
                raise DomainDivided(
                    f"{self.name}: {flip.address} is in no domain that this place moves: an MX record cannot route a "
                    f"single address, and the main domain's would move them all",
                    remedy="Route it by another entry of `routing:`, such as a gateway's map.",
                )
            if wanted.setdefault(domain, value) != value:
                raise DomainDivided(
                    f"{self.name}: mailboxes of {domain} shall go to different places, {_spelled(wanted[domain])} and "
                    f"{_spelled(value)}: an MX record moves them all",
                    remedy=_TOGETHER,
                )
        self._refuse_divided({flip.address for flip in flips})
        return wanted

    def _refuse_divided(self, addresses: Collection[Address]) -> None:
        together = set(addresses)
        for domain in dict.fromkeys(_domain(address) for address in addresses):
            if left := sorted(self._mailboxes[domain] - together):
                raise DomainDivided(
                    f"{self.name}: {len(left)} mailboxes of {domain} would not move, but their mail would: an MX "
                    f"record cannot route a single address:{listing(left)}",
                    remedy=_TOGETHER,
                )

    def _idle(self, address: Address, value: Nexthop | None) -> bool:
        """An address that this place does not route, and that asks for nothing."""
        return value is None and _domain(address) not in self._mailboxes

    def _change(self, found: Records | None, wanted: tuple[Exchange, ...] | None) -> Change:
        if wanted is None:
            return Change(found, None)
        return Change(found, Records(wanted, found.ttl if found else self._ttl))

    def _read_back(self, wanted: Values) -> None:
        now = {domain: self._zone.records(domain) for domain in wanted}
        wrong = [
            f"{domain}: written {shown(_spelled(value))}, answered {shown(_spelled(_exchanges(now[domain])))}"
            for domain, value in wanted.items()
            if _exchanges(now[domain]) != value
        ]
        if wrong:
            raise RouteNotInForce(
                f"{self._zone}: after the change, the primary answers otherwise:{listing(wrong)}",
                remedy="Somebody else changes these records too, or the key leads to another view; see which, then run "
                "again.",
            )

    def _text(self, records: Mapping[str, Records | None]) -> str:
        """As lines of a zone file (RFC 1035, 5.1)."""
        return "".join(
            f"{domain} {found.ttl} IN MX {each.preference} {each.host}\n"
            for domain, found in records.items()
            if found
            for each in found.exchanges
        )


_TOGETHER = (
    "Put all mailboxes of that domain into one wave, with one target; take those out of mailboxes.csv that are no "
    "mailboxes; or route the domain by a gateway's map instead."
)


def _domain(address: Address) -> str:
    try:
        return canonical(address.rpartition("@")[2])
    except UnicodeError as error:
        raise ZoneUnfit(f"{address}: its domain is no domain name: {error}", remedy="Correct mailboxes.csv.") from None


def _records(value: Nexthop | None) -> tuple[Exchange, ...] | None:
    try:
        return None if value is None else parse(value)
    except ValueError as error:
        raise ValueUnwritable(f'"{value}": {error}', remedy="Correct `nexthop:` in migrator.yaml.") from None


def _exchanges(records: Records | None) -> tuple[Exchange, ...] | None:
    return None if records is None else records.exchanges


def _spelled(exchanges: tuple[Exchange, ...] | None) -> Nexthop | None:
    return None if exchanges is None else spell(exchanges)
