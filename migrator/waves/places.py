"""The places that route, built from the workspace: a backend together with what the workspace says of it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from migrator.model.errors import ConfigInvalid
from migrator.model.mailbox import Mailbox
from migrator.model.names import Address, Ingress, Nexthop, ServerName
from migrator.model.progress import StopSignal
from migrator.routing import Attended, PostfixMap, Reader, Routing
from migrator.routing.change_sets import ChangeSets
from migrator.routing.elsewhere import PostfixMapElsewhere
from migrator.routing.manual import Manual
from migrator.routing.postfix_sql import PostfixSql
from migrator.routing.program import Program
from migrator.routing.program_place import ProgramPlace
from migrator.routing.relay_recipients import PostfixRelayMap, RelayRecipients
from migrator.routing.sql_postgres import PostgresTable
from migrator.routing.sql_rows import Columns, Table
from migrator.routing.sql_sqlite import SqliteTable
from migrator.routing.virtual_alias import VirtualAlias
from migrator.workspace import RoutingEntry, Workspace
from migrator.workspace.routing import (
    CommandEntry,
    DnsMxEntry,
    ManualEntry,
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
        return self.entry.says(address, server)

    def nexthops(self, mailboxes: Mapping[Mailbox, ServerName]) -> dict[Address, Nexthop | None]:
        """The same for each mailbox that it serves, on the server given for it."""
        served = self.serves([mailbox.address for mailbox in mailboxes])
        found = {mailbox.address: self.nexthop(mailbox.address, server) for mailbox, server in mailboxes.items()}
        return {address: found[address] for address in served}

    def serves(self, addresses: Iterable[Address]) -> list[Address]:
        """Those of `addresses` about which this place decides."""
        return [address for address in addresses if self.entry.serves(address)]

    def heeding(self, stop: StopSignal) -> "Place":
        """The same place, where `stop` ends the waiting for a person, if it has any."""
        return replace(self, routing=self.routing.heeding(stop)) if isinstance(self.routing, Attended) else self

    def unattended(self) -> "Place":
        """The same place, which waits for no person."""
        return replace(self, routing=self.routing.unattended()) if isinstance(self.routing, Attended) else self


class Unattended:
    """What a place that waits for a person is given by commands that ask nobody for anything: it does not wait."""

    def draining(self) -> bool:
        return True

    def now(self) -> bool:
        return True


def places(
    workspace: Workspace, say: Callable[[str], None] = lambda text: None, stop: StopSignal | None = None
) -> tuple[Place, ...]:
    """All places of the workspace, in the order in which they are flipped.

    `say` prints for the operator, `stop` ends the waiting for a person.
    """
    waiting = stop or Unattended()
    return tuple(Place(_backend(workspace, entry, say, waiting), entry) for entry in workspace.config.routing)


def change_sets(workspace: Workspace) -> tuple[ChangeSets, ...]:
    """What persons were asked to do, for each place that needs one."""
    manual = (entry.name for entry in workspace.config.routing if isinstance(entry, ManualEntry))
    return tuple(ChangeSets(_directory(workspace, "manual"), name) for name in manual)


def _backend(workspace: Workspace, entry: RoutingEntry, say: Callable[[str], None], stop: StopSignal) -> Routing:
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
        case CommandEntry():
            return ProgramPlace(
                entry.name, Program(entry.command, workspace.root, entry.timeout.total_seconds()),
                reader=_reader(entry), freeze=entry.held_by, directory=_directory(workspace, "command"),
                known=tuple(filter(entry.serves, workspace.mailboxes)),
            )  # fmt: skip
        case ManualEntry():
            return Manual(
                entry.name, entry.instructions, assumed=_at_sources(workspace, entry),
                directory=_directory(workspace, "manual"), patience=workspace.config.cutover.freeze_deadline,
                say=say, stop=stop,
            )  # fmt: skip
        case DnsMxEntry():
            return _dns_mx(workspace, entry)
        case _:
            raise ConfigInvalid(f"routing entry {entry.name}: the kind {entry.kind} is not there yet")


def _postfix_map(entry: PostfixMapEntry) -> Routing:
    reader, recipients = _reader(entry), entry.relay_recipients
    if entry.via is not None:
        listed = (recipients.file, recipients.type) if recipients else None
        return PostfixMapElsewhere(
            entry.via, entry.name, entry.file, entry.type, reader=reader, freeze=entry.held_by, recipients=listed
        )
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


def _directory(workspace: Workspace, kind: str) -> Path:
    return workspace.root / "state" / kind


def _at_sources(workspace: Workspace, entry: RoutingEntry) -> dict[Address, Nexthop | None]:
    """What the entry says of every mailbox that it serves, while it is on its source."""
    served = (mailbox for mailbox in workspace.mailboxes.values() if entry.serves(mailbox.address))
    templates = {mailbox.address: entry.nexthop[mailbox.source] for mailbox in served}
    return {a: None if template is None else Nexthop(fill(template, a)) for a, template in templates.items()}


def _dns_mx(workspace: Workspace, entry: DnsMxEntry) -> Routing:
    from migrator.routing.dns_mx import DnsMx  # its package is an extra
    from migrator.routing.dns_wire import NameServer, TsigKey

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


def _two_values(entry: RoutingEntry, mailbox: Mailbox) -> list[Nexthop]:
    """What `entry` is to say of a mailbox, before and after; "no entry" left out."""
    values = [entry.says(mailbox.address, server) for server in (mailbox.source, mailbox.target)]
    return [value for value in values if value is not None]


def _reader(entry: PostfixEntry) -> Reader:
    queue = entry.queue
    return Reader(entry.reload, queue.list if queue else None, queue.flush if queue else None)
