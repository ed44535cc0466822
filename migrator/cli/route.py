"""`migrator route`: where mail goes now, and where it should go."""

from typing import Annotated

import typer

from migrator.cli.context import open_workspace, settings
from migrator.cli.noun import noun
from migrator.cli.output import emit

app = noun("route", "Show where mail goes now, and where it should go.")


@app.command()
def show(
    ctx: typer.Context,
    addresses: Annotated[list[str] | None, typer.Argument(metavar="[ADDRESS]...", help="Only these.")] = None,
    wave: Annotated[str | None, typer.Option("--wave", "-w", help="Only the mailboxes of this wave.")] = None,
) -> None:
    """Show where mail goes now: each address at each place.

    The entry that every place of `routing:` has, and which server that is.

    Example: migrator route show u0042@example.co.jp
    """
    from migrator.model.names import WaveName, address
    from migrator.waves.preview import routes

    workspace = open_workspace(ctx)
    try:
        chosen = [workspace.mailbox(address(text)) for text in addresses or ()]
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    if not chosen:
        chosen = list(workspace.wave_mailboxes(WaveName(wave)) if wave else workspace.mailboxes.values())
    emit(routes(workspace, chosen), settings(ctx).form)


@app.command()
def diff(ctx: typer.Context, wave: Annotated[str, typer.Argument(metavar="WAVE")]) -> None:
    """Show what the cutover of a wave would change at each place.

    As unified diffs. Changes nothing.

    Example: migrator route diff sales
    """
    from migrator.model.names import WaveName
    from migrator.waves.preview import diffs

    workspace = open_workspace(ctx)
    for name, text in diffs(workspace, workspace.wave_mailboxes(WaveName(wave)), "target"):
        print(f"# {name}\n{text}" if text else f"# {name}: nothing to change")
