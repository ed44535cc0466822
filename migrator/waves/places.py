"""The places that route, built from the workspace: a backend together with what the workspace says of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from migrator.model.errors import ConfigInvalid
from migrator.model.mailbox import Mailbox
from migrator.model.names import Address, Ingress, Nexthop, ServerName
from migrator.routing import DovecotProxy, NginxAuth, PostfixMap, Reader, Routing
from migrator.workspace import RoutingEntry, Workspace
from migrator.workspace.routing import DovecotProxyEntry, NginxAuthEntry, PostfixEntry, PostfixMapEntry, fill


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
    return tuple(Place(_backend(entry), entry) for entry in workspace.config.routing)


def _backend(entry: RoutingEntry) -> Routing:
    match entry:
        case PostfixMapEntry():
            reader = _reader(entry)
            return PostfixMap(entry.name, entry.file, entry.type, reader=reader, freeze=entry.held_by)
        case DovecotProxyEntry():
            user = partial(fill, entry.user)
            return DovecotProxy(entry.name, entry.file, entry.fields, user=user, kick=entry.kick)
        case NginxAuthEntry():
            return NginxAuth(
                entry.name, entry.file, user=partial(fill, entry.user), reload=entry.reload, test=entry.test
            )
        case _:
            raise ConfigInvalid(f"routing entry {entry.name}: the kind {entry.kind} is not there yet")


def _reader(entry: PostfixEntry) -> Reader:
    queue = entry.queue
    return Reader(entry.reload, queue.list if queue else None, queue.flush if queue else None)
