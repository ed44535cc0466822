"""A Postfix map on another host (this one, entered through a real sshd) as a ground for the contract suite."""

from __future__ import annotations

from collections.abc import Iterator

from migrator.model.names import Ingress, Nexthop
from migrator.routing import Reader
from migrator.routing.postfix.remote import RemotePostfixMap
from tests.contract.routing_places import FREEZE, Place, place
from tests.lab import require
from tests.lab.sshd import Sshd


class ViaGround(Place):
    """The map of `Place`, whose backend goes through `via`."""

    flips_each = 3  # each of them is two connections
    via = "sh -c"
    sshd: Sshd

    def backend(self, freeze: Nexthop | None = FREEZE) -> RemotePostfixMap:  # type: ignore[override]
        reader = Reader(f"sh -c 'echo told >> {self.reloads_log}'")
        return RemotePostfixMap(self.via, Ingress("gateway"), self.text, self.type, reader=reader, freeze=freeze)


def via_ground(type: str) -> Iterator[ViaGround]:
    require("sshd", "postfix" if type in ("texthash", "hash") else f"postfix-{type}")
    with Sshd() as sshd, place(type, made=ViaGround) as made:
        assert isinstance(made, ViaGround)
        made.sshd, made.via = sshd, sshd.via()
        yield made
