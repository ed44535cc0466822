"""Canaries counted by ingress: the table that a proof shows and a report repeats."""

from collections.abc import Iterable
from dataclasses import dataclass

from migrator.model.canary import Canary, CanaryState
from migrator.model.names import Ingress

_WAITING = frozenset({CanaryState.INTENDED, CanaryState.SENT})


@dataclass(frozen=True, slots=True)
class IngressTally:
    """How the canaries of one ingress fared; `waiting` is without a verdict. All but `sent` add up to `total`."""

    ingress: Ingress
    sent: int
    found: int
    misrouted: int
    refused: int
    unproven: int
    waiting: int

    @property
    def total(self) -> int:
        return self.found + self.misrouted + self.refused + self.unproven + self.waiting


def was_sent(canary: Canary) -> bool:
    """Whether an ingress accepted it, by its answer or because it arrived somewhere."""
    return canary.sent_at is not None or canary.state in (CanaryState.PROVEN, CanaryState.MISROUTED)


def tally(canaries: Iterable[Canary]) -> tuple[IngressTally, ...]:
    """The counts for each ingress, in the order in which the ingresses appear."""
    groups: dict[Ingress, list[Canary]] = {}
    for canary in canaries:
        groups.setdefault(canary.ingress, []).append(canary)
    return tuple(_count(ingress, group) for ingress, group in groups.items())


def _count(ingress: Ingress, group: list[Canary]) -> IngressTally:
    states = [canary.state for canary in group]
    return IngressTally(
        ingress,
        sent=sum(map(was_sent, group)),
        found=states.count(CanaryState.PROVEN),
        misrouted=states.count(CanaryState.MISROUTED),
        refused=states.count(CanaryState.REFUSED),
        unproven=states.count(CanaryState.UNPROVEN),
        waiting=sum(state in _WAITING for state in states),
    )
