"""Looking names up: in the zone on its primary, elsewhere by this machine's resolver."""

from collections.abc import Sequence

import dns.exception
import dns.flags
import dns.name
import dns.rdatatype
import dns.resolver
import dns.rrset

from migrator.model.errors import Unreachable
from migrator.routing.dns.wire import ask
from migrator.routing.dns.zone import Zone

LIFETIME = 5.0  # seconds that this machine's resolver may take
_CHAIN = 8  # aliases followed


class Names:
    """The names that a zone's MX and SPF records lead to, each looked up once."""

    def __init__(self, zone: Zone) -> None:
        self._zone = zone
        self._known: dict[tuple[dns.name.Name, str], Sequence[dns.rrset.RRset]] = {}

    def alias(self, host: str) -> str | None:
        """What `host` is an alias (CNAME) of; None when it is none."""
        name = dns.name.from_text(host)
        aliases = [rrset for rrset in self._look(name, "A") if rrset.rdtype == dns.rdatatype.CNAME]
        return next((str(rrset[0].target).lower() for rrset in aliases if rrset.name == name), None)

    def in_zone(self, host: str) -> bool:
        """Whether the zone's own servers have to say what `host` is."""
        return dns.name.from_text(host).is_subdomain(self._zone.origin)

    def addresses(self, host: str, chain: int = _CHAIN) -> list[str]:
        """The IP addresses of `host`, aliases followed; none when it has none."""
        name, found = dns.name.from_text(host), []
        for kind in ("A", "AAAA"):
            found += [each.address for rrset in self._of(name, kind) for each in rrset]
        if not found and chain and (alias := self.alias(host)):
            return self.addresses(alias, chain - 1)
        return found

    def exchanges(self, domain: str) -> list[str]:
        """The hosts of the MX records of `domain`."""
        return [str(each.exchange).lower() for rrset in self._of(dns.name.from_text(domain), "MX") for each in rrset]

    def policy(self, domain: str) -> str | None:
        """The SPF record of `domain` (RFC 7208, 4.5); None without one."""
        texts = (
            b"".join(each.strings).decode("ascii", "replace")
            for rrset in self._of(dns.name.from_text(domain), "TXT")
            for each in rrset
        )
        return next((text for text in texts if text.lower().split(" ")[0] == "v=spf1"), None)

    def _of(self, name: dns.name.Name, kind: str) -> list[dns.rrset.RRset]:
        return [rrset for rrset in self._look(name, kind) if rrset.rdtype == dns.rdatatype.from_text(kind)]

    def _look(self, name: dns.name.Name, kind: str) -> Sequence[dns.rrset.RRset]:
        if (name, kind) not in self._known:
            self._known[name, kind] = self._ask(name, kind)
        return self._known[name, kind]

    def _ask(self, name: dns.name.Name, kind: str) -> Sequence[dns.rrset.RRset]:
        if name.is_subdomain(self._zone.origin):
            answer = ask(self._zone.primary, name, kind)
            if answer.flags & dns.flags.AA:
                return answer.answer
        return resolve(name, kind)


def resolve(name: dns.name.Name, kind: str) -> Sequence[dns.rrset.RRset]:
    """What this machine's resolver finds; nothing for a name that does not exist. Unreachable when it cannot tell."""
    try:
        return dns.resolver.resolve(name, kind, lifetime=LIFETIME, raise_on_no_answer=False).response.answer
    except dns.resolver.NXDOMAIN:
        return []
    except (OSError, dns.exception.DNSException) as error:
        raise Unreachable(f"{name.to_text()} {kind} cannot be looked up from here: {error}") from error
