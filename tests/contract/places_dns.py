"""Ground for the contract suite in the DNS: sub-domains of a zone on a real primary, and on its real secondary."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from migrator.model.mailbox import Secret
from migrator.model.names import Address, Ingress, Nexthop
from migrator.routing.dns.mx import DnsMx
from migrator.routing.dns.wire import NameServer, TsigKey
from tests.lab import processes
from tests.lab.bind import ALGORITHM, HOST, KEY, NameServers

ZONE = "company.test"
OLD, NEW = Nexthop("10 oldmx.company.test."), Nexthop("10 newmx.company.test.")
TTL = 300  # seconds, of the zone's records
TEXT = f"""\
$TTL {TTL}
@ IN SOA ns1.company.test. hostmaster.company.test. ( 2026010101 3600 600 604800 5 )
@ IN NS ns1
@ IN NS ns2
ns1 IN A 127.0.0.1
ns2 IN A 127.0.0.1
@ IN MX 10 gw
gw IN A 127.10.0.1
oldmx IN A 127.10.2.1
newmx IN A 127.10.2.2
stale IN A 127.10.2.3
elsewhere IN A 127.10.2.4
a IN MX 10 oldmx
c IN MX 10 OldMX
"""


class Zone:
    """The zone company.test with the sub-domains of a@ and c@, which have records, and of d@, which has none.

    It is a Ground.
    """

    a, c, d = (Address(f"{name}@{name}.company.test") for name in "acd")
    old, new, stale = OLD, NEW, Nexthop("10 stale.company.test.")
    elsewhere = Nexthop("10 elsewhere.company.test.")
    flips_each = 10

    def __init__(self, servers: NameServers) -> None:
        self.servers, self.memory = servers, processes.scratch_directory("dns-state")
        spare = (self.spare(writer, number) for writer in range(4) for number in range(self.flips_each))
        self.mailboxes = dict.fromkeys((self.a, self.c, self.d, *spare), (OLD, NEW))

    def backend(self, **changed: Any) -> DnsMx:
        """The backend on this zone; `changed`: other arguments than are right."""
        given: dict[str, Any] = {
            "zone": "Company.Test", "primary": NameServer(HOST, self.servers.primary.port),
            "servers": [NameServer(HOST, self.servers.secondary.port)], "key": self.key(), "ttl": 60, "patience": 20.0,
            "state": self.memory, "mailboxes": self.mailboxes, **changed,
        }  # fmt: skip
        return DnsMx(Ingress("dns"), **given)

    def key(self, name: str = KEY, secret: str = "", algorithm: str = ALGORITHM) -> TsigKey:
        return TsigKey(name, algorithm, Secret(secret or self.servers.secrets[name]))

    def answer(self, address: Address) -> str | None:
        """What both servers say, asked without our code; what each says, should they differ."""
        primary, secondary = (self.said(server, address) for server in (self.servers.primary, self.servers.secondary))
        return primary if primary == secondary else f"primary: {primary}, secondary: {secondary}"

    def said(self, server: Any, address: Address) -> str | None:
        found = server.records(address.partition("@")[2])
        return found and ", ".join(sorted(str(each).lower() for each in found))

    def ttl(self, address: Address) -> int | None:
        """Of the records that the secondary gives."""
        found = self.servers.secondary.records(address.partition("@")[2])
        return found.ttl if found else None

    def set_by_hand(self, address: Address, value: str | None, **how: Any) -> None:
        self.servers.administer(ZONE, address.partition("@")[2], "MX", *(value.split(", ") if value else ()), **how)

    def state(self) -> object:
        """All records that a change may touch, and the serial numbers, which every change moves."""
        both = (self.servers.primary, self.servers.secondary)
        return [self.answer(each) for each in (self.a, self.c, self.d)], [each.serial(ZONE) for each in both]

    def told(self) -> None:
        return None

    def spare(self, writer: int, number: int) -> Address:
        return Address(f"someone@w{writer}-{number}.company.test")


@contextmanager
def zone(text: str = TEXT, **how: Any) -> Iterator[Zone]:
    with NameServers({ZONE: text}, **how) as servers:
        made = Zone(servers)
        yield made
        processes.remove_directory(Path(made.memory))
