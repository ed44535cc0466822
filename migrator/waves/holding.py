"""A cutover that waits: for its time, for the operator's word, for old answers to be gone. Passes go on meanwhile."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from time import sleep

from migrator.model.errors import GateRefused, MigratorError, Stopped
from migrator.model.names import Ingress, WaveName
from migrator.model.wave import OUTSIDE_CUTOVER, PassKind
from migrator.state import Store
from migrator.state.records import Actor, Hold
from migrator.waves.operation import Operation
from migrator.waves.passes import one_round
from migrator.waves.readiness import prepare_places

POLL = 0.5  # seconds between two looks at what holds the wave
TOLD_EVERY = timedelta(minutes=15)


def postpone(store: Store, wave: WaveName, actor: Actor) -> Hold:
    """Hold the wave's cutover until `release`; GateRefused once it has begun."""
    return _put(store, wave, Hold(store.holds.get(wave).not_before, postponed=True), actor)


def release(store: Store, wave: WaveName, actor: Actor) -> Hold:
    """Let the cutover go ahead, now or when its time comes; it can be postponed again until it begins."""
    return _put(store, wave, Hold(store.holds.get(wave).not_before, postponed=False), actor)


def schedule(store: Store, wave: WaveName, not_before: datetime | None, actor: Actor) -> Hold:
    """Set the time before which the cutover does not begin; None: no such time."""
    return _put(store, wave, Hold(not_before, store.holds.get(wave).postponed), actor)


def _put(store: Store, wave: WaveName, hold: Hold, actor: Actor) -> Hold:
    record = store.waves.get(wave)
    if record is not None and record.state not in OUTSIDE_CUTOVER:
        raise GateRefused(
            f"wave {wave} is {record.state}: its cutover has begun and cannot be held any more",
            remedy=f"`migrator wave rollback {wave}` takes it back.",
        )
    store.holds.put(wave, hold, actor)
    return hold


def wait_until_released(op: Operation) -> None:
    """Keep the wave in step until nothing holds its cutover. A pass that fails is told of, and tried again."""
    told, told_at, passed, due = "", datetime.min.replace(tzinfo=UTC), datetime.now(UTC), prepare_places(op)
    while why := "; ".join((*_by_hand(op), *_by_caches(op, due))):
        now = datetime.now(UTC)
        if why != told or now - told_at > TOLD_EVERY:
            op.progress.note(f"{op.wave.name}: the cutover waits: {why}")
            told, told_at = why, now
        if now - passed >= op.workspace.config.cutover.waiting_pass:
            _keep_in_step(op)
            passed, due = datetime.now(UTC), prepare_places(op)
        if op.stop.draining():
            raise Stopped(f"stopped: the cutover of wave {op.wave.name} waited ({why})", remedy=_RESUME)
        sleep(POLL)


_RESUME = "Run the same command again: it goes on waiting."


def is_held(op: Operation) -> bool:
    """Whether the operator's word, or a time, holds the cutover now."""
    return any(_by_hand(op))


def _by_hand(op: Operation) -> Iterator[str]:
    hold, now = op.store.holds.get(op.wave.name), datetime.now(UTC)
    if hold.postponed:
        yield f"postponed; `migrator wave cutover {op.wave.name} --go` releases it"
    if hold.not_before is not None and hold.not_before > now:
        yield f"for {_local(op, hold.not_before)}"


def _by_caches(op: Operation, due: Mapping[Ingress, datetime]) -> Iterator[str]:
    for place, when in due.items():
        if when > datetime.now(UTC):
            yield f"until {_local(op, when)}, when old answers of {place} are gone"


def _local(op: Operation, at: datetime) -> str:
    return f"{at.astimezone(op.workspace.config.windows.zone):%Y-%m-%d %H:%M:%S %Z}"


def _keep_in_step(op: Operation) -> None:
    try:
        one_round(op, PassKind.DELTA)
    except Stopped:
        raise
    except MigratorError as error:
        op.progress.note(f"{op.wave.name}: a pass failed while the cutover waits: {error.in_full}")
