"""What a mailbox's run does at this moment, told as true only while that run lives."""

from dataclasses import dataclass
from datetime import datetime

from migrator.model.doing import Doing, HeldBy
from migrator.model.estimate import Estimate, Stretch, estimate
from migrator.reports.forecast import left_of
from migrator.state.records import Lease


@dataclass(frozen=True, slots=True)
class Activity:
    """`octets_per_second` is of this pass so far; `left` how long what it has found will take (None: not known yet)."""

    doing: Doing
    octets_per_second: float
    left: Estimate | None

    @property
    def held(self) -> bool:
        """Whether it waits for something."""
        return self.doing.hold.by is not HeldBy.NOTHING


def activity(doing: Doing | None, holder: Lease | None, now: datetime) -> Activity | None:
    """None for what a run wrote that is over; `holder` is who works on the wave now."""
    if doing is None or holder is None or doing.since < holder.since:
        return None
    seconds = (now - doing.started).total_seconds() if doing.started else 0.0
    so_far = Stretch(max(0.0, seconds), doing.octets, doing.messages)
    left = estimate(left_of(doing), [so_far]) if doing.messages else None
    return Activity(doing, doing.octets / seconds if seconds > 0 else 0.0, left)
