"""The places that route, built from the workspace: a backend together with what the workspace says of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from migrator.model.errors import ConfigInvalid
from migrator.model.mailbox import Login, Mailbox
from migrator.model.names import Address, Ingress, Nexthop, ServerName
from migrator.routing import PostfixMap, Reader, Routing
from migrator.routing.postfix_sql import PostfixSql
from migrator.routing.relay_recipients import PostfixRelayMap, RelayRecipients
from migrator.routing.sql_postgres import PostgresTable
from migrator.routing.sql_rows import Columns, Table
from migrator.routing.sql_sqlite import SqliteTable
from migrator.routing.virtual_alias import VirtualAlias
from migrator.workspace import RoutingEntry, Workspace
from migrator.workspace.routing import (
    LdapEntry,
    PostfixEntry,
    PostfixMapEntry,
    PostfixSqlEntry,
    VirtualAliasEntry,
    fill,
)

BACKUPS = "state/routing"  # below the workspace: copies of places that are elsewhere
SQLITE = "sqlite:///"


@dataclass(frozen=True, slots=True)
class Place:
    """One entry of `routing:` with its backend, and what its entries say for a mailbox on each server."""

    routing: Routing
    entry: RoutingEntry

    @property
    def name(self) -> Ingress:
        return self.routing.name

    def nexthop(self, address: Address, server: ServerName) -> Nexthop | None:
        """What this place says for `address` while it is on `server`; None: no entry."""
        template = self.entry.nexthop[server]
        return None if template is None else Nexthop(fill(template, address))

    def nexthops(self, mailboxes: Mapping[Mailbox, ServerName]) -> dict[Address, Nexthop | None]:
        """The same for each mailbox that it serves, on the server given for it."""
        served = self.serves([mailbox.address for mailbox in mailboxes])
        found = {mailbox.address: self.nexthop(mailbox.address, server) for mailbox, server in mailboxes.items()}
        return {address: found[address] for address in served}

    def serves(self, addresses: Iterable[Address]) -> list[Address]:
        """Those of `addresses` about which this place decides."""
        return [address for address in addresses if self.entry.serves(address)]


def places(workspace: Workspace) -> tuple[Place, ...]:
    """All places of the workspace, in the order in which they are flipped."""
    return tuple(Place(_backend(workspace, entry), entry) for entry in workspace.config.routing)


def _backend(workspace: Workspace, entry: RoutingEntry) -> Routing:
    match entry:
        case PostfixMapEntry():
            return _postfix_map(entry)
        case VirtualAliasEntry():
            known = partial(_values, entry)
            return VirtualAlias(entry.name, entry.file, entry.type, reader=_reader(entry), known=known)
        case PostfixSqlEntry():
            backups = workspace.root / BACKUPS / entry.name
            table, reader = _table(workspace, entry), _reader(entry)
            return PostfixSql(entry.name, table, reader=reader, freeze=entry.held_by, map=entry.map, backups=backups)
        case LdapEntry():
            return _ldap(workspace, entry)
        case _:
            raise ConfigInvalid(f"routing entry {entry.name}: the kind {entry.kind} is not there yet")


def _postfix_map(entry: PostfixMapEntry) -> PostfixMap:
    reader, recipients = _reader(entry), entry.relay_recipients
    if recipients is None:
        return PostfixMap(entry.name, entry.file, entry.type, reader=reader, freeze=entry.held_by)
    known = RelayRecipients(entry.name, recipients.file, recipients.type, reader=reader)
    return PostfixRelayMap(entry.name, entry.file, entry.type, reader=reader, freeze=entry.held_by, recipients=known)


def _table(workspace: Workspace, entry: PostfixSqlEntry) -> Table:
    columns = Columns(entry.table, entry.key, entry.value)
    if entry.database.startswith(SQLITE):
        return SqliteTable(workspace.root / entry.database.removeprefix(SQLITE), columns)
    return PostgresTable(entry.database, columns, workspace.secret(entry.secret) if entry.secret else None)


def _values(entry: RoutingEntry, address: Address) -> set[str]:
    """All that the entry can say for `address`."""
    return {fill(template, address) for template in entry.nexthop.values() if template is not None}


def _ldap(workspace: Workspace, entry: LdapEntry) -> Routing:
    from migrator.routing.ldap import Ldap  # its package is an extra
    from migrator.routing.ldap_wire import Directory

    return Ldap(
        entry.name, Directory(entry.endpoint, Login(entry.bind_dn, workspace.secret(entry.secret))),
        entry.base, entry.filter, entry.attribute, reader=_reader(entry), freeze=entry.held_by,
        known=[address for address in workspace.mailboxes if entry.serves(address)],
        backups=workspace.root / BACKUPS / entry.name,
    )  # fmt: skip


def _reader(entry: PostfixEntry) -> Reader:
    queue = entry.queue
    return Reader(entry.reload, queue.list if queue else None, queue.flush if queue else None)
