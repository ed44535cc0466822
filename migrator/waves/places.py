"""The places that route, built from the workspace: a backend together with what the workspace says of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from migrator.model.errors import ConfigInvalid
from migrator.model.mailbox import Mailbox
from migrator.model.names import Address, Ingress, Nexthop, ServerName
from migrator.routing import PostfixMap, Reader, Routing
from migrator.workspace import RoutingEntry, Workspace
from migrator.workspace.routing import DnsMxEntry, PostfixEntry, PostfixMapEntry


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


def places(workspace: Workspace) -> tuple[Place, ...]:
    """All places of the workspace, in the order in which they are flipped."""
    return tuple(Place(_backend(workspace, entry), entry) for entry in workspace.config.routing)


def _backend(workspace: Workspace, entry: RoutingEntry) -> Routing:
    match entry:
        case PostfixMapEntry():
            reader = _reader(entry)
            return PostfixMap(entry.name, entry.file, entry.type, reader=reader, freeze=entry.held_by)
        case DnsMxEntry():
            return _dns_mx(workspace, entry)
        case _:
            raise ConfigInvalid(f"routing entry {entry.name}: the kind {entry.kind} is not there yet")


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
            address: _values(entry, workspace.mailboxes[address]) for address in in_zone if entry.serves(address)
        },
        alone=[address for address in in_zone if not entry.serves(address)],
    )


def _values(entry: RoutingEntry, mailbox: Mailbox) -> list[Nexthop]:
    """What `entry` is to say of a mailbox, before and after; "no entry" left out."""
    values = [entry.says(mailbox.address, server) for server in (mailbox.source, mailbox.target)]
    return [value for value in values if value is not None]


def _reader(entry: PostfixEntry) -> Reader:
    queue = entry.queue
    return Reader(entry.reload, queue.list if queue else None, queue.flush if queue else None)
