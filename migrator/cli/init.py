"""`migrator init`."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from migrator.cli.context import directory, settings
from migrator.cli.noun import noun
from migrator.cli.output import emit

app = noun("init", "")


@app.command()
def init(
    ctx: typer.Context,
    where: Annotated[Path | None, typer.Argument(metavar="[DIR]", help="Where (default: the workspace, -C).")] = None,
) -> None:
    """Write a new workspace: commented files to be filled in.

    They are valid as they stand. Nothing there is overwritten.

    Example: migrator init ~/moving-to-new-mail
    """
    from migrator import workspace

    place = where or directory(ctx)
    emit([{"written": str(path)} for path in workspace.init(place)], settings(ctx).form)
    print(
        f"next: edit migrator.yaml and mailboxes.csv, then: migrator -C {shlex.quote(str(place))} config check",
        file=sys.stderr,
    )
