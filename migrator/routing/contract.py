"""The contract of a routing backend: one place that decides where mail goes."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol, runtime_checkable

from migrator.model.errors import ExitCode, Refused
from migrator.model.names import Address, Ingress, Nexthop, neutral
from migrator.model.progress import StopSignal
from migrator.model.route import Applied, Flips, Queue
from migrator.routing.errors import listing

LISTED = 20  # how many entries an error text names before it counts the rest


class Severity(StrEnum):
    """`error`: an apply would be refused or would not take effect; `warning`: it works, with a surprise."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that the operator should know before a cutover."""

    severity: Severity
    text: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Conflict:
    """One entry that is neither what was expected nor what is wanted. None: no entry."""

    address: Address
    expected: Nexthop | None
    found: Nexthop | None
    wanted: Nexthop | None

    def __str__(self) -> str:
        return (
            f"{self.address}: expected {shown(self.expected)}, found {shown(self.found)}, wanted {shown(self.wanted)}"
        )


class RouteConflict(Refused):
    """Somebody else changed entries that were to be flipped.

    Nothing at all was written; `so_far` says otherwise where a place can only be changed entry by entry.
    """

    exit_code = ExitCode.GATE_REFUSED
    runbook = "route-conflict"

    def __init__(self, place: str, conflicts: tuple[Conflict, ...], so_far: str = "nothing was written") -> None:
        lines = listing([str(conflict) for conflict in conflicts], LISTED)
        super().__init__(
            f"{place}: {len(conflicts)} entries were changed by somebody else; {so_far}:{lines}",
            remedy="Find out who changed them and why, put the expected or the wanted values there, then run again.",
        )
        self.conflicts, self.so_far = conflicts, so_far


class Routing(Protocol):
    """One place that decides where mail goes. Each verb may be repeated; none trusts memory over the real state."""

    @property
    def name(self) -> Ingress: ...

    @property
    def freeze_value(self) -> Nexthop | None:
        """The value that makes mail for an address wait in the queue; None where this place cannot."""

    @property
    def carries_mail(self) -> bool:
        """Whether mail is routed by this place; False where only people's mail programs are."""

    def read(self, addresses: Collection[Address]) -> Mapping[Address, Nexthop | None]:
        """What this place says now for each of `addresses`; None: no entry of its own."""

    def plan(self, wanted: Mapping[Address, Nexthop | None]) -> Flips:
        """The changes from what is there now to `wanted`, in the order of `wanted`; entries already so are left out."""

    def apply(self, flips: Flips) -> Applied:
        """Make all the changes and read them back; an entry may be as expected or already as wanted.

        RouteConflict when any entry is something else: nothing at all is written then. May be called again after a
        crash at any moment, also with no changes: it finishes what was half done and makes the place take notice.
        """

    def revert(self, flips: Flips) -> Applied:
        """The same as `apply`, sides exchanged."""

    def diff(self, flips: Flips) -> str:
        """What `apply` would change, as a unified diff; writes nothing. Refuses what `apply` would refuse."""

    def check(self) -> list[Finding]:
        """What is wrong or surprising here, found without writing; empty when all is well."""

    def queue(self, addresses: Collection[Address]) -> Queue | None:
        """The mail that waits here for `addresses`; None where that cannot be asked."""

    def flush(self, addresses: Collection[Address]) -> None:
        """Have deferred mail tried again now; other mail that waits here may be tried too."""

    def backup(self) -> Path:
        """Keep a copy of the present state; returns its path."""


@runtime_checkable
class Prepared(Protocol):
    """A place whose old answers live on elsewhere (DNS caches), and that can make that time short beforehand.

    Both verbs may be repeated at any time, and are no flips: no route changes.
    """

    def prepare(self, addresses: Collection[Address]) -> datetime:
        """Make the time short; when all old answers are gone (aware, UTC; in the past: a flip may go ahead)."""

    def finish(self, addresses: Collection[Address]) -> None:
        """Put the time back to what it was before the first `prepare`."""


@runtime_checkable
class Attended(Protocol):
    """A place that only a person can look into and change: what it says is what somebody said of it."""

    def evidence(self, addresses: Collection[Address]) -> Mapping[Address, str]:
        """For each of `addresses`: who said so, and when."""

    def heeding(self, stop: StopSignal) -> Routing:
        """The same place, where `stop` ends the waiting for a person."""

    def unattended(self) -> Routing:
        """The same place, which waits for nobody: what needs a person fails at once."""


def applied(flips: Flips, changed: Collection[Address]) -> Applied:
    """What is to be told of `flips` when those of `changed` (a set, where there may be thousands) had to be made."""
    made = tuple(flip.address for flip in flips.changes if flip.address in changed)
    return Applied(made, tuple(flip.address for flip in flips.changes if flip.address not in changed))


def shown(value: str | None) -> str:
    """A routing value for people: quoted and neutralised, or "(no entry)"."""
    return "(no entry)" if value is None else f'"{neutral(value)}"'
