"""`migrator wave run|cutover|check|verify|rollback|guard`: what moves a wave, and takes it back."""

from enum import StrEnum
from typing import Annotated

import typer

from migrator.cli.confirm import confirm, require_answer
from migrator.cli.context import settings
from migrator.cli.output import Format, emit, emit_one
from migrator.cli.wave.options import At, DryRun, Go, Mailboxes, Name, Order, Postpone, Reason, SkipGate, Yes, app
from migrator.model.order import CopyOrder


class Until(StrEnum):
    """How far `run` goes."""

    SYNCED = "synced"
    COMPLETED = "completed"


@app.command()
def run(
    ctx: typer.Context,
    wave: Name,
    until: Annotated[Until, typer.Option(help="Where to stop: in step, or cut over.")] = Until.COMPLETED,
    order: Order = CopyOrder.OLDEST,
    skip_gate: SkipGate = None,
    reason: Reason = None,
    yes: Yes = False,
    dry_run: DryRun = False,
) -> None:
    """Move a wave: copy, ask, cut over, prove delivery, catch up.

    It may be stopped (Ctrl-C), killed and run again at any moment: it goes on where it was, and copies nothing twice.

    Example: migrator wave run sales --until synced
    """
    from migrator.cli.cutover import skips
    from migrator.cli.operation import operation, result, say_plan
    from migrator.model.wave import WaveState
    from migrator.waves.run import run as run_wave

    with operation(ctx, wave, order=order, skips=skips(skip_gate, reason)) as op:
        if dry_run:
            return say_plan(ctx, op)
        if until is Until.COMPLETED:
            require_answer(f"cut over wave {wave}", yes)
        run_wave(op, lambda question: confirm(question, yes), WaveState(until))
        shown = result(op)
    emit_one(shown, settings(ctx).form)


@app.command()
def cutover(
    ctx: typer.Context,
    wave: Name,
    at: At = None,
    postpone: Postpone = False,
    go: Go = False,
    skip_gate: SkipGate = None,
    reason: Reason = None,
    yes: Yes = False,
) -> None:
    """Cut over a wave that is in step.

    What `wave run` does when it need not copy any more. --at waits until then, and keeps the wave in step meanwhile; so
    does a cutover that is postponed, here or from another terminal. Until the freeze begins, releasing can be undone.

    Example: migrator wave cutover sales --at 22:00
    """
    from migrator.cli import cutover as cutting
    from migrator.cli.operation import operation, result
    from migrator.waves.run import cut_over

    if postpone or go:
        cutting.refuse_with_hold(at, skip_gate)
        return cutting.say_hold(ctx, wave, postpone, go)
    cutting.refuse_no_time(at)
    with operation(ctx, wave, skips=cutting.skips(skip_gate, reason)) as op:
        require_answer(f"cut over wave {wave}", yes)
        agreed = cutting.agree_on(op, at, yes)
        cut_over(op, lambda question: confirm(question, yes or agreed))
        shown = result(op)
    emit_one(shown, settings(ctx).form)


@app.command()
def check(ctx: typer.Context, wave: Name, skip_gate: SkipGate = None, reason: Reason = None) -> None:
    """Look at the gates before the cutover; no canary is sent.

    Says what to do about those that are closed. Exit code 6 if one is, and is not skipped.

    Example: migrator wave check sales
    """
    from migrator.cli.cutover import skips
    from migrator.cli.operation import operation
    from migrator.cli.standing import gate_lines, gate_rows
    from migrator.model.errors import ExitCode
    from migrator.waves.gates import check_quietly

    with operation(ctx, wave, skips=skips(skip_gate, reason)) as op:
        results = check_quietly(op)
    if settings(ctx).form is Format.TABLE:
        print("\n".join(gate_lines(results)))
    else:
        emit(gate_rows(results), settings(ctx).form)
    if not all(result.passes for result in results):
        raise typer.Exit(ExitCode.GATE_REFUSED)


@app.command()
def verify(ctx: typer.Context, wave: Name) -> None:
    """Prove delivery anew, with fresh canaries to every mailbox.

    One through every ingress; shows where each arrived.

    Example: migrator wave verify sales
    """
    from migrator.cli.operation import operation
    from migrator.waves.run import prove_again

    with operation(ctx, wave) as op:
        proof = prove_again(op)
    rows = [{"mailbox": c.address, "ingress": c.ingress, "state": c.state, "where": c.detail} for c in proof.canaries]
    emit(rows, settings(ctx).form)


@app.command()
def rollback(
    ctx: typer.Context, wave: Name, mailbox: Mailboxes = None, yes: Yes = False, dry_run: DryRun = False
) -> None:
    """Take a wave, or mailboxes of it, back to the old server.

    Mail that has arrived on the new server is carried back with it. Nothing is deleted there.

    Mailboxes taken back by themselves go on as a part of the wave, such as sales~1, which `wave run` moves again.

    Example: migrator wave rollback sales --mailbox u0042@example.co.jp
    """
    from migrator.cli.cutover import back

    back(ctx, wave, mailbox or [], yes, dry_run)


@app.command()
def guard(ctx: typer.Context, wave: Name) -> None:
    """Let mail go that a run which has died holds back.

    Waits until the freeze of the wave has ended, or its deadline has come and nobody works on it; then takes the freeze
    back. Every cutover and rollback starts it by itself; after a power cut, start it by hand, or run the wave again.

    Example: migrator wave guard sales
    """
    from migrator.cli.cutover import stand_guard

    stand_guard(ctx, wave)
