"""The verdict on canaries: what was seen becomes proven, misrouted or unproven. Pure: the clock comes in as a value."""

from dataclasses import dataclass, replace
from datetime import datetime

from migrator.model.canary import Canary, CanaryState
from migrator.model.names import FolderName
from migrator.model.tally import IngressTally, tally, was_sent

_OPEN = frozenset({CanaryState.INTENDED, CanaryState.SENT})


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a canary lies: the folder, its UIDVALIDITY and the UID."""

    folder: FolderName
    uidvalidity: int
    uid: int


@dataclass(frozen=True, slots=True)
class Sighting:
    """What one look into a mailbox on one server saw of one canary.

    `at` is when the look began, in seconds of a clock that never goes back. No places means: looked everywhere, absent.
    """

    at: float
    places: tuple[Place, ...] = ()


@dataclass(frozen=True, slots=True)
class Observation:
    """What is known of one canary. A side that could not be looked at is None, and `trouble` says why."""

    expected: Sighting | None = None
    other: Sighting | None = None
    trouble: str = ""


def is_open(canary: Canary) -> bool:
    """Whether there is no verdict on it yet."""
    return canary.state in _OPEN


def judge(canary: Canary, seen: Observation, now: datetime, deadline: datetime) -> Canary:
    """`canary` with the verdict that `seen` allows at `now`; the same state where there is none yet.

    On the wrong server is misrouted, whatever was thought before. Proven takes both: found where expected, and absent
    on the other server in a look that began no earlier. At the deadline all the rest is unproven.
    """
    if seen.other is not None and seen.other.places:
        return _misrouted(canary, seen.other)
    if not is_open(canary):
        return canary
    if _is_proof(seen):
        assert seen.expected is not None
        return replace(canary, state=CanaryState.PROVEN, detail=_where(seen.expected))
    if now >= deadline:
        return replace(canary, state=CanaryState.UNPROVEN, detail=_why_unproven(canary, seen))
    return canary


def confirm(canary: Canary, seen: Observation) -> Canary:
    """`canary` after the last look of all: a proven one stays so only when the other server was looked at once more."""
    if canary.state is CanaryState.PROVEN and seen.other is None:
        words = _with(f"found on {canary.expected}, but absence on {canary.absent_on} was not confirmed", seen.trouble)
        return replace(canary, state=CanaryState.UNPROVEN, detail=words)
    if seen.other is not None and seen.other.places:
        return _misrouted(canary, seen.other)
    return canary


def _misrouted(canary: Canary, other: Sighting) -> Canary:
    return replace(canary, state=CanaryState.MISROUTED, detail=f"arrived on {canary.absent_on}: {_where(other)}")


def _is_proof(seen: Observation) -> bool:
    found, other = seen.expected, seen.other
    return found is not None and bool(found.places) and other is not None and other.at >= found.at


def _why_unproven(canary: Canary, seen: Observation) -> str:
    if seen.expected is not None and seen.expected.places:
        return _with(f"found on {canary.expected}, but absence on {canary.absent_on} was not seen", seen.trouble)
    if canary.state is CanaryState.INTENDED:
        return _with(f"{canary.ingress} did not accept it before the deadline", canary.detail)
    return _with(f"accepted by {canary.ingress}, not found on {canary.expected} before the deadline", seen.trouble)


def _with(text: str, words: str) -> str:
    return f"{text}: {words}" if words else text


def _where(sighting: Sighting) -> str:
    return ", ".join(f"{place.folder} UID {place.uid}" for place in sighting.places)


@dataclass(frozen=True, slots=True)
class Proof:
    """The canaries of one proof with their verdicts. `removed` counts messages taken away again.

    `notes` names what was left lying or could not be looked at, a line each.
    """

    canaries: tuple[Canary, ...]
    removed: int = 0
    notes: tuple[str, ...] = ()

    @property
    def sent(self) -> int:
        """Canaries that an ingress accepted."""
        return sum(map(was_sent, self.canaries))

    @property
    def found(self) -> int:
        """Canaries that were on the expected server and absent on the other."""
        return self._count(CanaryState.PROVEN)

    @property
    def misrouted(self) -> int:
        return self._count(CanaryState.MISROUTED)

    @property
    def refused(self) -> int:
        return self._count(CanaryState.REFUSED)

    @property
    def unproven(self) -> int:
        """Canaries without evidence: the deadline passed, or there is no verdict yet."""
        return len(self.canaries) - self.found - self.misrouted - self.refused

    @property
    def proven(self) -> bool:
        """Whether every canary is proven, and there was one."""
        return bool(self.canaries) and self.found == len(self.canaries)

    @property
    def by_ingress(self) -> tuple[IngressTally, ...]:
        return tally(self.canaries)

    def _count(self, state: CanaryState) -> int:
        return sum(canary.state is state for canary in self.canaries)
