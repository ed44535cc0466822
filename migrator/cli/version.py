"""`migrator version`."""

import typer

from migrator.cli.context import settings
from migrator.cli.noun import noun
from migrator.cli.output import emit_one

app = noun("version", "")


@app.command()
def version(ctx: typer.Context) -> None:
    """Print the versions of this program, of Python and the system.

    As a report of a fault needs them.

    Example: migrator version -o json
    """
    import platform
    from importlib.metadata import version as of

    emit_one(
        {"migrator": of("migrator"), "python": platform.python_version(), "system": platform.platform()},
        settings(ctx).form,
    )
