"""A gateway's list of the addresses that it takes mail for (relay_recipient_maps), kept in step with its routes.

An address that lacks there is refused at RCPT whatever its route says. So it is added before its route changes, and is
never taken away: whether mail for an address is wanted at all is not ours to decide.
"""

from collections.abc import Callable, Collection
from pathlib import Path

from migrator.model.names import Address, Ingress, Nexthop
from migrator.model.route import Applied, Flips
from migrator.routing.contract import Finding, RouteConflict
from migrator.routing.postfix.map import PostfixMap
from migrator.routing.reader import Reader

LISTED = Nexthop("OK")  # Postfix asks whether there is a value, not which


class _Untold(Reader):
    """The reader of two maps, who is told of both changes at once, by the other map."""

    def tell(self, place: Ingress, changed: str) -> None:
        return


class RelayRecipients(PostfixMap):
    """The list, changed as any map file is."""

    parameter = "relay_recipient_maps"

    def __init__(self, name: Ingress, file: Path, type: str, *, reader: Reader) -> None:
        super().__init__(name, file, type, reader=_Untold(reader.reload), freeze=None)
        self.file = file

    def additions(self, addresses: Collection[Address]) -> Flips:
        """What is to be added, so that mail for all of `addresses` is taken; a whole domain's entry is enough."""
        whole = {address: Address("@" + address.rpartition("@")[2]) for address in addresses}
        found = self.read({*addresses, *whole.values()})
        return self.plan({each: LISTED for each in addresses if found[each] is None and found[whole[each]] is None})


class PostfixRelayMap(PostfixMap):
    """A transport map of a gateway that has such a list."""

    def __init__(
        self, name: Ingress, file: Path, type: str, *,
        reader: Reader, freeze: Nexthop | None, recipients: RelayRecipients, agree: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        super().__init__(name, file, type, reader=reader, freeze=freeze, agree=agree)
        self._recipients = recipients

    def apply(self, flips: Flips) -> Applied:
        """First the list, then the map. Conflicts of either are looked for before anything is written.

        One that comes in between leaves the additions to the list; the error says so.
        """
        self.diff(flips)
        added = self._recipients.apply(self._recipients.additions(flips.addresses)).changed
        try:
            return super().apply(flips)
        except RouteConflict as late:
            if not added:
                raise
            so_far = f"nothing was written here, but {len(added)} addresses were added to {self._recipients.file}"
            raise RouteConflict(self._place, late.conflicts, so_far) from late

    def diff(self, flips: Flips) -> str:
        """The change of the list, then that of the map."""
        additions = self._recipients.additions(flips.addresses)
        return self._recipients.diff(additions) + super().diff(flips)

    def check(self) -> list[Finding]:
        """What stands in the way of either."""
        return list(dict.fromkeys([*super().check(), *self._recipients.check()]))
