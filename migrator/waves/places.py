"""The places that route, built from the workspace: a backend together with what the workspace says of it."""

from dataclasses import dataclass

from migrator.model.names import Ingress, Nexthop, ServerName
from migrator.routing import PostfixMap, Routing
from migrator.workspace import RoutingEntry, Workspace


@dataclass(frozen=True, slots=True)
class Place:
    """One entry of `routing:` with its backend, and what its entries say for a mailbox on each server."""

    routing: Routing
    nexthops: dict[ServerName, Nexthop | None]

    @property
    def name(self) -> Ingress:
        return self.routing.name


def places(workspace: Workspace) -> tuple[Place, ...]:
    """All places of the workspace, in the order in which they are flipped."""
    return tuple(Place(_backend(entry), dict(entry.nexthop)) for entry in workspace.config.routing)


def _backend(entry: RoutingEntry) -> Routing:
    return PostfixMap(
        name=entry.name,
        file=entry.file,
        type=entry.type,
        reload=entry.reload,
        queue_list=entry.queue.list if entry.queue else None,
        queue_flush=entry.queue.flush if entry.queue else None,
        freeze=entry.freeze,
    )
