"""Directories: an attribute of each mailbox's entry."""

import re
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, model_validator

from migrator.model import ldap_filter
from migrator.model.mailbox import Endpoint, Tls
from migrator.workspace.fields import Reference, RootedPath, Words
from migrator.workspace.routing.entry import Where
from migrator.workspace.routing.postfix import PostfixEntry, QueueCommands


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


def _attribute(text: str) -> str:
    if not re.fullmatch("[A-Za-z][A-Za-z0-9-]*", text):
        raise ValueError("not the name of an attribute, such as mailHost")
    return text


def _filter(text: str) -> str:
    ldap_filter.template(text)
    return text


class LdapEntry(PostfixEntry):
    """An attribute of each mailbox's entry in a directory.

    `filter` finds the entry, with {address}, {local} and {domain} filled in. `ca_file` adds a private CA to the trusted
    ones. `reload`, `queue` and `freeze` are for a Postfix that looks there; `freeze` goes with a transport.
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
    attribute: Annotated[str, AfterValidator(_attribute)]
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
