"""A cutover that waits: for its time, for the operator's word, for old answers to be gone. Passes go on meanwhile."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from time import sleep

from migrator.model.errors import GateRefused, MigratorError, Stopped
from migrator.model.names import Ingress, WaveName
from migrator.model.wave import PassKind
from migrator.state import Store
from migrator.state.records import Actor, Hold
from migrator.waves.operation import Operation
from migrator.waves.passes import one_round
from migrator.waves.readiness import prepare_places

POLL = 0.5  # seconds between two looks at what holds the wave
TOLD_EVERY = timedelta(minutes=15)


def postpone(store: Store, wave: WaveName, actor: Actor) -> Hold:
    """Hold the wave's cutover until `release`; GateRefused once it has begun."""
    return _hold(store, wave, lambda hold: replace(hold, postponed=True), actor)


def release(store: Store, wave: WaveName, actor: Actor) -> Hold:
    """Let the cutover go ahead now, whatever time it waited for; it can be postponed again until it begins.

    Of one that has begun nothing is changed: no hold is left.
    """
    return store.holds.change(wave, lambda hold: Hold(), actor) or Hold()


def schedule(store: Store, wave: WaveName, not_before: datetime | None, actor: Actor) -> Hold:
    """Set the time before which the cutover does not begin; None: no such time. GateRefused once it has begun."""
    return _hold(store, wave, lambda hold: replace(hold, not_before=not_before), actor)


def _hold(store: Store, wave: WaveName, change: Callable[[Hold], Hold], actor: Actor) -> Hold:
    held = store.holds.change(wave, change, actor)
    if held is None:
        raise GateRefused(
            f"wave {wave}: its cutover has begun and cannot be held any more",
            remedy=f"`migrator wave status {wave}` says how far it is, `migrator wave rollback {wave}` takes it back.",
        )
    return held


def wait_until_released(op: Operation) -> None:
    """Keep the wave in step until nothing holds its cutover.

    What fails meanwhile is told of, and tried again; also once more at the end, when a pass that fails does raise.
    """
    told, told_at, passed, in_step = "", datetime.min.replace(tzinfo=UTC), datetime.now(UTC), True
    due: Mapping[Ingress, datetime] = _due(op, {})
    while why := "; ".join((*_by_hand(op), *_by_caches(op, due))):
        now = datetime.now(UTC)
        if why != told or now - told_at > TOLD_EVERY:
            op.progress.note(f"{op.wave.name}: the cutover waits: {why}")
            told, told_at = why, now
        if now - passed >= op.workspace.config.cutover.waiting_pass:
            in_step = _keep_in_step(op)
            passed, due = datetime.now(UTC), _due(op, due)
        if op.stop.draining():
            raise Stopped(f"stopped: the cutover of wave {op.wave.name} waited ({why})", remedy=_RESUME)
        sleep(POLL)
    if not in_step:
        one_round(op, PassKind.DELTA)


_RESUME = "Run the same command again: it goes on waiting."


def _by_hand(op: Operation) -> Iterator[str]:
    hold, go = op.store.holds.get(op.wave.name), f"`migrator wave cutover {op.wave.name} --go`"
    if hold.postponed:
        yield f"postponed; {go} releases it"
    if hold.not_before is not None and hold.not_before > datetime.now(UTC):
        yield f"for {_local(op, hold.not_before)}; {go} waits no longer"


def _by_caches(op: Operation, due: Mapping[Ingress, datetime]) -> Iterator[str]:
    for place, when in due.items():
        if when > datetime.now(UTC):
            yield f"until {_local(op, when)}, when old answers of {place} are gone"


def _local(op: Operation, at: datetime) -> str:
    return f"{at.astimezone(op.workspace.config.windows.zone):%Y-%m-%d %H:%M:%S %Z}"


def _keep_in_step(op: Operation) -> bool:
    """Whether the pass went well."""
    try:
        one_round(op, PassKind.DELTA)
    except Stopped:
        raise
    except MigratorError as error:
        op.progress.note(f"{op.wave.name}: a pass failed while the cutover waits: {error.in_full}")
        return False
    return True


def _due(op: Operation, known: Mapping[Ingress, datetime]) -> Mapping[Ingress, datetime]:
    """When old answers are gone; `known` where that cannot be asked just now: the gate "ttl" asks in the end."""
    try:
        return prepare_places(op)
    except MigratorError as error:
        op.progress.note(f"{op.wave.name}: times to live cannot be lowered: {error.in_full}")
        return known
