"""The places that route: a backend together with what the workspace says of it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from migrator.model.mailbox import Mailbox
from migrator.model.names import Address, Ingress, Nexthop, ServerName
from migrator.model.progress import StopSignal
from migrator.routing import Attended, Routing
from migrator.waves.backends import backend
from migrator.workspace import RoutingEntry, Workspace


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

    def leads(self, address: Address, value: Nexthop | None) -> str:
        """The server for which this place would say `value`, for people; "?" when it is none of ours."""
        if value is not None and value == self.routing.freeze_value:
            return "(held back)"
        return " or ".join(server for server in self.entry.nexthop if self.nexthop(address, server) == value) or "?"

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
    return tuple(Place(backend(workspace, entry, say, waiting), entry) for entry in workspace.config.routing)
