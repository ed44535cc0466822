"""`migrator notify`: do those who are to be told of a wave hear it?"""

import typer

from migrator.cli.context import actor, open_workspace, settings
from migrator.cli.noun import noun
from migrator.cli.output import emit

app = noun("notify", "Try out the webhooks and mails that tell of a wave.")


@app.callback()
def top() -> None:
    """Try out the webhooks and mails that tell of a wave."""


@app.command()
def test(ctx: typer.Context) -> None:
    """Send a test notice to every entry of `notify:`.

    Says what came of each. Exit code 1 if one was not taken.

    Example: migrator notify test
    """
    from migrator.model.errors import ConfigInvalid, ExitCode
    from migrator.reports.notices import try_all

    workspace = open_workspace(ctx)
    if not workspace.config.notify:
        raise ConfigInvalid(
            "nobody is to be told: there is no `notify:` in migrator.yaml", remedy="See docs/notifications.md."
        )
    tried = list(try_all(workspace, actor()))
    emit([{"to": label, "result": problem or "taken"} for label, problem in tried], settings(ctx).form)
    if any(problem for _, problem in tried):
        raise typer.Exit(ExitCode.FAILED)
