"""The journal of routing changes: skeleton."""

from collections.abc import Mapping

from migrator.model.names import Address, Ingress, Nexthop, WaveName
from migrator.model.route import Flips


class FlipJournal:
    """What was observed, intended and confirmed at each ingress for a wave (I7)."""

    def observe(self, wave: WaveName, ingress: Ingress, values: Mapping[Address, Nexthop | None]) -> None:
        """Remember what was there before the first flip; a value once observed for an address stays."""
        raise NotImplementedError

    def original(self, wave: WaveName, ingress: Ingress) -> Mapping[Address, Nexthop | None]:
        """What was observed first."""
        raise NotImplementedError

    def intend(self, wave: WaveName, ingress: Ingress, step: str, flips: Flips) -> None:
        """Journal, durably, the changes that are about to be written. May be repeated."""
        raise NotImplementedError

    def confirm(self, wave: WaveName, ingress: Ingress, step: str) -> None:
        """The changes of this step were read back from the place."""
        raise NotImplementedError

    def unconfirmed(self, wave: WaveName, ingress: Ingress) -> tuple[str, ...]:
        """Steps that were intended and not confirmed, oldest first."""
        raise NotImplementedError

    def written(self, wave: WaveName, ingress: Ingress) -> Mapping[Address, frozenset[Nexthop | None]]:
        """Every value that we ever intended to write there for this wave."""
        raise NotImplementedError
