"""Addresses rewritten to those of a sub-domain that leads to the server (virtual(5)): the weakest of the backends.

The rewriting happens when mail comes in. What is in the queue keeps the recipient that it was given then: no reload,
no flush and no `postsuper -r` sends it elsewhere, and mail for an address cannot be held back.
"""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from migrator.model import names
from migrator.model.names import Address, Ingress, Nexthop
from migrator.model.route import Flips, Queue
from migrator.routing.contract import Finding, Severity, shown
from migrator.routing.errors import ValueUnwritable
from migrator.routing.postfix.map import PostfixMap
from migrator.routing.reader import Reader

_WEAKNESS = Finding(
    Severity.WARNING,
    "mail that is in the queue when an alias changes still goes to the server of the old one",
    "The cutover waits for such mail, and what still arrives late is carried over: let catching up take its time.",
)


class VirtualAlias(PostfixMap):
    """A virtual_alias_maps file. `known` gives all the aliases that an address may have, on whichever server it is."""

    parameter = "virtual_alias_maps"

    def __init__(
        self, name: Ingress, file: Path, type: str, *, reader: Reader, known: Callable[[Address], Collection[str]]
    ) -> None:
        super().__init__(name, file, type, reader=reader, freeze=None)
        self._known = known

    def plan(self, wanted: Mapping[Address, Nexthop | None]) -> Flips:
        """The changes to `wanted`; ValueUnwritable for a value that is not one address."""
        for address, value in wanted.items():
            _refuse_no_address(address, value)
        return super().plan(wanted)

    def check(self) -> list[Finding]:
        """What stands in the way of a flip, and what this kind of place cannot do."""
        return [*super().check(), _WEAKNESS]

    def queue(self, addresses: Collection[Address]) -> Queue | None:
        """Queued mail has the alias of its arrival: all that has another than the present one counts as `active`."""
        present = {address: Address(alias or address) for address, alias in self.read(addresses).items()}
        all_of_them = {Address(alias) for address in addresses for alias in (address, *self._known(address))}
        bound = super().queue(all_of_them - {*present.values()})
        free = super().queue({*present.values()})
        if bound is None or free is None:
            return None
        ids = tuple(dict.fromkeys([*bound.queue_ids, *free.queue_ids]))
        return Queue(bound.active + bound.deferred + free.active, free.deferred, ids)


def _refuse_no_address(address: Address, value: Nexthop | None) -> None:
    try:
        if value is not None:
            names.address(value)
    except ValueError:
        raise ValueUnwritable(
            f"{shown(value)} cannot be the alias of {address}: it is not one mail address",
            remedy="Let `nexthop:` of that place be addresses, such as '{local}@new.example.co.jp'.",
        ) from None
