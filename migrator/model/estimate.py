"""How long what is left will take, judged by how long the like of it has taken. Pure."""

from collections.abc import Iterable, Sequence
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


@dataclass(frozen=True, slots=True)
class Left:
    """What is left to copy, as `work`; `guessed` mailboxes are not begun, and count as the average one."""

    work: int
    guessed: int = 0


def left_over(begun: Iterable[int], not_begun: int, sizes: Sequence[int]) -> Left | None:
    """What is left: of each mailbox at work so much, and of `not_begun` others the average of `sizes` (of `work`).

    None where mailboxes are not begun, and no size is known.
    """
    sure = sum(max(0, one) for one in begun)
    if not not_begun:
        return Left(sure)
    if not sizes:
        return None
    return Left(sure + round(not_begun * sum(sizes) / len(sizes)), not_begun)


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


def words(found: Estimate | None, guessed: int = 0) -> str:
    """For people: "about 2 h 10 min, between 1 h 50 min and 2 h 40 min"."""
    if found is None:
        return "not known yet"
    if not found.high:
        return "nothing left that is known"
    text = f"about {_span(found.likely)}, between {_span(found.low)} and {_span(found.high)}"
    many = "1 mailbox is" if guessed == 1 else f"{guessed:,} mailboxes are"
    return text + (f" ({many} not begun, and counted as the average one)" if guessed else "")


def _span(time: timedelta) -> str:
    seconds = round(time.total_seconds())
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds} s"
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{hours // 24} d {hours % 24} h" if hours % 24 else f"{hours // 24} d"


def _time(left: int, speed: float) -> timedelta:
    return timedelta(seconds=min(left / speed, 1e9))  # 30 years: beyond, it is all the same
