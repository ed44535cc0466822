"""`migrator db`: the schema of the state's database."""

from typing import Annotated

import typer

from migrator.cli.confirm import confirm
from migrator.cli.context import open_workspace, settings
from migrator.cli.noun import noun
from migrator.cli.output import emit_one

app = noun("db", "Check and upgrade the schema of the state's database.")


@app.command()
def check(ctx: typer.Context) -> None:
    """Show the database's revision, and what an upgrade would run.

    Exit code 5 if it is older.

    Example: migrator db check
    """
    from migrator.model.errors import ExitCode
    from migrator.state.upgrade import check as status_of

    status = status_of(open_workspace(ctx).state_url)
    emit_one({"current": status.current, "head": status.head, "pending": list(status.pending)}, settings(ctx).form)
    if status.pending:
        raise typer.Exit(ExitCode.CONFIG)


@app.command()
def upgrade(
    ctx: typer.Context,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Bring the database to this program's revision.

    All or nothing. Keep a copy of it: there is no way back.

    Example: cp state/migrator.db state/before.db && migrator db upgrade --yes
    """
    from migrator.state.upgrade import check as status_of
    from migrator.state.upgrade import upgrade as run

    url = open_workspace(ctx).state_url
    if status_of(url).pending:
        confirm("Upgrade the database? Nothing else may be running.", yes)
    done = run(url)
    emit_one({"was": done.current, "is": done.head, "ran": list(done.pending)}, settings(ctx).form)
