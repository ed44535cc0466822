"""`migrator wave list|show`: what waves there are."""

import typer

from migrator.cli.context import open_workspace, settings
from migrator.cli.output import emit, emit_one
from migrator.cli.wave.options import Name, app


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
    row |= {"pinned": found.pinned}
    emit_one({**row, "mailboxes": found.mailboxes}, settings(ctx).form)
