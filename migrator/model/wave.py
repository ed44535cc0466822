"""A wave: the mailboxes that move together, and where in its life it is."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from migrator.model.names import Address, ServerName, WaveName


class WaveState(StrEnum):
    """Where a wave is. Every "-ing" state is durable and can be entered again after a crash."""

    PLANNED = "planned"
    SYNCING = "syncing"
    SYNCED = "synced"
    CUTOVER_READY = "cutover-ready"
    FREEZING = "freezing"
    DRAINING = "draining"
    FINAL_PASS = "final-pass"
    FLIPPING = "flipping"
    RELEASING = "releasing"
    VERIFYING = "verifying"
    CATCHING_UP = "catching-up"
    COMPLETED = "completed"
    THAWING = "thawing"  # the freeze is being taken back before any flip
    ROLLING_BACK = "rolling-back"  # freeze and drain, towards the old server
    REVERSE_PASS = "reverse-pass"
    FLIPPING_BACK = "flipping-back"
    RELEASING_BACK = "releasing-back"
    VERIFYING_BACK = "verifying-back"
    ROLLED_BACK = "rolled-back"


# No route of the wave is ours, and none is being changed: its mailboxes may change, and single ones be left out.
OUTSIDE_CUTOVER = frozenset(
    {WaveState.PLANNED, WaveState.SYNCING, WaveState.SYNCED, WaveState.CUTOVER_READY, WaveState.ROLLED_BACK}
)


# Mail may be held back, and the deadline of the freeze counts.
FROZEN = frozenset({WaveState.FREEZING, WaveState.DRAINING, WaveState.FINAL_PASS})
# Mail waits, and the way out is short: work is not stopped before these.
SHORT = frozenset(
    {
        *(WaveState.FLIPPING, WaveState.RELEASING, WaveState.THAWING),
        *(WaveState.FLIPPING_BACK, WaveState.RELEASING_BACK),
    }
)
# Some place may hold mail back.
MAY_HOLD = FROZEN | SHORT | {WaveState.ROLLING_BACK, WaveState.REVERSE_PASS}
# Mail has been let go to one side, and nothing of the wave's routes is under way.
MOVED = frozenset({WaveState.VERIFYING, WaveState.CATCHING_UP, WaveState.COMPLETED})
RETURNED = frozenset({WaveState.VERIFYING_BACK, WaveState.ROLLED_BACK})


class WaveEvent(StrEnum):
    """What moves a wave from one state to the next."""

    START = "start"
    DONE = "done"  # the work of this state is finished
    LAG = "lag"  # a gate or a late delta sends a wave that was ready back to syncing
    ABORT = "abort"  # the operator, or the deadline of the freeze
    ROLLBACK = "rollback"


class PassKind(StrEnum):
    """Why a mailbox is being worked on."""

    INITIAL = "initial"
    DELTA = "delta"
    FINAL = "final"
    CATCH_UP = "catch-up"
    REVERSE = "reverse"


@dataclass(frozen=True, slots=True)
class Window:
    """When a wave may be cut over; both ends aware."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Wave:
    """A wave file of waves/. `pinned` are those of its mailboxes that stay in it whatever is planned."""

    name: WaveName
    departments: tuple[str, ...]
    target: ServerName
    mailboxes: tuple[Address, ...]
    window: Window | None = None
    pinned: tuple[Address, ...] = ()
