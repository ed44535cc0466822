"""What stands in the way of a flip of MX records, or will surprise: found without writing."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from migrator.model.errors import MigratorError, Unreachable
from migrator.model.names import Address
from migrator.routing.contract import Finding, Severity
from migrator.routing.dns.names import Names
from migrator.routing.dns.spf import permits
from migrator.routing.dns.ttl import Memory
from migrator.routing.dns.zone import Records, Zone
from migrator.routing.errors import listing
from migrator.routing.findings import Question, asked, error, warning

LAG = 3.0  # seconds that name servers have to agree during a check: a transfer may be under way


@dataclass(frozen=True, slots=True)
class Site:
    """What is looked at: the zone, its domains with the hosts that their mail may be sent to, addresses left alone."""

    zone: Zone
    domains: Mapping[str, Collection[str]]
    alone: Collection[Address]
    ttl: int
    memory: Memory


def findings(site: Site) -> list[Finding]:
    """All that is found; empty when a flip may go ahead. Without the primary there is nothing more to ask."""
    primary = asked([partial(_primary, site)])
    if any(finding.severity is Severity.ERROR for finding in primary):
        return [*_alone(site), *primary]
    found, names = _Present(site), Names(site.zone)
    questions: list[Question] = [
        partial(_alone, site),
        partial(_rights, site),
        partial(_servers, site, found),
        *(partial(_domain, site, domain, found) for domain in site.domains),
        *(partial(_target, host, names) for host in _hosts(site, found)),
        *(partial(_spf, site, domain, found, names) for domain in site.domains),
    ]
    return primary + asked(questions)


class _Present:
    """The domains' records on the primary, each asked for once; an error is raised again at each look."""

    def __init__(self, site: Site) -> None:
        self._zone = site.zone
        self._known: dict[str, Records | MigratorError | None] = {}

    def records(self, domain: str) -> Records | None:
        if domain not in self._known:
            try:
                self._known[domain] = self._zone.records(domain)
            except MigratorError as error:
                self._known[domain] = error
        found = self._known[domain]
        if isinstance(found, MigratorError):
            raise found
        return found

    def readable(self, domain: str) -> bool:
        """Whether that gives no error."""
        try:
            self.records(domain)
        except MigratorError:
            return False
        return True

    def hosts(self, domain: str) -> set[str]:
        """Where its mail goes today; nothing where that is not known."""
        found = self.records(domain) if self.readable(domain) else None
        return {each.host for each in found.exchanges} if found else set()


def _alone(site: Site) -> Iterator[Finding]:
    if not site.domains:
        yield error(
            f"{site.zone}: no mailbox is in a sub-domain there, and an MX record cannot route a single address of the "
            f"main domain: nothing would be moved",
            "Route the main domain's mailboxes by a gateway's map, or correct `zone:`.",
        )
    elif site.alone:
        yield warning(
            f"{site.zone}: {len(site.alone)} mailboxes are in the main domain: an MX record cannot route a single "
            f"address, so this place leaves them alone",
            "See that another entry of `routing:` routes them.",
        )


def _primary(site: Site) -> Iterator[Finding]:
    site.zone.serial(site.zone.primary)
    yield from ()


def _rights(site: Site) -> Iterator[Finding]:
    if site.domains:
        site.zone.probe(site.domains)
    yield from ()


def _servers(site: Site, found: _Present) -> Iterator[Finding]:
    """Every name server of the zone must answer for it, and say what the primary says."""
    readable = [domain for domain in site.domains if found.readable(domain)]
    site.zone.settle(
        lambda domain, theirs: (theirs and theirs.exchanges) == ((mine := found.records(domain)) and mine.exchanges),
        readable,
        patience=min(LAG, site.zone.patience),
    )
    yield from ()


def _domain(site: Site, domain: str, found: _Present) -> Iterator[Finding]:
    """How long old answers live on after a flip."""
    records, memory, now = found.records(domain), site.memory.recall(domain), datetime.now(UTC)
    if records is None and (negative := site.zone.negative_ttl()) > site.ttl:
        yield warning(
            f"{domain} has no MX records, and caches may remember that for {negative} s (the zone's SOA)",
            "Late mail is carried over; lower the last number of the SOA record ahead of the window to have less.",
        )
    elif records is not None and records.ttl > site.ttl:
        yield warning(
            f"{domain}: the TTL of its MX records is still {records.ttl} s: that long after a flip, mail may come to "
            f"the old server",
            f"It is lowered to {site.ttl} s ahead of the window, and that takes the old TTL to be of use.",
        )
    elif memory is not None and memory.until is None:
        yield warning(f"{domain}: lowering its TTL was interrupted", "Run the interrupted command again.")
    elif memory is not None and memory.until is not None and memory.until > now:
        yield warning(
            f"{domain}: caches may hold records with the old TTL ({memory.old} s) until {memory.until:%H:%M:%S} UTC",
            "Wait until then, or have more late mail carried over.",
        )


def _target(host: str, names: Names) -> Iterator[Finding]:
    """An MX record must lead to a name with addresses of its own (RFC 5321, 5.1; RFC 2181, 10.3).

    BIND refuses an update to one of its own names that has none or is an alias, and so a rollback to one, too.
    """
    try:
        if alias := names.alias(host):
            own = names.in_zone(host)
            yield (error if own else warning)(
                f"{host} is to receive mail, but is an alias (CNAME) of {alias}: "
                + ("name servers refuse such a record" if own else "some mail systems refuse that"),
                f"Have the MX record, and `nexthop:`, name {alias} instead.",
            )
        elif not names.addresses(host):
            yield error(
                f"{host} is to receive mail, but has no address (A or AAAA record)",
                "Give it one, or correct `nexthop:`; an MX record names a host, with its full name.",
            )
    except Unreachable as met:
        yield warning(str(met), "Look it up by hand: it must have an address, and be no alias.")


def _spf(site: Site, domain: str, found: _Present, names: Names) -> Iterator[Finding]:
    """People will send from the new server, whose address SPF may not know."""
    new = set(site.domains[domain]) - found.hosts(domain)
    try:
        foreign = [
            f"{host} ({address})"
            for host in sorted(new)
            for address in names.addresses(host)
            if permits(address, domain, _After(names, domain, new)) is False
        ]
    except Unreachable as error:
        yield warning(f"the SPF record of {domain} was not checked: {error}", "Look it up by hand.")
        return
    if foreign:
        yield warning(
            f"the SPF record of {domain} does not let the new server send:{listing(foreign)}",
            "Add its addresses to that TXT record ahead of the cutover, or mail that people send from there is refused "
            "elsewhere.",
        )


class _After:
    """Names as they are once the domain's MX records lead to the new hosts."""

    def __init__(self, names: Names, domain: str, hosts: Collection[str]) -> None:
        self._domain, self._hosts = domain, sorted(hosts)
        self.addresses, self.policy, self._exchanges = names.addresses, names.policy, names.exchanges

    def exchanges(self, domain: str) -> list[str]:
        return self._hosts if domain.rstrip(".").lower() + "." == self._domain else self._exchanges(domain)


def _hosts(site: Site, found: _Present) -> list[str]:
    """All that may have to receive mail, today or after a flip; not the root of a null MX (RFC 7505)."""
    every = {host for domain, hosts in site.domains.items() for host in {*hosts, *found.hosts(domain)}}
    return sorted(every - {"."})
