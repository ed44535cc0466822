"""MX records of sub-domains."""

import re
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, PrivateAttr

from migrator.model import mx
from migrator.model.names import Address, Nexthop, ServerName
from migrator.workspace.fields import Host, Port, Reference, ServerKey, Words
from migrator.workspace.quantities import PositiveDuration
from migrator.workspace.routing.entry import Entry, Where
from migrator.workspace.secrets import SecretRef
from migrator.workspace.section import Section

_HOST_PORT = re.compile(
    r"(?:\[(?P<six>[0-9a-fA-F:.]+)\]|(?P<host>[^\s/@:\[\]]+))(?::(?P<port>[0-9]{1,5}))?|[0-9a-fA-F]*(?::[0-9a-fA-F.]*){2,}"
)


def _mx_template(text: str) -> str:
    """MX records in their one spelling: what a name server says is compared with it. Only {domain} can stand in it."""
    if "{local}" in text or "{address}" in text:
        raise ValueError("an MX record is of a domain, for all of its addresses; only {domain} can stand in it")
    stand_in = "domain-of-the-mailbox.invalid"  # a host name, which braces are not
    return mx.spell_new(text.replace("{domain}", stand_in)).replace(stand_in, "{domain}")


def host_and_port(text: str, port: int = 53) -> tuple[str, int]:
    """Of `HOST`, `HOST:PORT`, an IPv6 address, or one in brackets with a port. ValueError for anything else."""
    found = _HOST_PORT.fullmatch(text)
    if found is None or not 1 <= int(found["port"] or port) <= 65535:
        raise ValueError("not a name server; write HOST, HOST:PORT or [ADDRESS]:PORT")
    return found["six"] or found["host"] or text, int(found["port"] or port)


def _name_server(text: str) -> str:
    host_and_port(text)
    return text


def _domain_name(text: str) -> str:
    if not re.fullmatch(r"[^\s@:/]+\.?", text):
        raise ValueError("not the name of a zone, such as example.co.jp")
    return text.rstrip(".").lower()


class TsigKey(Section):
    """The key that signs updates (RFC 8945); `secret` leads to its base64 text."""

    name: Words
    algorithm: Literal["hmac-sha256", "hmac-sha384", "hmac-sha512"] = "hmac-sha256"
    secret: Reference


class DnsMxEntry(Entry):
    """The MX records of a zone's sub-domains; all mailboxes of a sub-domain move in one wave.

    `primary` takes the updates; `servers` are all that answer for the zone with authority (none: its NS records), and
    may take `agree_within` until they all say the same. `ttl`: what the records' time to live is lowered to ahead of
    the window; the old one is put back afterwards. The workspace's main domain is never touched: its MX records would
    move everybody.
    """

    kind: Literal["dns-mx"]
    nexthop: dict[ServerKey, Annotated[str, AfterValidator(_mx_template)] | None]
    zone: Annotated[str, AfterValidator(_domain_name)]
    primary: Host
    port: Port = 53
    servers: tuple[Annotated[str, AfterValidator(_name_server)], ...] = ()
    key: TsigKey
    ttl: PositiveDuration = timedelta(minutes=1)
    agree_within: PositiveDuration = timedelta(minutes=2)
    _main: str = PrivateAttr("")

    @property
    def where(self) -> Where:
        return "zone", f"{self.zone} MX"

    @property
    def name_servers(self) -> tuple[tuple[str, int], ...]:
        """`servers` as hosts and ports."""
        return tuple(host_and_port(text) for text in self.servers)

    @property
    def secrets(self) -> dict[str, SecretRef]:
        return {"key": self.key.secret}

    @property
    def lingers(self) -> timedelta:
        return self.ttl + self.agree_within

    def serves(self, address: Address) -> bool:
        return self.holds(address) and address.rpartition("@")[2] != self._main

    def holds(self, address: Address) -> bool:
        """Whether the address is in the zone at all."""
        return f".{address.rpartition('@')[2]}".endswith(f".{self.zone}")

    def says(self, address: Address, server: ServerName) -> Nexthop | None:
        value = super().says(address, server)
        return None if value is None else mx.spell(mx.parse(value))  # the order may hang on the domain
