"""One zone on its name servers: what each says of a domain's MX records, and one atomic change of several at once."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdatatype
import dns.rrset
import dns.update

from migrator.model.errors import AGAIN, Unreachable
from migrator.model.mx import Exchange, canonical, spell
from migrator.model.names import Ingress
from migrator.routing.contract import shown
from migrator.routing.dns import wire
from migrator.routing.dns.wire import NameServer, TsigKey, ask, update
from migrator.routing.errors import NameServersDisagree, UpdateRefused, ZoneUnfit, listing

PAUSE = 0.05  # seconds between two looks at servers that do not agree yet; doubled up to
LONGEST_PAUSE = 2.0
_HALF = 1 << 31  # serial numbers are compared on a circle (RFC 1982)


@dataclass(frozen=True, slots=True)
class Records:
    """The MX records of one domain; `ttl` in seconds. `raw`: as they were received, for a prerequisite."""

    exchanges: tuple[Exchange, ...]
    ttl: int
    raw: tuple[dns.rdata.Rdata, ...] = ()

    def __str__(self) -> str:
        return f"{spell(self.exchanges)} (TTL {self.ttl} s)"


Wanted = Callable[[str, Records | None], bool]


@dataclass(frozen=True, slots=True)
class Change:
    """The records of one domain as found (None: none), and as they shall be."""

    found: Records | None
    wanted: Records | None


class Moved(Exception):
    """A prerequisite of an update did not hold: somebody else was faster, and nothing was changed."""


class Zone:
    """`origin` is the zone's name; `primary` takes updates signed by `key`; `others`: None means its NS records."""

    def __init__(
        self, place: Ingress, origin: str, primary: NameServer, others: Sequence[NameServer] | None, key: TsigKey,
        patience: float,
    ) -> None:  # fmt: skip
        self.place, self.primary, self.patience = place, primary, patience
        self.origin = name_of(canonical(origin))
        self._others, self._key = others, key

    def __str__(self) -> str:
        return f"{self.place} (zone {self.origin.to_text()} on {self.primary})"

    def records(self, domain: str, server: NameServer | None = None) -> Records | None:
        """The MX records that `domain` has itself, as `server` says (none given: the primary); None: none.

        ZoneUnfit when the server has no authority there, or the domain is an alias.
        """
        name, server = name_of(domain), server or self.primary
        answer = self._authoritative(server, name, "MX")
        if any(each.rdtype == dns.rdatatype.CNAME and each.name == name for each in answer.answer):
            raise ZoneUnfit(
                f"{self.place}: {domain} is an alias (CNAME) in the zone {self.origin.to_text()}, and can have no MX "
                f"records of its own (RFC 1034, 3.6.2)",
                remedy="Give it records of its own instead of the alias, then run again.",
            )
        found = _of(answer, name)
        return None if found is None or self._from_wildcard(server, name, found) else found

    def serial(self, server: NameServer) -> int:
        """The zone's serial number on that server; ZoneUnfit where it has no authority for the zone."""
        answer = self._authoritative(server, self.origin, "SOA")
        for rrset in answer.answer:
            if rrset.rdtype == dns.rdatatype.SOA and rrset.name == self.origin:
                return int(rrset[0].serial)
        raise ZoneUnfit(
            f"{self.place}: name server {server} does not serve a zone {self.origin.to_text()}",
            remedy="`zone:` must be the zone itself: the name that has the SOA record, which `dig NAME soa` shows.",
        )

    def negative_ttl(self) -> int:
        """For how long a cache may remember that there is no record (RFC 2308, 5), in seconds."""
        answer = self._authoritative(self.primary, self.origin, "SOA")
        return min((min(each.ttl, each[0].minimum) for each in answer.answer), default=0)

    def servers(self) -> tuple[NameServer, ...]:
        """All that answer for the zone: those given, or those of its NS records; the primary first."""
        return tuple(dict.fromkeys((self.primary, *(self._listed() if self._others is None else self._others))))

    def change(self, changes: Mapping[str, Change]) -> None:
        """Make all changes in one UPDATE, on condition that every domain is still as found; all or nothing.

        Moved when one is not. UpdateRefused with the server's reason; Unreachable when it is not known whether it was
        made.
        """
        message = dns.update.UpdateMessage(self.origin)
        for domain, each in changes.items():
            _put(message, name_of(domain), each)
        code = self._send(message, sorted(changes))
        if code in (dns.rcode.NXRRSET, dns.rcode.YXRRSET, dns.rcode.NXDOMAIN, dns.rcode.YXDOMAIN):
            raise Moved
        if code != dns.rcode.NOERROR:
            raise self._refusal(code)

    def probe(self, domains: Collection[str]) -> None:
        """Ask for updates of these domains that cannot come true. Raises what `change` would, as far as that shows.

        The condition is that the zone's own name does not exist: a server that looks at rights first says so.
        """
        message = dns.update.UpdateMessage(self.origin)
        message.absent(self.origin)
        for domain in domains:
            message.add(name_of(domain), 0, "MX", "0 .")
        code = self._send(message, sorted(domains))
        if code != dns.rcode.YXDOMAIN:
            raise self._refusal(code)

    def settle(self, wanted: Wanted, domains: Collection[str], patience: float | None = None) -> None:
        """Wait until every server has the primary's present serial, and `wanted` holds of what it says of each domain.

        NameServersDisagree after `patience` seconds (none given: the zone's), with what each of the late ones says.
        """
        patience = self.patience if patience is None else patience
        goal, deadline, pause = self.serial(self.primary), time.monotonic() + patience, PAUSE
        late = dict.fromkeys(self.servers(), "")
        while late := {server: text for server in late if (text := self._late(server, goal, wanted, domains))}:
            if time.monotonic() > deadline:
                raise NameServersDisagree(
                    f"{self}: after {patience:.0f} s not all name servers say what they shall:"
                    + listing(list(late.values())),
                    remedy=f"See why they are late: notify, transfers, their logs. {AGAIN}",
                )
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def differences(self, found: Mapping[str, Records | None]) -> list[str]:
        """What other servers that answer say differently of domains for which the primary says `found`."""
        lines = []
        for server in self.servers()[1:]:
            try:
                theirs = {domain: self.records(domain, server) for domain in found}
            except Unreachable:
                continue  # it misleads nobody now; `check` tells of it
            lines += [
                f"{domain}: {server} says {_said(theirs[domain])}, the primary {_said(mine)}"
                for domain, mine in found.items()
                if _exchanges(theirs[domain]) != _exchanges(mine)
            ]
        return lines

    def _late(self, server: NameServer, goal: int, wanted: Wanted, domains: Collection[str]) -> str:
        """Why this server is not there yet; empty when it is."""
        try:
            serial = self.serial(server)
            if (serial - goal) % (1 << 32) >= _HALF:
                return f"{server} has serial {serial}, the primary {goal}{self._stale(server, wanted, domains)}"
            return self._stale(server, wanted, domains).removeprefix("; ")
        except (Unreachable, ZoneUnfit) as error:
            return str(error)

    def _stale(self, server: NameServer, wanted: Wanted, domains: Collection[str]) -> str:
        found = {domain: self.records(domain, server) for domain in domains}
        return "".join(
            f"; {server} says of {domain}: {_said(it)}" for domain, it in found.items() if not wanted(domain, it)
        )

    def _listed(self) -> tuple[NameServer, ...]:
        answer = self._authoritative(self.primary, self.origin, "NS")
        names = [each.target for rrset in answer.answer if rrset.rdtype == dns.rdatatype.NS for each in rrset]
        return tuple(NameServer(str(name).lower(), wire.PORT, self._glue(name)) for name in sorted(names))

    def _glue(self, name: dns.name.Name) -> tuple[str, ...]:
        """The addresses of a name server whose name is in the zone itself; none for others: they are looked up."""
        if not name.is_subdomain(self.origin):
            return ()
        answers = [ask(self.primary, name, kind) for kind in ("A", "AAAA")]
        kinds = (dns.rdatatype.A, dns.rdatatype.AAAA)
        return tuple(each.address for one in answers for rrset in one.answer if rrset.rdtype in kinds for each in rrset)

    def _authoritative(self, server: NameServer, name: dns.name.Name, kind: str) -> dns.message.Message:
        answer = ask(server, name, kind)
        good = answer.rcode() in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN)
        if not good or not answer.flags & dns.flags.AA:
            said = "without authority" if good else dns.rcode.to_text(answer.rcode())
            raise ZoneUnfit(
                f"{self.place}: name server {server} answers {said} for {name.to_text()}",
                remedy=f"It must serve the zone {self.origin.to_text()}, and that name must not be a zone of its own: "
                f"correct `zone:`, `primary:` or `servers:` in migrator.yaml, or that server.",
            )
        return answer

    def _from_wildcard(self, server: NameServer, name: dns.name.Name, found: Records) -> bool:
        """Whether these records are those of a wildcard (RFC 4592), and not the name's own."""
        parent = name
        while parent != self.origin and parent.is_subdomain(self.origin):
            parent = parent.parent()
            star = dns.name.Name((b"*", *parent.labels))
            if (same := _of(ask(server, star, "MX"), star)) and same.exchanges == found.exchanges:
                return self._has_none(name)
        return False

    def _has_none(self, name: dns.name.Name) -> bool:
        """Whether the primary has no MX records at exactly that name: an UPDATE with that condition, and no change."""
        message = dns.update.UpdateMessage(self.origin)
        message.absent(name, "MX")
        code = self._send(message, [])
        if code not in (dns.rcode.NOERROR, dns.rcode.YXRRSET):
            raise self._refusal(code)
        return code == dns.rcode.NOERROR

    def _send(self, message: dns.update.UpdateMessage, domains: Sequence[str]) -> dns.rcode.Rcode:
        try:
            return update(self.primary, message, self._key)
        except dns.exception.TooBig:
            raise UpdateRefused(
                f"{self}: the changes of {len(domains)} domains do not fit into one update; nothing was changed",
                remedy="Divide the wave: fewer domains in each.",
            ) from None

    def _refusal(self, code: dns.rcode.Rcode) -> UpdateRefused:
        policy = (
            f'On BIND: `update-policy {{ grant "{self._key.name}" zonesub MX; }};` in that zone; '
            "docs/routing-dns-mx.md has narrower ones. Its log says which."
        )
        what, remedy = {
            dns.rcode.REFUSED: (
                f"the key {self._key.name} may not do that, or a record would lead to a name of the zone that is an "
                f"alias or has no address",
                policy,
            ),
            dns.rcode.NOTAUTH: (
                "it is not the primary of that zone, or does not know the key",
                "Name the zone's primary server as `primary:`, and the zone as it is there.",
            ),
            dns.rcode.NOTZONE: ("a domain is outside of that zone", "Correct `zone:` in migrator.yaml."),
        }.get(code, ("see its log", f"Its log says why. {AGAIN}"))
        text = f"{self}: the update was refused with {dns.rcode.to_text(code)}: {what}; nothing was changed"
        return UpdateRefused(text, remedy=remedy)


def name_of(domain: str) -> dns.name.Name:
    """A domain as DNS messages hold it; ZoneUnfit when it can be none."""
    try:
        return dns.name.from_text(domain)
    except dns.exception.DNSException as error:
        raise ZoneUnfit(f"{domain} is no domain name: {error}", remedy="Correct mailboxes.csv.") from None


def _put(message: dns.update.UpdateMessage, name: dns.name.Name, change: Change) -> None:
    """One domain's condition and, where something is to change, its change."""
    if change.found is None:
        message.absent(name, "MX")
    else:
        message.present(name, *change.found.raw)
    before, after = change.found, change.wanted
    if (before and (before.exchanges, before.ttl)) == (after and (after.exchanges, after.ttl)):
        return
    message.delete(name, "MX")
    if after is not None:
        for each in after.exchanges:
            message.add(name, after.ttl, "MX", f"{each.preference} {each.host}")


def _of(answer: dns.message.Message, name: dns.name.Name) -> Records | None:
    for rrset in answer.answer:
        if rrset.rdtype == dns.rdatatype.MX and rrset.name == name:
            exchanges = {Exchange(each.preference, each.exchange.to_text().lower()) for each in rrset}
            return Records(tuple(sorted(exchanges)), rrset.ttl, tuple(rrset))
    return None


def _exchanges(records: Records | None) -> tuple[Exchange, ...] | None:
    return None if records is None else records.exchanges


def _said(records: Records | None) -> str:
    return shown(None) if records is None else str(records)
