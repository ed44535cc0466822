"""Driving a wave: the step of each state, and the loop that takes it to where the operator wants it."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from migrator.delivery import Proof
from migrator.model.errors import GateRefused, MigratorError, Refused, Stopped
from migrator.model.notice import STOPPED
from migrator.model.wave import FROZEN, MAY_HOLD, MOVED, RETURNED, SHORT, PassKind, WaveEvent, WaveState
from migrator.state.errors import LeaseLost, WaveHeld, WaveMoved
from migrator.waves import cutover, rollback
from migrator.waves.decisions import refuse_taken
from migrator.waves.flips import where_routes_stand
from migrator.waves.gates import refuse_closed, refuse_too_late, refuse_unsound
from migrator.waves.holding import wait_until_released
from migrator.waves.lifecycle import GOING_BACK, ON_TARGET, TERMINAL, TRANSITIONS
from migrator.waves.operation import Operation, Unstoppable
from migrator.waves.passes import catch_up, one_round, until_in_step
from migrator.waves.proof import prove_delivery, prove_return, refuse_unproven, tidy_late
from migrator.waves.provisioning import provision
from migrator.waves.readiness import finish_places, prepare_places

AHEAD = timedelta(days=1)  # of the window: times to live are lowered from then on
Step = Callable[[Operation], WaveEvent]
Approve = Callable[[str], None]  # asks the operator; raises where the answer is no


def run(op: Operation, approve: Approve, until: WaveState = WaveState.COMPLETED) -> None:
    """Take the wave to `until` (Synced or Completed), from wherever it is. Running it again resumes.

    A wave that was in step earlier is brought in step again before its gates are looked at; a completed one has late
    mail carried over, and stays completed. Raises what stopped it; the wave stays in its state. GateRefused, and
    nothing is done, for a wave on its way back, for one in its cutover that was to stop at Synced, and for one of whose
    mailboxes another wave has already moved.
    """
    state = op.record().state
    _refuse_misuse(op, state, until)
    if state in MAY_HOLD:
        op.post_guard()  # that of the run which died may have died with it
    if state is WaveState.COMPLETED:
        carried = catch_up(op, PassKind.CATCH_UP)
        cutover.tell_if_late(op, carried)
        op.progress.note(f"{op.wave.name} is completed: {carried} late messages carried, {tidy_late(op)} late canaries")
        return finish_places(op)
    if state in (WaveState.SYNCED, WaveState.CUTOVER_READY):
        op.advance(state, WaveEvent.LAG, "mail may have arrived since")
    _drive(op, {**FORWARD, WaveState.CUTOVER_READY: lambda o: _ask(o, approve)}, until)
    if until is WaveState.COMPLETED:
        finish_places(op)


def _refuse_misuse(op: Operation, state: WaveState, until: WaveState) -> None:
    if state in GOING_BACK:
        raise GateRefused(
            f"wave {op.wave.name} is being rolled back ({state})",
            remedy=f"Finish that first: `migrator wave rollback {op.wave.name}`.",
        )
    if until is WaveState.SYNCED and state in FROZEN | ON_TARGET - TERMINAL:
        raise GateRefused(
            f"wave {op.wave.name} is {state}: its cutover has begun, and it cannot stop at {until}",
            remedy=f"`migrator wave run {op.wave.name}` goes on, `migrator wave rollback {op.wave.name}` undoes it.",
        )
    refuse_taken(op.store, op.wave)


def cut_over(op: Operation, approve: Approve) -> None:
    """The same as `run`, for a wave that has been in step before; GateRefused for one that has not."""
    refuse_unready(op)
    run(op, approve)


def refuse_unready(op: Operation) -> None:
    """GateRefused for a wave that has not been in step yet."""
    state = op.record().state
    if state in (WaveState.PLANNED, WaveState.SYNCING, WaveState.ROLLED_BACK):
        raise GateRefused(
            f"wave {op.wave.name} is {state}: it is not in step yet",
            remedy=f"First `migrator wave run {op.wave.name} --until synced`.",
        )


def prove_again(op: Operation) -> Proof:
    """A fresh proof of delivery for a wave that is cut over, or rolled back; changes nothing of the wave.

    GateRefused in any other state; DeliveryUnproven when a canary fails.
    """
    state = op.record().state
    if state in MOVED:
        proof = prove_delivery(op, since=datetime.now(UTC))
    elif state in RETURNED:
        proof = prove_return(op, since=datetime.now(UTC))
    else:
        raise GateRefused(
            f"wave {op.wave.name} is {state}: there is no delivery to prove yet",
            remedy=f"`migrator wave check {op.wave.name}` looks at the gates before the cutover.",
        )
    refuse_unproven(op, proof)
    return proof


def roll_back(op: Operation) -> None:
    """Take the wave back to its source; running it again resumes. Before the first flip, only the freeze is taken back.

    GateRefused for a wave that has not come so far; what was made ready for its flip is put back as it was.
    """
    state = op.record().state
    if state is WaveState.ROLLED_BACK:
        return finish_places(op)
    if state in MAY_HOLD:
        op.post_guard()
    if state in FROZEN:
        op.advance(state, WaveEvent.ABORT, "rollback asked for, and no route points to the target yet")
    if state in FROZEN or state is WaveState.THAWING:
        _drive(op, {WaveState.THAWING: cutover.thaw}, WaveState.SYNCED)
        return finish_places(op)
    if state not in GOING_BACK:
        if (state, WaveEvent.ROLLBACK) not in TRANSITIONS:
            finish_places(op)  # all that a wave which is given up may have changed
            raise GateRefused(
                f"wave {op.wave.name} is {state}: nothing of it was cut over, so there is nothing to roll back",
                remedy="Nothing to do. Its mailboxes are still served by the source.",
            )
        op.advance(state, WaveEvent.ROLLBACK, "rollback asked for")
    _drive(op, BACK, WaveState.ROLLED_BACK)
    finish_places(op)


def _drive(op: Operation, steps: Mapping[WaveState, Step], until: WaveState) -> None:
    state = op.record().state
    while state is not until:
        try:
            _heed(op, state)
            state = op.advance(state, steps[state](op), "done")
        except WaveHeld as held:  # between the last look and the beginning
            state = op.advance(state, WaveEvent.LAG, str(held))
        except (LeaseLost, WaveMoved):
            raise  # another runner has the wave now: whatever is to be made safe is for that one to do
        except Exception as error:  # a fault of this program leaves no mail waiting either
            _give_up(op, op.record().state, error)
            raise
    op.store.waves.set_error(op.wave.name, "")


def _heed(op: Operation, state: WaveState) -> None:
    """Stop here if the operator wishes: before the first flip at the first Ctrl-C, later at the second."""
    if state in FROZEN and op.stop.draining():
        raise Stopped(f"stopped: wave {op.wave.name} was {state}", remedy="Run the same command again.")
    if state not in SHORT:
        op.checkpoint()


def _give_up(op: Operation, state: WaveState, error: Exception) -> None:
    """Make safe what can be, and keep for `wave status` what stopped the run, also when that fails too."""
    try:
        _make_safe(op.heeding(Unstoppable()), state, error)
    except (LeaseLost, WaveMoved):
        raise
    except MigratorError as worse:
        _stopped(op, state, error, worse, now=_as_it_stands(op))
        raise
    _stopped(op, state, error, now=_as_it_stands(op) if state is WaveState.FLIPPING_BACK else "")


def _as_it_stands(op: Operation) -> str:
    now = f"Not all could be put back. What every place says now:\n{where_routes_stand(op)}"
    op.progress.note(f"{op.wave.name}: {now}")
    return now


def _stopped(op: Operation, was: WaveState, *errors: Exception, now: str = "") -> None:
    """Tell and keep what stopped the run; told first, since the state may be what fails."""
    try:
        state = op.record().state
    except MigratorError:
        state = was
    told = "\n".join(filter(None, [" Then: ".join(map(str, errors)), now]))
    remedy = errors[-1].remedy if isinstance(errors[-1], MigratorError) else ""
    op.tell(STOPPED, was, state, error=told, remedy=remedy)
    op.store.waves.set_error(op.wave.name, " ".join(filter(None, [" Then: ".join(map(_words, errors)), now])))


def _words(error: Exception) -> str:
    return error.in_full if isinstance(error, MigratorError) else f"{error}. See the log; running again is safe."


def _make_safe(op: Operation, state: WaveState, error: Exception) -> None:
    """A cutover or rollback that cannot go on leaves no mail waiting, and no routes half flipped, that can be helped.

    (I5, I8. In the middle of the flip back only the same command can: each place that took its flip is back already.)
    """
    if state in FROZEN:
        op.advance(state, WaveEvent.ABORT, str(error))
        _drive(op, {WaveState.THAWING: cutover.thaw}, WaveState.SYNCED)
    elif state is WaveState.FLIPPING:
        op.advance(state, WaveEvent.ROLLBACK, str(error))
        _drive(op, BACK, WaveState.ROLLED_BACK)
        finish_places(op)
    elif state in (WaveState.ROLLING_BACK, WaveState.REVERSE_PASS):
        rollback.let_go(op)
        if state is WaveState.REVERSE_PASS:
            op.advance(state, WaveEvent.ABORT, str(error))


def let_no_mail_wait(op: Operation) -> None:
    """For a wave whose run has died while mail was held back: take the freeze back, or finish the flip that has begun.

    What raises is kept for `wave status`. Needs no IMAP before a flip has begun.
    """
    safe, state = op.heeding(Unstoppable()), op.record().state
    if state not in MAY_HOLD:
        return  # another run has come to its help
    if state is WaveState.ROLLING_BACK and rollback.is_let_go(safe):
        return rollback.let_go(safe)  # by the run itself; but a reader may not have been told of it
    if state in ENDS:
        _drive(safe, {**FORWARD, **BACK}, ENDS[state])
    if state in (WaveState.FLIPPING_BACK, WaveState.RELEASING_BACK):
        return cutover.flush(safe)  # the routes are back; the rest of the way needs IMAP, and no mail waits for it
    if state in ENDS:
        return
    died = RunDied(f"the run that held the mail of wave {op.wave.name} back has died", remedy="Run it again.")
    _give_up(safe, state, died)


class RunDied(Refused):
    """A run is gone that held mail back; the guard of its freeze has let the mail go."""


def _ask(op: Operation, approve: Approve) -> WaveEvent:
    """Ask, then bring the wave in step once more: the answer may take an hour, and mail shall wait for seconds only.

    A hold that was put meanwhile is met where the cutover begins (WaveHeld).
    """
    approve(f"The gates let it pass. Cut over wave {op.wave.name} ({len(op.mailboxes)} mailboxes) now?")
    one_round(op, PassKind.DELTA)
    refuse_unsound(op)
    refuse_too_late(op)
    return WaveEvent.START


def _start(op: Operation) -> WaveEvent:
    return WaveEvent.START


def _synchronise(op: Operation) -> WaveEvent:
    provision(op, op.mailboxes)
    until_in_step(op)
    if op.wave.window is None or op.wave.window.start - datetime.now(UTC) < AHEAD:
        prepare_places(op)
    return WaveEvent.DONE


def _pass_gates(op: Operation) -> WaveEvent:
    wait_until_released(op)
    refuse_closed(op)
    return WaveEvent.DONE


FORWARD: Mapping[WaveState, Step] = {
    WaveState.PLANNED: _start,
    WaveState.ROLLED_BACK: _start,
    WaveState.SYNCING: _synchronise,
    WaveState.SYNCED: _pass_gates,
    WaveState.FREEZING: cutover.freeze,
    WaveState.DRAINING: cutover.drain,
    WaveState.FINAL_PASS: cutover.final_pass,
    WaveState.FLIPPING: cutover.flip,
    WaveState.RELEASING: cutover.release,
    WaveState.VERIFYING: cutover.verify,
    WaveState.CATCHING_UP: cutover.carry_late_mail,
    WaveState.THAWING: cutover.thaw,
}

BACK: Mapping[WaveState, Step] = {
    WaveState.ROLLING_BACK: rollback.freeze_and_drain,
    WaveState.REVERSE_PASS: rollback.reverse_pass,
    WaveState.FLIPPING_BACK: rollback.flip_back,
    WaveState.RELEASING_BACK: rollback.release_back,
    WaveState.VERIFYING_BACK: rollback.verify_back,
}

# Where the short way out of a state ends in which mail may be held back, and routes may be half flipped.
ENDS: Mapping[WaveState, WaveState] = {
    WaveState.THAWING: WaveState.SYNCED,
    WaveState.FLIPPING: WaveState.VERIFYING,
    WaveState.RELEASING: WaveState.VERIFYING,
    WaveState.FLIPPING_BACK: WaveState.RELEASING_BACK,
}
