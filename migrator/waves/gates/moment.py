"""Gates that look at the moment: the window, the lease, and the waves before this one."""

from datetime import UTC, datetime

from migrator.model.errors import Locked
from migrator.model.wave import OUTSIDE_CUTOVER, WaveState
from migrator.state.errors import LeaseLost
from migrator.state.parts import whole
from migrator.waves.gates.result import Seen, listed
from migrator.waves.operation import Operation

SETTLED = OUTSIDE_CUTOVER | {WaveState.COMPLETED}


def window_is_open(op: Operation) -> Seen:
    window, now = op.wave.window, datetime.now(UTC)
    if window is None:
        return Seen(True, "the wave has no window")
    inside = window.start <= now < window.end
    local = now.astimezone(window.start.tzinfo)
    text = f"{window.start.isoformat()} to {window.end.isoformat()}, now {local:%Y-%m-%d %H:%M}"
    return Seen(inside, text, f"Wait for the window, or change it in waves/{whole(op.wave.name)}.yaml.")


def lease_is_held(op: Operation) -> Seen:
    """No other runner is at work on this wave."""
    try:
        op.refuse_stale()
    except (LeaseLost, Locked) as error:
        return Seen(False, str(error), error.remedy)
    return Seen(True, f"held by this run, fence {op.lease.fence}")


def other_waves_are_quiet(op: Operation) -> Seen:
    """No other wave is in the middle of its cutover, its way back, or its hypercare."""
    busy = [
        f"{record.name} is {record.state} since {record.since:%Y-%m-%d %H:%M} UTC"
        for record in op.store.waves.all()
        if record.name != op.wave.name and record.state not in SETTLED
    ]
    return Seen(
        not busy,
        listed("other waves are not settled", busy),
        "Wait until they are completed or rolled back: `migrator wave list`.",
    )
