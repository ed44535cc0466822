"""The cutover: freeze, drain, final pass, flip, release, prove, catch up. Each step may be entered again."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import monotonic, sleep

from migrator.model.errors import MigratorError, Refused, Stopped
from migrator.model.notice import ALARM
from migrator.model.progress import StopSignal
from migrator.model.route import Queue
from migrator.model.wave import PassKind, WaveEvent
from migrator.routing import RouteConflict
from migrator.waves.flips import foreign_entries, frozen, originals, restore, set_routes, to_server
from migrator.waves.gates import refuse_unsound
from migrator.waves.lifecycle import GOING_BACK
from migrator.waves.operation import Operation
from migrator.waves.passes import catch_up_until_quiet, one_round
from migrator.waves.places import Place
from migrator.waves.proof import prove_delivery, refuse_unproven, tidy_late

POLL = 0.25  # seconds between two looks at a queue
SETTLED = timedelta(minutes=2)  # what is under way by an old route has arrived, where nothing remembers that route


class FreezeExpired(Refused):
    """The freeze reached its deadline before the routes could be flipped: no mail is left waiting (I8)."""

    runbook = "freeze-expired"


def freeze(op: Operation) -> WaveEvent:
    """Hold the wave's mail back wherever that is possible; elsewhere it goes on to the source, and is caught up."""
    refuse_expired(op)
    op.post_guard()
    for place in op.places:
        held = frozen(op, place)
        if held is None and place.routing.carries_mail:
            op.progress.note(f"{place.name} cannot hold mail back: late mail will be carried over")
        elif held is not None:
            set_routes(op, place, "freeze", held)
    return WaveEvent.DONE


def drain(op: Operation) -> WaveEvent:
    """Wait until nothing that was routed before the freeze is still being delivered to the source; not beyond the
    freeze's deadline (I8)."""
    before_deadline(op, wait_for_queues)
    return WaveEvent.DONE


def final_pass(op: Operation) -> WaveEvent:
    """Carry over what arrived since the last delta; the source receives nothing more.

    What failed in it, and a hand edit of the routes, are looked for here: the last moment when there is only the freeze
    to take back.
    """
    before_deadline(op, lambda limited: one_round(limited, PassKind.FINAL))
    refuse_unsound(op)
    refuse_expired(op)
    for place in op.places:
        if foreign := foreign_entries(op, place, to_server(op, place)):
            raise RouteConflict(place.name, foreign)
    return WaveEvent.DONE


def flip(op: Operation) -> WaveEvent:
    """Point every place to the target. The first that refuses stops the flip: the run then takes the wave back."""
    for place in op.places:
        set_routes(op, place, "flip", to_server(op, place))
    return WaveEvent.DONE


def release(op: Operation) -> WaveEvent:
    """Let the held mail go to the target, and wait for what left by the old route."""
    flush(op)
    wait_for_queues(op)
    return WaveEvent.DONE


def verify(op: Operation) -> WaveEvent:
    """Prove by canaries that delivery goes to the target, and only there."""
    refuse_unproven(op, prove_delivery(op, since=op.record().since))
    return WaveEvent.DONE


def carry_late_mail(op: Operation) -> WaveEvent:
    """Staged passes for `cutover.hypercare`, and until the source has been quiet for `cutover.catch_up_quiet`."""
    until = op.record().since + op.workspace.config.cutover.hypercare
    carried = catch_up_until_quiet(op, PassKind.CATCH_UP, until, lambda late: tell_if_late(op, late))
    op.progress.note(f"catch-up: {carried} late messages carried, {tidy_late(op)} late canaries removed")
    return WaveEvent.DONE


def tell_if_late(op: Operation, carried: int) -> None:
    """Raise the alarm when mail still reaches the source though no old route can be in force any more."""
    lingers = max((place.entry.lingers for place in op.places), default=timedelta(0))
    settled = op.record().since + max(op.workspace.config.cutover.drain_timeout, SETTLED) + lingers
    if carried and datetime.now(UTC) > settled:
        alarm(op, f"the source still receives: {carried} messages came there long after the flip")


def alarm(op: Operation, text: str) -> None:
    """Say what an operator must look at, though the wave goes on; the audit log has it, and `notify:` sends it."""
    op.progress.note(f"ALARM: {op.wave.name}: {text}")
    op.store.audit.record(op.actor, "alarm", wave=op.wave.name, detail={"text": text})
    state = op.record().state
    op.tell(ALARM, state, state, error=text)


def thaw(op: Operation) -> WaveEvent:
    """Take the freeze back: every place as it was found, and the held mail goes to the source.

    What somebody else has changed stays as it is: the gate "routes" names it before the next cutover.
    """
    try:
        restore(op, "thaw", originals, op.places)
    finally:
        flush(op)
    return WaveEvent.DONE


def flush(op: Operation) -> None:
    """Have every place try again what it held. A flush that fails only delays mail: its own retries follow."""
    for place in op.places:
        try:
            place.routing.flush(place.serves(op.addresses))
        except MigratorError as error:
            op.progress.note(f"{place.name}: flush failed, mail follows at the next queue run: {error}")


def wait_for_queues(op: Operation) -> None:
    """Wait until no place is delivering mail of the wave, or `cutover.drain_timeout`; what is later is caught up.

    Never for longer than a freeze may last: other mail may be held back meanwhile (I8).
    """
    patience = min(op.workspace.config.cutover.drain_timeout, op.workspace.config.cutover.freeze_deadline)
    until = monotonic() + patience.total_seconds()
    busy = [place for place in op.places if _active(op, place)]
    while busy and monotonic() < until:
        op.checkpoint()
        sleep(POLL)
        busy = [place for place in busy if _active(op, place)]
    for place in busy:
        op.progress.note(f"{place.name}: still delivering after {patience}; going on")


@dataclass(frozen=True, slots=True)
class _UntilDeadline:
    """The operator's signal to stop, which the freeze's deadline gives too."""

    wish: StopSignal
    deadline: datetime | None

    def draining(self) -> bool:
        return self.wish.draining() or self._over()

    def now(self) -> bool:
        return self.wish.now() or self._over()

    def _over(self) -> bool:
        return self.deadline is not None and datetime.now(UTC) >= self.deadline


def before_deadline(op: Operation, work: Callable[[Operation], object]) -> None:
    """Do `work` while mail is held back. FreezeExpired when the deadline comes first; the work stops as for Ctrl-C."""
    refuse_expired(op)
    try:
        work(op.heeding(_UntilDeadline(op.stop, op.record().deadline)))
    except Stopped:  # by whom?
        op.refuse_stale()  # who slept beyond the deadline was replaced, and the deadline is gone
        refuse_expired(op)
        raise


def refuse_expired(op: Operation) -> None:
    """FreezeExpired when the deadline of the wave's freeze has come."""
    record = op.record()
    if record.deadline is None or datetime.now(UTC) < record.deadline:
        return
    goes, verb = ("on to the new", "rollback") if record.state in GOING_BACK else ("to the old", "run")
    raise FreezeExpired(
        f"wave {op.wave.name}: the freeze reached its deadline at {record.deadline:%H:%M:%S} UTC before the flip",
        remedy=f"Mail goes {goes} server again. Find what took long, then `migrator wave {verb} {op.wave.name}`.",
    )


def _active(op: Operation, place: Place) -> int:
    queue: Queue | None = place.routing.queue(place.serves(op.addresses))
    return queue.active if queue else 0
