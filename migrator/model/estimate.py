"""How long what is left will take, judged by how long the like of it has taken. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from statistics import quantiles

# A message costs the servers as much as so many octets more (20,000 of 4 kB take as long as 3,000 of 100 kB: measured).
MESSAGE = 16 * 1024
ENOUGH = 8  # stretches whose spread tells how far off a guess may be
SPREAD = 1.5  # how far off it may be, as a factor, while there are fewer
LEAST = 1.1  # and at the very least: servers are never as even as a short look at them


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of copying that was measured."""

    seconds: float
    octets: int
    messages: int

    @property
    def work(self) -> int:
        return work(self.octets, self.messages)


@dataclass(frozen=True, slots=True)
class Estimate:
    """How long it will take: likely so long, and nine times in ten between `low` and `high`."""

    likely: timedelta
    low: timedelta
    high: timedelta


def work(octets: int, messages: int) -> int:
    """What copying these costs, in octets: small messages cost more than their octets."""
    return max(0, octets) + MESSAGE * max(0, messages)


def estimate(left: int, measured: Sequence[Stretch]) -> Estimate | None:
    """How long `left` (of `work`) will take. None when nothing was measured; nothing left takes no time.

    The likely speed is that of all stretches together; the bounds are the speeds that one stretch in ten was below,
    and one in ten above.
    """
    if left <= 0:
        return Estimate(timedelta(0), timedelta(0), timedelta(0))
    useful = [one for one in measured if one.seconds > 0 and one.work > 0]
    if not useful:
        return None
    speed = sum(one.work for one in useful) / sum(one.seconds for one in useful)
    slow, fast = speed / SPREAD, speed * SPREAD
    if len(useful) >= ENOUGH:
        tenths = quantiles((one.work / one.seconds for one in useful), n=10, method="inclusive")
        slow, fast = min(tenths[0], speed / LEAST), max(tenths[-1], speed * LEAST)
    return Estimate(_time(left, speed), _time(left, fast), _time(left, slow))


def _time(left: int, speed: float) -> timedelta:
    return timedelta(seconds=min(left / speed, 1e9))  # 30 years: beyond, it is all the same
