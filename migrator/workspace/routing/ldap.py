"""Directories: an attribute of each mailbox's entry."""

from typing import Annotated, Literal

from pydantic import AfterValidator

from migrator.model import ldap_filter
from migrator.workspace.directories import LdapServer, attribute
from migrator.workspace.fields import Words
from migrator.workspace.routing.entry import Where
from migrator.workspace.routing.postfix import PostfixEntry, QueueCommands


def _filter(text: str) -> str:
    ldap_filter.template(text)
    return text


class LdapEntry(LdapServer, PostfixEntry):
    """An attribute of each mailbox's entry in a directory.

    `filter` finds the entry, with {address}, {local} and {domain} filled in. `reload`, `queue` and `freeze` are for a
    Postfix that looks there; `freeze` goes with a transport.
    """

    kind: Literal["ldap"]
    filter: Annotated[str, AfterValidator(_filter)] = "(mail={address})"
    attribute: Annotated[str, AfterValidator(attribute)]
    reload: Words | None = None
    queue: QueueCommands | None = None
    freeze: Words | None = None

    @property
    def where(self) -> Where:
        return "attribute", f"{self.url}/{self.base} {self.attribute}"
