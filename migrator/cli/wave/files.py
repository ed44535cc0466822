"""`migrator wave plan|list|show`: what waves there are."""

import sys

import typer

from migrator.cli.confirm import confirm
from migrator.cli.context import open_workspace, settings
from migrator.cli.output import emit, emit_one
from migrator.cli.wave.options import DryRun, Name, Yes, app


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
