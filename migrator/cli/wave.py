"""`migrator wave`: plan, run, watch and take back the move of a department."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from migrator.cli.confirm import confirm, require_answer
from migrator.cli.context import open_store, open_workspace, settings
from migrator.cli.noun import noun
from migrator.cli.output import Format, emit, emit_one, safe_json
from migrator.model.order import CopyOrder

app = noun("wave", "Plan, run, watch and take back the move of a department.")

Name = Annotated[str, typer.Argument(metavar="WAVE", help="The wave: a file of waves/ without .yaml.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and change nothing.")]
Order = Annotated[
    CopyOrder,
    typer.Option(
        help="Which messages of a folder go first, INBOX before the other folders. "
        "Newest: for a quick switch, when people start work on the target before all their mail is across."
    ),
]
Full = Annotated[bool, typer.Option("--full", help="Read every message on both servers.")]
Sample = Annotated[str | None, typer.Option(metavar="N%", help="Read that share in full, and compare marks of all.")]
Seed = Annotated[str | None, typer.Option(help="Which sample: as an earlier audit has printed it.")]

SkipGate = Annotated[
    list[str] | None, typer.Option("--skip-gate", metavar="NAME", help="Let this gate pass though it is closed.")
]
Reason = Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why; it is in the audit log and report.")]
Mailboxes = Annotated[
    list[str] | None, typer.Option("--mailbox", "-m", metavar="ADDRESS", help="Only these mailboxes of the wave.")
]


class Until(StrEnum):
    """How far `run` goes."""

    SYNCED = "synced"
    COMPLETED = "completed"


@app.command()
def plan(ctx: typer.Context, yes: Yes = False, dry_run: DryRun = False) -> None:
    """Divide the mailboxes into waves by department.

    Shows what changes in waves/, and writes it when you agree.

    Example: migrator wave plan --dry-run
    """
    from migrator.cli.planning import begun, describe
    from migrator.waves.planner import plan_waves
    from migrator.workspace import save_wave

    workspace = open_workspace(ctx)
    wishes = workspace.config.planner
    people = tuple(workspace.mailboxes.values())
    planned = plan_waves(people, workspace.waves, begun(workspace), wishes.pilot, wishes.max_mailboxes)
    emit(describe(planned, workspace), settings(ctx).form)
    if planned.changed and not dry_run:
        changed = (*planned.added, *planned.grown)
        confirm(f"Write {len(changed)} files in {workspace.root / 'waves'}?", yes)
        for wave in changed:
            save_wave(workspace.root, wave)
        print("next: review waves/*.yaml, then: migrator wave run WAVE --until synced", file=sys.stderr)


@app.command("list")
def list_waves(ctx: typer.Context) -> None:
    """List the waves with their state, size and window.

    Example: migrator wave list -o json
    """
    from migrator.cli.planning import standing

    workspace = open_workspace(ctx)
    emit(standing(workspace), settings(ctx).form)


@app.command()
def show(ctx: typer.Context, wave: Name) -> None:
    """Show one wave's file: departments, target, window, mailboxes.

    Example: migrator wave show sales
    """
    from migrator.model.names import WaveName

    found = open_workspace(ctx).wave(WaveName(wave))
    window = f"{found.window.start.isoformat()} to {found.window.end.isoformat()}" if found.window else None
    row = {"wave": found.name, "departments": found.departments, "target": found.target, "window": window}
    emit_one({**row, "mailboxes": found.mailboxes}, settings(ctx).form)


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

    In full: copies and brings in step, looks at the gates, asks, cuts over, proves delivery, carries late mail over.

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
    at: Annotated[
        str | None, typer.Option("--at", metavar="TIME", help="Not before: 22:00, or a date with a time.")
    ] = None,
    postpone: Annotated[
        bool, typer.Option("--postpone", help="Hold the cutover until --go, also that of a run.")
    ] = False,
    go: Annotated[bool, typer.Option("--go", help="Release a postponed cutover.")] = False,
    skip_gate: SkipGate = None,
    reason: Reason = None,
    yes: Yes = False,
) -> None:
    """Cut over a wave that is in step.

    A last delta, the gates, freeze, flip, proof, catch-up: what `wave run` does when it need not copy any more.

    --at waits until then, and keeps the wave in step meanwhile; so does a cutover that is postponed, here or from
    another terminal, until it is released. Until the freeze begins, releasing can be taken back.

    Example: migrator wave cutover sales --at 22:00
    """
    from migrator.cli import cutover as cutting
    from migrator.cli.operation import operation, result
    from migrator.waves.run import cut_over

    if postpone or go:
        return cutting.say_hold(ctx, wave, postpone, go)
    not_before = cutting.moment(ctx, at)
    with operation(ctx, wave, skips=cutting.skips(skip_gate, reason)) as op:
        require_answer(f"cut over wave {wave}", yes)
        agreed = cutting.agree_on(op, not_before, yes)
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
def audit(ctx: typer.Context, wave: Name, full: Full = False, sample: Sample = None, seed: Seed = None) -> None:
    """Compare a wave's mail on both servers: content, flags, dates.

    Counts, content, flags and dates, folder by folder, independent of the ledger; grades every mailbox and the wave by
    printed thresholds. Changes nothing. Exit code 3 for a grade below B.

    Example: migrator wave audit sales --sample 5%
    """
    from migrator.cli.audit_progress import reading
    from migrator.cli.auditing import mode_of, refuse_stopped, say
    from migrator.cli.operation import operation
    from migrator.model.audit import GOOD
    from migrator.model.errors import ExitCode
    from migrator.waves.audit import audit_wave

    mode = mode_of(full, sample, seed)
    found = None
    try:
        with operation(ctx, wave, reading) as op:
            found = audit_wave(op, mode)
            refuse_stopped(op.stop)
    finally:  # when the bar is gone; what was audited before a stop is shown too
        if found is not None:
            say(found, settings(ctx).form)
    if found.grade not in GOOD:
        raise typer.Exit(ExitCode.FAILED_MAILBOXES)


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


@app.command()
def status(ctx: typer.Context, wave: Name) -> None:
    """Say where a wave is, how much is copied, what failed and why.

    Example: migrator wave status sales
    """
    from migrator.cli.standing import mailbox_rows, summary
    from migrator.model.names import WaveName
    from migrator.reports.status import status

    workspace = open_workspace(ctx)
    with open_store(workspace) as store:
        shown = status(store, workspace, WaveName(wave))
    if settings(ctx).form is Format.TABLE:
        emit_one(summary(shown))
        print()
        emit(mailbox_rows(shown))
    else:
        emit_one({**summary(shown), "by_mailbox": mailbox_rows(shown)}, settings(ctx).form)


@app.command()
def report(
    ctx: typer.Context,
    wave: Name,
    out: Annotated[Path | None, typer.Option("--out", help="Write into this file instead of stdout.")] = None,
) -> None:
    """Report on a wave: Markdown, or JSON with -o json.

    It is made from the state alone; no server is asked.

    Example: migrator wave report sales --out sales.md
    """
    from migrator.model.names import WaveName
    from migrator.reports.collect import wave_report
    from migrator.reports.document import report_json
    from migrator.reports.markdown import render_markdown

    workspace = open_workspace(ctx)
    with open_store(workspace) as store:
        made = wave_report(store, workspace, WaveName(wave))
    as_json = settings(ctx).form in (Format.JSON, Format.JSONL)
    text = safe_json(report_json(made), indent=2) if as_json else render_markdown(made)
    if out is None:
        print(text)
    else:
        out.write_text(text + "\n", encoding="utf-8")
