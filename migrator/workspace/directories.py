"""Directories: how one is reached, and what its entries say of people, lists and shared mailboxes."""

import re
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from migrator.model import ldap_filter
from migrator.model.mailbox import Endpoint, Tls
from migrator.workspace.fields import Reference, RootedPath, Words, loud_plaintext
from migrator.workspace.section import Section


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


def attribute(text: str) -> str:
    """The name of an attribute. ValueError otherwise."""
    if not re.fullmatch("[A-Za-z][A-Za-z0-9-]*", text):
        raise ValueError("not the name of an attribute, such as mailHost")
    return text


def _plain_filter(text: str) -> str:
    ldap_filter.parse(text)
    return text


Filter = Annotated[str, AfterValidator(_plain_filter)]
Names = tuple[Annotated[str, AfterValidator(attribute)], ...]


class LdapServer(Section):
    """A directory server, and as whom it is asked; `ca_file` adds a private CA to the trusted ones."""

    url: Annotated[str, AfterValidator(_ldap_url)]
    starttls: bool = False
    ca_file: RootedPath | None = None
    allow_plaintext: bool = False
    bind_dn: Words
    secret: Reference
    base: Words

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
        clear = self.endpoint.tls is Tls.NONE
        loud_plaintext(clear, self.allow_plaintext, "ldap:// without `starttls: true` sends the password")
        return self


class Attributes(Section):
    """Which attributes say what; the first of a list that an entry has is taken for a name, a department, an address.

    `groups`: of a person, the entries of the lists it is on; `members`, `forwards` and `delegates` may be addresses or
    entries' names.
    """

    address: Names
    aliases: Names
    name: Names
    department: Names
    members: Names
    groups: Names
    forwards: Names
    delegates: Names


Kind = Literal["openldap", "active-directory"]
PRESETS: dict[Kind, Attributes] = {
    "openldap": Attributes(
        address=("mail",),
        aliases=("mailLocalAddress", "mailAlternateAddress"),
        name=("displayName", "cn"),
        department=("departmentNumber", "ou"),
        members=("member", "uniqueMember", "rfc822MailMember", "mgrpRFC822MailMember", "memberUid"),
        groups=("memberOf",),
        forwards=("mailForwardingAddress",),
        delegates=(),
    ),
    "active-directory": Attributes(
        address=("mail",),
        aliases=("proxyAddresses",),
        name=("displayName", "cn"),
        department=("department",),
        members=("member",),
        groups=("memberOf",),
        forwards=("altRecipient", "msExchGenericForwardingAddress"),
        delegates=("publicDelegates", "msExchDelegateListLink"),
    ),
}
_FILTERS: dict[Kind, str] = {"openldap": "(mail=*)", "active-directory": "(|(mail=*)(proxyAddresses=*))"}
# a shared mailbox, a room, a piece of equipment (msExchRecipientTypeDetails of Exchange)
_SHARED: dict[Kind, str] = {
    "active-directory": "(|" + "".join(f"(msExchRecipientTypeDetails={kind})" for kind in (4, 16, 32)) + ")"
}


class OwnAttributes(Section):
    """What differs from the preset."""

    address: Names | None = None
    aliases: Names | None = None
    name: Names | None = None
    department: Names | None = None
    members: Names | None = None
    groups: Names | None = None
    forwards: Names | None = None
    delegates: Names | None = None


class Directory(LdapServer):
    """An entry of `directories:`. `filter` finds all that has an address, `shared` the shared mailboxes among it."""

    kind: Kind
    filter: Filter | None = None
    shared: Filter | None = None
    attributes: OwnAttributes = Field(default_factory=OwnAttributes)

    @property
    def reads(self) -> Attributes:
        """The attributes that count here."""
        return PRESETS[self.kind].model_copy(update=self.attributes.model_dump(exclude_none=True))

    @property
    def finds(self) -> str:
        """The filter of all entries."""
        return self.filter or _FILTERS[self.kind]

    @property
    def finds_shared(self) -> str | None:
        """The filter of shared mailboxes; None where nothing tells them."""
        return self.shared or _SHARED.get(self.kind)
