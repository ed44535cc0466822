"""What `wave cutover` and `wave rollback` understand: times, held cutovers, gates let pass, single mailboxes."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from time import sleep
from typing import TYPE_CHECKING

import typer

from migrator.cli.confirm import confirm
from migrator.cli.context import actor, open_store, open_workspace, settings
from migrator.cli.output import emit_one
from migrator.model.errors import ExitCode, MigratorError
from migrator.model.names import Address, WaveName, address
from migrator.model.wave import OUTSIDE_CUTOVER, WaveState

if TYPE_CHECKING:
    from migrator.waves.operation import Operation
    from migrator.workspace import Workspace

log = logging.getLogger(__name__)


def skips(gates: Sequence[str] | None, reason: str | None) -> Mapping[str, str]:
    """The gates that the operator lets pass, each with the reason. BadParameter, or UnknownGate, for what is odd."""
    from migrator.waves.gates import refuse_odd_skips

    if bool(gates) != bool(reason and reason.strip()):
        raise typer.BadParameter("--skip-gate NAME and --reason TEXT go together: the reason is in the audit log")
    found = dict.fromkeys(gates or (), (reason or "").strip())
    refuse_odd_skips(found)
    return found


def moment(text: str, now: datetime) -> datetime:
    """The time that `text` means: "now", the next 22:00 by the clock of `now`, or a date and time. BadParameter."""
    try:
        return now if text == "now" else time_meant(text, now)
    except ValueError:
        raise typer.BadParameter(
            f"not a time: {text!r}; write 22:00, 2026-12-05T22:00 or now", param_hint="--at"
        ) from None


def refuse_no_time(text: str | None) -> None:
    """BadParameter for what is no time, before anything is opened."""
    if text is not None:
        moment(text, datetime.now(UTC))


def refuse_with_hold(at: str | None, skip_gate: Sequence[str] | None) -> None:
    """BadParameter for what has no meaning beside --postpone and --go."""
    if at or skip_gate:
        raise typer.BadParameter("--postpone and --go start no cutover: give --at and --skip-gate to the run")


def time_meant(text: str, now: datetime) -> datetime:
    """`22:00`: the next one by the clock of `now`'s zone; else a date and time, of that zone unless it says another.

    ValueError for anything else. Of a time that comes twice (the clock is set back) the first that is not past; one
    that does not come (it is set forward) is as much later as the clock jumps.
    """
    zone = now.tzinfo
    assert zone is not None, "a time is by a clock that is somewhere"
    if len(text) <= len("22:00"):
        clock, today = datetime.strptime(text, "%H:%M").time(), now.date()
        return _next(now, [each for day in range(2) for each in _twice(today + timedelta(day), clock, zone)])
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else _next(now, _twice(found.date(), found.time(), zone))


def _twice(day: date, clock: time, zone: tzinfo) -> list[datetime]:
    """Both moments at which clocks in `zone` say so; nearly always the same. (PEP 495; compared in UTC, since two
    times of one zone compare by what their clocks say.)"""
    moments = [datetime.combine(day, clock.replace(fold=fold), zone).astimezone(UTC) for fold in (0, 1)]
    return [moment.astimezone(zone) for moment in moments]


def _next(now: datetime, moments: Sequence[datetime]) -> datetime:
    return next((moment for moment in moments if moment.astimezone(UTC) > now.astimezone(UTC)), moments[-1])


def agree_on(op: "Operation", text: str | None, yes: bool) -> bool:
    """Keep the time of the cutover, and ask now what would be asked then; whether that was asked, and agreed to.

    A cutover that has begun goes on whatever the time: the same command resumes it. BadParameter for a time that is
    past.
    """
    from migrator.waves.holding import schedule
    from migrator.waves.run import refuse_unready

    if text is None:
        return False
    now = datetime.now(op.workspace.config.windows.zone)
    at = moment(text, now)
    if op.record().state not in OUTSIDE_CUTOVER:
        op.progress.note(f"{op.wave.name}: its cutover has begun, and goes on now; --at {text} is not heeded")
        return False
    if at == now:
        schedule(op.store, op.wave.name, None, op.actor)
        return False
    if at.astimezone(UTC) < now.astimezone(UTC):
        raise typer.BadParameter(f"{at:%Y-%m-%d %H:%M %Z} is past; `--at now` waits for nothing", param_hint="--at")
    refuse_unready(op)
    confirm(f"Cut over wave {op.wave.name} ({len(op.mailboxes)} mailboxes) at {at:%Y-%m-%d %H:%M %Z}?", yes)
    schedule(op.store, op.wave.name, at.astimezone(UTC), op.actor)
    return True


def say_hold(ctx: typer.Context, wave: str, postpone: bool, go: bool) -> None:
    """Hold or release the cutover of a wave, whoever runs it, and say what that means now."""
    from migrator.waves import holding
    from migrator.waves.parts import wave_or_part

    if postpone and go:
        raise typer.BadParameter("--postpone and --go: which of the two?")
    workspace = open_workspace(ctx)
    with open_store(workspace) as store:
        name = wave_or_part(workspace, store, WaveName(wave)).name
        hold = (holding.postpone if postpone else holding.release)(store, name, actor())
        holder = store.leases.holder(f"wave:{name}")
        record = store.waves.get(name)
    told = f"pid {holder.holder.pid} on {holder.holder.host}" if holder else f"nobody; `migrator wave cutover {name}`"
    state = record.state if record else WaveState.PLANNED
    row = {"wave": name, "state": state, "postponed": hold.postponed, "not_before": hold.not_before, "run_by": told}
    emit_one(row, settings(ctx).form)


def stand_guard(ctx: typer.Context, wave: str) -> None:
    """Wait until no mail of the wave is held back, or it must be let go, and let it go then.

    Tries again after what may pass: a place that does not answer, a full disk. A hand edit waits for the operator.
    """
    from migrator.state.errors import StateMissing
    from migrator.waves.guard import PAUSES

    workspace, pauses = open_workspace(ctx), iter(PAUSES)
    latest = datetime.now(UTC) + workspace.config.cutover.freeze_deadline
    while True:
        try:
            return _let_go_when_due(ctx, workspace, WaveName(wave), latest)
        except StateMissing:
            raise
        except MigratorError as error:
            if error.exit_code is ExitCode.GATE_REFUSED:
                raise
            log.warning("mail of wave %s may still be held back: %s", wave, error)
        sleep(next(pauses, PAUSES[-1]))
        latest = datetime.now(UTC)


def _let_go_when_due(ctx: typer.Context, workspace: "Workspace", wave: WaveName, latest: datetime) -> None:
    from migrator.cli.operation import operation
    from migrator.waves.guard import wait_for_death
    from migrator.waves.run import let_no_mail_wait

    with open_store(workspace, create=False) as store:
        if not wait_for_death(store, wave, latest):
            return
    with operation(ctx, wave) as op:  # Locked: somebody has come to its help just now, and is waited for in turn
        let_no_mail_wait(op.unattended())


def back(ctx: typer.Context, wave: str, mailboxes: Sequence[str], yes: bool, dry_run: bool) -> None:
    """Roll a wave back, or the part of it that consists of `mailboxes`."""
    from migrator.cli.operation import operation, result, say_plan_back
    from migrator.waves.parts import part_of, split_off
    from migrator.waves.rollback import refuse_apart
    from migrator.waves.run import roll_back

    chosen = _addresses(mailboxes)
    with operation(ctx, wave) as op:
        if chosen:
            part_of(op.store, op.wave, chosen)
            refuse_apart(op, chosen)
        if dry_run:
            return say_plan_back(ctx, replace(op, wave=replace(op.wave, mailboxes=chosen)) if chosen else op)
        of = f" of wave {wave}" if chosen else ""
        confirm(f"Roll back {', '.join(chosen) or f'wave {wave}'}{of} to the old server?", yes)
        if not chosen:
            roll_back(op)
            return emit_one(result(op), settings(ctx).form)
        part = split_off(op.store, op.wave, chosen, op.actor)
    with operation(ctx, part) as op:
        roll_back(op)
        shown = result(op)
    emit_one(shown, settings(ctx).form)


def _addresses(texts: Sequence[str]) -> tuple[Address, ...]:
    try:
        return tuple(dict.fromkeys(address(text) for text in texts))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--mailbox") from None
