"""What an entry of `routing:` may say: one class a kind of place that decides where mail, or a mail program, goes."""

import re
from datetime import timedelta
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, PrivateAttr, field_validator, model_validator

from migrator.model import ldap_filter, mx
from migrator.model.mailbox import Endpoint, Tls
from migrator.model.names import Address, Nexthop, ServerName
from migrator.workspace.fields import Host, IngressName, Port, Reference, RootedPath, ServerKey, Smtp, Words
from migrator.workspace.quantities import PositiveDuration
from migrator.workspace.secrets import SecretRef
from migrator.workspace.section import Section

_FIELD = re.compile("[A-Za-z0-9_]+")
FREEZE = "retry:4.7.0 mailbox is being moved, try again"
_HOST_PORT = re.compile(
    r"(?:\[(?P<six>[0-9a-fA-F:.]+)\]|(?P<host>[^\s/@:\[\]]+))(?::(?P<port>[0-9]{1,5}))?|[0-9a-fA-F]*(?::[0-9a-fA-F.]*){2,}"
)
Template = Annotated[str, Field(min_length=1)]
Mode = Literal["freeze", "no-hold"]
Where = tuple[str, str]
MapKind = Literal["texthash", "hash", "lmdb", "cdb"]


def fill(template: str, address: Address) -> str:
    """`template` with {address}, {local} and {domain} filled in; other braces stay."""
    local, _, domain = address.rpartition("@")
    for name, value in (("address", address), ("local", local), ("domain", domain)):
        template = template.replace(f"{{{name}}}", value)
    return template


def _database(text: str) -> str:
    if not text.startswith(("sqlite:///", "postgresql://")) or text == "sqlite:///":
        raise ValueError("not a database; write sqlite:////etc/postfix/routes.db or postgresql://USER@HOST/NAME")
    user = text.partition("://")[2].split("/")[0].rpartition("@")[0]
    if ":" in user or "password=" in text.partition("?")[2]:
        raise ValueError("a password in the URL; leave it out and give `secret:`")
    return text


def _map(text: str) -> str:
    if not all(text.partition(":")[::2]):
        raise ValueError("not a map as main.cf names it; write TYPE:FILE, such as sqlite:/etc/postfix/routes.cf")
    return text


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


def _field_names(fields: str) -> list[str]:
    return [word.partition("=")[0] for word in fields.split()]


def _extra_fields(text: str) -> str:
    names = _field_names(text)
    if not names or not all(_FIELD.fullmatch(name) for name in names) or len(set(names)) < len(names):
        raise ValueError("not extra fields of a passwd-file; write `proxy=y host=10.0.0.2`, each field once")
    if "pass" in names:
        raise ValueError("`pass` is a secret; leave it out here, and it stays in the file as it is")
    return " ".join(sorted(text.split(), key=lambda word: word.partition("=")[0]))


def _ldap_url(text: str) -> str:
    split = urlsplit(text)
    try:
        port = split.port
    except ValueError:
        port = 0
    if (
        split.scheme not in ("ldap", "ldaps")
        or not split.hostname
        or port == 0
        or text != f"{split.scheme}://{split.netloc}"
    ):
        raise ValueError("not a directory server; write ldaps://HOST or ldap://HOST:389, with nothing after it")
    if "@" in split.netloc:
        raise ValueError("a user in the URL; write `bind_dn:` and `secret:`")
    return text


def _filter(text: str) -> str:
    ldap_filter.template(text)
    return text


class Entry(Section):
    """What every kind has.

    `nexthop` says what this place must hold for a mailbox on a server, in its own words, with {address}, {local} and
    {domain} filled in; null stands for "no entry". `at`: the server whose own mail system this place belongs to (none:
    it stands before them all). `smtp` null: canaries cannot enter here. `mode`: during a cutover mail is held back
    (freeze), or goes on and is caught up (no-hold); freeze where the kind can.
    """

    name: IngressName
    nexthop: dict[ServerKey, Template | None]
    at: ServerKey | None = None
    smtp: Smtp | None = None
    mode: Mode | None = None

    @property
    def where(self) -> Where:
        """What it changes, after the key that says so: no two entries may be the same place."""
        raise NotImplementedError

    @property
    def secrets(self) -> dict[str, SecretRef]:
        """The references to secrets in it, by their key."""
        own = getattr(self, "secret", None)
        return {"secret": own} if own else {}

    def serves(self, address: Address) -> bool:
        """Whether this place decides about `address`."""
        return True

    def says(self, address: Address, server: ServerName) -> Nexthop | None:
        """What it shall hold for `address` while that is on `server`; None: no entry."""
        template = self.nexthop[server]
        return None if template is None else Nexthop(fill(template, address))

    @property
    def smtp_endpoint(self) -> Endpoint | None:
        return self.smtp.endpoint if self.smtp else None

    @property
    def held_by(self) -> Nexthop | None:
        """The value that makes mail wait here; None where it cannot, or shall not."""
        value = getattr(self, "freeze", None)
        return None if value is None or self.mode == "no-hold" else Nexthop(value)

    @model_validator(mode="after")
    def _can_freeze(self) -> Self:
        if self.mode == "freeze" and getattr(self, "freeze", None) is None:
            raise ValueError("this place cannot hold mail back; write `mode: no-hold`, or leave `mode` out")
        return self


class QueueCommands(Section):
    """How the queue of that Postfix is listed (one JSON object a line) and flushed."""

    list: Words = "postqueue -j"
    flush: Words = "postqueue -f"


class PostfixEntry(Entry):
    """A place that a Postfix looks into.

    `reload` null: it sees a change by itself. `queue` null: there is no queue to look at. `freeze`: the value that
    makes mail wait in the queue; null: it cannot.
    """

    reload: Words | None = "postfix reload"
    queue: QueueCommands | None = QueueCommands()
    freeze: Words | None = FREEZE


class RecipientsFile(Section):
    """A relay_recipient_maps file: the addresses of which a gateway takes mail at all."""

    file: RootedPath
    type: MapKind


class PostfixMapEntry(PostfixEntry):
    """A transport map file with an entry for each address.

    `via`: a command that runs another one on the host where the map is, such as `ssh root@gw.example.co.jp`; all other
    commands of the entry are run there too.
    `relay_recipients`: addresses that lack there are added before their route changes, and stay.
    """

    kind: Literal["postfix-map"]
    file: RootedPath
    type: MapKind
    via: Words | None = None
    relay_recipients: RecipientsFile | None = None

    @property
    def where(self) -> Where:
        return "file", f"{self.via} {self.file}" if self.via else str(self.file)

    @model_validator(mode="after")
    def _two_files(self) -> Self:
        if self.relay_recipients is not None and self.relay_recipients.file == self.file:
            raise ValueError("`relay_recipients` names the transport map itself; it is a map of its own")
        return self


class VirtualAliasEntry(PostfixEntry):
    """A virtual_alias_maps file: the address becomes one of a sub-domain that another route leads to the server."""

    kind: Literal["virtual-alias"]
    file: RootedPath
    type: MapKind
    freeze: None = None

    @property
    def where(self) -> Where:
        return "file", str(self.file)


class PostfixSqlEntry(PostfixEntry):
    """A table of SQLite or PostgreSQL that a Postfix map of type sqlite or pgsql looks into, with a row an address.

    `map` is that map as main.cf names it, such as `pgsql:/etc/postfix/routes.cf`: what Postfix finds is asked there.
    """

    kind: Literal["postfix-sql"]
    database: Annotated[str, AfterValidator(_database)]
    table: Words
    key: Words = "address"
    value: Words = "nexthop"
    map: Annotated[str, AfterValidator(_map)] | None = None
    secret: Reference | None = None

    @property
    def where(self) -> Where:
        return "table", f"{self.database} {self.table}"


class LdapEntry(PostfixEntry):
    """An attribute of each mailbox's entry in a directory. A Postfix that looks there sees a change by itself.

    `filter` finds the entry, with {address}, {local} and {domain} filled in. `freeze`: only where the attribute is a
    Postfix transport. `ca_file` adds a private CA to the trusted ones.
    """

    kind: Literal["ldap"]
    url: Annotated[str, AfterValidator(_ldap_url)]
    starttls: bool = False
    ca_file: RootedPath | None = None
    allow_plaintext: bool = False
    bind_dn: Words
    secret: Reference
    base: Words
    filter: Annotated[str, AfterValidator(_filter)] = "(mail={address})"
    attribute: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9-]*$")]
    reload: Words | None = None
    queue: QueueCommands | None = None
    freeze: Words | None = None

    @property
    def where(self) -> Where:
        return "attribute", f"{self.url}/{self.base} {self.attribute}"

    @property
    def endpoint(self) -> Endpoint:
        """Where the directory listens, and how the connection is protected."""
        split, ca_file = urlsplit(self.url), str(self.ca_file) if self.ca_file else None
        assert split.hostname is not None
        if split.scheme == "ldaps":
            return Endpoint(split.hostname, split.port or 636, Tls.IMPLICIT, ca_file)
        return Endpoint(split.hostname, split.port or 389, Tls.STARTTLS if self.starttls else Tls.NONE, ca_file)

    @model_validator(mode="after")
    def _plaintext_is_loud(self) -> Self:
        if self.starttls and self.url.startswith("ldaps:"):
            raise ValueError("`starttls` goes with ldap://; ldaps:// is TLS from the start")
        if self.endpoint.tls is Tls.NONE and not self.allow_plaintext:
            raise ValueError(
                "ldap:// without `starttls: true` sends the password in the clear; "
                "say `allow_plaintext: true` beside it if that is meant"
            )
        return self


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

    def serves(self, address: Address) -> bool:
        return self.holds(address) and address.rpartition("@")[2] != self._main

    def holds(self, address: Address) -> bool:
        """Whether the address is in the zone at all."""
        return f".{address.rpartition('@')[2]}".endswith(f".{self.zone}")

    def says(self, address: Address, server: ServerName) -> Nexthop | None:
        value = super().says(address, server)
        return None if value is None else mx.spell(mx.parse(value))  # the order may hang on the domain


class DovecotProxyEntry(Entry):
    """The passwd-file by which a Dovecot proxy sends each user's mail program to a server: no mail passes here.

    `nexthop` holds the extra fields of a line that make up the route, such as `proxy=y host=10.0.0.2`; it is kept with
    the fields ordered by name. null: a line with none of them. `kick` takes users as its last words, and ends their
    sessions.
    """

    kind: Literal["dovecot-proxy"]
    file: RootedPath
    user: Template = "{address}"
    kick: Words | None = "doveadm proxy kick"

    @field_validator("nexthop")
    @classmethod
    def _by_name(cls, nexthop: dict[ServerName, str | None]) -> dict[ServerName, str | None]:
        return {server: None if text is None else _extra_fields(text) for server, text in nexthop.items()}

    @property
    def fields(self) -> frozenset[str]:
        """The names of the fields that are the route."""
        return frozenset(name for text in self.nexthop.values() for name in _field_names(text or ""))

    @property
    def where(self) -> Where:
        return "file", str(self.file)


class NginxAuthEntry(Entry):
    """The map by which nginx's auth_http answers where each user's mail program goes: no mail passes here.

    `nexthop` is what the map gives, such as `10.0.0.2:143`. `test` fails when nginx could not read its configuration.
    """

    kind: Literal["nginx-auth"]
    file: RootedPath
    user: Template = "{address}"
    test: Words | None = "nginx -t"
    reload: Words | None = "nginx -s reload"

    @property
    def where(self) -> Where:
        return "file", str(self.file)


class CommandEntry(PostfixEntry):
    """A program of the operator's: JSON on its standard input, an exit status as its answer.

    It is ended after `timeout`. A Postfix that it changes is named by `reload`, `queue` and `freeze`.
    """

    kind: Literal["command"]
    command: Words
    timeout: PositiveDuration = timedelta(minutes=1)
    reload: Words | None = None
    queue: QueueCommands | None = None
    freeze: Words | None = None

    @property
    def where(self) -> Where:
        return "command", self.command


class ManualEntry(Entry):
    """A console that only a person can work: `instructions` are printed with each change set, which has a token."""

    kind: Literal["manual"]
    instructions: Words

    @property
    def where(self) -> Where:
        return "name", f"manual {self.name}"


RoutingEntry = Annotated[
    PostfixMapEntry
    | VirtualAliasEntry
    | PostfixSqlEntry
    | LdapEntry
    | DnsMxEntry
    | DovecotProxyEntry
    | NginxAuthEntry
    | CommandEntry
    | ManualEntry,
    Field(discriminator="kind"),
]
