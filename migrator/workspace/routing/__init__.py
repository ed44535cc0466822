"""What an entry of `routing:` may say: one class a kind of place that decides where mail, or a mail program, goes."""

from typing import Annotated

from pydantic import Field

from migrator.workspace.routing.clients import DovecotProxyEntry, NginxAuthEntry
from migrator.workspace.routing.dns import DnsMxEntry, host_and_port
from migrator.workspace.routing.entry import Entry, fill
from migrator.workspace.routing.ldap import LdapEntry
from migrator.workspace.routing.others import CommandEntry, ManualEntry
from migrator.workspace.routing.postfix import PostfixEntry, PostfixMapEntry, PostfixSqlEntry, VirtualAliasEntry

__all__ = [
    "CommandEntry",
    "DnsMxEntry",
    "DovecotProxyEntry",
    "Entry",
    "LdapEntry",
    "ManualEntry",
    "NginxAuthEntry",
    "PostfixEntry",
    "PostfixMapEntry",
    "PostfixSqlEntry",
    "RoutingEntry",
    "VirtualAliasEntry",
    "fill",
    "host_and_port",
]

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
