"""`migrator wave audit|status|report`: where a wave is, and what became of its mail."""

from pathlib import Path
from typing import Annotated

import typer

from migrator.cli.context import open_store, open_workspace, settings
from migrator.cli.output import Format, emit, emit_one, safe_json
from migrator.cli.wave.options import Full, Name, Sample, Seed, app


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
