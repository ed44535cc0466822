"""Backends built from the entries of `routing:`. Each is imported only where such a place is built."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from migrator.model.mailbox import UNDECIDED, Login, Mailbox
from migrator.model.names import Address, Nexthop
from migrator.model.progress import StopSignal
from migrator.routing import Reader, Routing
from migrator.routing.operator.change_sets import ChangeSets
from migrator.workspace import RoutingEntry, Workspace
from migrator.workspace.routing import (
    CommandEntry,
    DnsMxEntry,
    DovecotProxyEntry,
    LdapEntry,
    ManualEntry,
    NginxAuthEntry,
    PostfixEntry,
    PostfixMapEntry,
    PostfixSqlEntry,
    VirtualAliasEntry,
    fill,
)
from migrator.workspace.secrets import SecretRef

if TYPE_CHECKING:
    from migrator.routing.sql.rows import Columns, Table

SQLITE = "sqlite:///"


def backend(workspace: Workspace, entry: RoutingEntry, say: Callable[[str], None], stop: StopSignal) -> Routing:
    """The backend of `entry`. `say` prints for the operator, `stop` ends the waiting for a person."""
    match entry:
        case PostfixMapEntry():
            return _postfix_map(entry)
        case VirtualAliasEntry():
            return _virtual_alias(entry)
        case PostfixSqlEntry():
            return _postfix_sql(workspace, entry)
        case LdapEntry():
            return _ldap(workspace, entry)
        case DnsMxEntry():
            return _dns_mx(workspace, entry)
        case DovecotProxyEntry():
            return _dovecot_proxy(workspace, entry)
        case NginxAuthEntry():
            return _nginx_auth(entry)
        case CommandEntry():
            return _command(workspace, entry)
        case ManualEntry():
            return _manual(workspace, entry, say, stop)


def change_sets(workspace: Workspace) -> tuple[ChangeSets, ...]:
    """What persons were asked to do, for each place that needs one."""
    manual = (entry.name for entry in workspace.config.routing if isinstance(entry, ManualEntry))
    return tuple(ChangeSets(_directory(workspace, "manual"), name) for name in manual)


def _postfix_map(entry: PostfixMapEntry) -> Routing:
    from migrator.routing.postfix.map import PostfixMap
    from migrator.routing.postfix.relay_recipients import PostfixRelayMap, RelayRecipients
    from migrator.routing.postfix.remote import RemotePostfixMap

    reader, recipients = _reader(entry), entry.relay_recipients
    if entry.via is not None:
        listed = (recipients.file, recipients.type) if recipients else None
        return RemotePostfixMap(
            entry.via, entry.name, entry.file, entry.type, reader=reader, freeze=entry.held_by, recipients=listed
        )
    if recipients is None:
        return PostfixMap(entry.name, entry.file, entry.type, reader=reader, freeze=entry.held_by)
    known = RelayRecipients(entry.name, recipients.file, recipients.type, reader=reader)
    return PostfixRelayMap(entry.name, entry.file, entry.type, reader=reader, freeze=entry.held_by, recipients=known)


def _virtual_alias(entry: VirtualAliasEntry) -> Routing:
    from migrator.routing.postfix.virtual_alias import VirtualAlias

    known = partial(_values, entry)
    return VirtualAlias(entry.name, entry.file, entry.type, reader=_reader(entry), known=known)


def _postfix_sql(workspace: Workspace, entry: PostfixSqlEntry) -> Routing:
    from migrator.routing.sql.lookup_table import PostfixSql
    from migrator.routing.sql.rows import Columns

    table = _table(workspace, entry.database, Columns(entry.table, entry.key, entry.value), entry.secret)
    backups, reader = _directory(workspace, "routing") / entry.name, _reader(entry)
    return PostfixSql(entry.name, table, reader=reader, freeze=entry.held_by, map=entry.map, backups=backups)


def _table(workspace: Workspace, database: str, columns: "Columns", secret: SecretRef | None) -> "Table":
    from migrator.routing.sql.postgres import PostgresTable
    from migrator.routing.sql.sqlite import SqliteTable

    if database.startswith(SQLITE):
        return SqliteTable(workspace.root / database.removeprefix(SQLITE), columns)
    return PostgresTable(database, columns, workspace.secret(secret) if secret else None)


def _ldap(workspace: Workspace, entry: LdapEntry) -> Routing:
    from migrator.routing.ldap.attribute import Ldap
    from migrator.routing.ldap.wire import Directory

    return Ldap(
        entry.name, Directory(entry.endpoint, Login(entry.bind_dn, workspace.secret(entry.secret))),
        entry.base, entry.filter, entry.attribute, reader=_reader(entry), freeze=entry.held_by,
        known=tuple(filter(entry.serves, workspace.mailboxes)), backups=_directory(workspace, "routing") / entry.name,
    )  # fmt: skip


def _dns_mx(workspace: Workspace, entry: DnsMxEntry) -> Routing:
    from migrator.routing.dns.mx import DnsMx
    from migrator.routing.dns.wire import NameServer, TsigKey

    key, in_zone = entry.key, [address for address in workspace.mailboxes if entry.holds(address)]
    return DnsMx(
        entry.name,
        entry.zone,
        NameServer(entry.primary, entry.port),
        [NameServer(host, port) for host, port in entry.name_servers],
        TsigKey(key.name, key.algorithm, workspace.secret(key.secret)),
        ttl=round(entry.ttl.total_seconds()),
        patience=entry.agree_within.total_seconds(),
        state=workspace.root / "state" / "dns-mx" / entry.name,
        mailboxes={
            address: _two_values(entry, workspace.mailboxes[address]) for address in in_zone if entry.serves(address)
        },
        alone=[address for address in in_zone if not entry.serves(address)],
    )


def _dovecot_proxy(workspace: Workspace, entry: DovecotProxyEntry) -> Routing:
    from migrator.routing.clients.dovecot import DovecotProxy, cached

    user = partial(fill, entry.user)
    if entry.file is not None:
        return DovecotProxy(entry.name, entry.file, entry.fields, user=user, kick=entry.kick)

    from migrator.routing.sql.proxy_table import ProxyTable
    from migrator.routing.sql.rows import Columns

    assert entry.database is not None
    assert entry.table is not None
    columns = Columns(entry.table, entry.key, entry.value, accounts=True)
    return ProxyTable(
        entry.name, _table(workspace, entry.database, columns, entry.secret), user=user, kick=entry.kick,
        directory=_directory(workspace, "dovecot-proxy") / entry.name,
        backups=_directory(workspace, "routing") / entry.name, peculiar=partial(cached, entry.kick),
    )  # fmt: skip


def _nginx_auth(entry: NginxAuthEntry) -> Routing:
    from migrator.routing.clients.nginx import NginxAuth

    return NginxAuth(entry.name, entry.file, user=partial(fill, entry.user), reload=entry.reload, test=entry.test)


def _command(workspace: Workspace, entry: CommandEntry) -> Routing:
    from migrator.routing.operator.program import ProgramPlace
    from migrator.routing.operator.program_call import Program

    return ProgramPlace(
        entry.name, Program(entry.command, workspace.root, entry.timeout.total_seconds()),
        reader=_reader(entry), freeze=entry.held_by, directory=_directory(workspace, "command"),
        known=tuple(filter(entry.serves, workspace.mailboxes)),
    )  # fmt: skip


def _manual(workspace: Workspace, entry: ManualEntry, say: Callable[[str], None], stop: StopSignal) -> Routing:
    from migrator.routing.operator.manual import Manual

    return Manual(
        entry.name, entry.instructions, assumed=_at_sources(workspace, entry),
        directory=_directory(workspace, "manual"), patience=workspace.config.cutover.freeze_deadline,
        say=say, stop=stop,
    )  # fmt: skip


def _reader(entry: PostfixEntry) -> Reader:
    queue = entry.queue
    return Reader(entry.reload, queue.list if queue else None, queue.flush if queue else None)


def _directory(workspace: Workspace, kind: str) -> Path:
    return workspace.root / "state" / kind


def _values(entry: RoutingEntry, address: Address) -> set[str]:
    """All that the entry can say for `address`."""
    return {fill(template, address) for template in entry.nexthop.values() if template is not None}


def _two_values(entry: RoutingEntry, mailbox: Mailbox) -> list[Nexthop]:
    """What `entry` is to say of a mailbox, before and after; "no entry" left out."""
    servers = [mailbox.source] if mailbox.target == UNDECIDED else [mailbox.source, mailbox.target]
    values = [entry.says(mailbox.address, server) for server in servers]
    return [value for value in values if value is not None]


def _at_sources(workspace: Workspace, entry: RoutingEntry) -> dict[Address, Nexthop | None]:
    """What the entry says of every mailbox that it serves, while it is on its source."""
    served = (mailbox for mailbox in workspace.mailboxes.values() if entry.serves(mailbox.address))
    return {mailbox.address: entry.says(mailbox.address, mailbox.source) for mailbox in served}
