"""`migrator probe`: proves by hand where mail for an address arrives."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from migrator.cli.context import actor, open_store, open_workspace, settings
from migrator.cli.noun import noun
from migrator.cli.output import emit

if TYPE_CHECKING:
    from migrator.delivery import Proof

app = noun("probe", "")


Through = Annotated[list[str] | None, typer.Option("--through", "-t", metavar="INGRESS", help="Only by these ways in.")]


@app.command()
def probe(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="ADDRESS", help="A mailbox of the workspace.")],
    through: Through = None,
) -> None:
    """Send a test message by every way in: where does each arrive?

    On the new server, and after a rollback on the old one, it is removed again. Exit code 1 when one does not arrive
    where it must, and only there. It may be run at any time, also while the mailbox's wave is being moved.

    Example: migrator probe u0042@example.co.jp
    """
    from migrator.model.canary import CanaryState
    from migrator.model.errors import ExitCode

    proof = _look(ctx, name, through or [])
    for note in proof.notes:
        print(note, file=sys.stderr)
    rows = [{"through": c.ingress, "to": c.expected, "state": c.state, "where": c.detail} for c in proof.canaries]
    emit(rows, settings(ctx).form)
    if any(canary.state is not CanaryState.PROVEN for canary in proof.canaries):
        raise typer.Exit(ExitCode.FAILED)


def _look(ctx: typer.Context, name: str, through: list[str]) -> "Proof":
    from migrator.cli.progress import watching
    from migrator.cli.stop import stopping
    from migrator.model.names import Ingress, address
    from migrator.waves.operation import operate
    from migrator.waves.probe import probe, probe_wave

    workspace = open_workspace(ctx)
    try:
        mailbox = workspace.mailbox(address(name))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    with (
        open_store(workspace) as store,
        stopping() as stop,
        watching(settings(ctx)) as progress,
        operate(workspace, store, probe_wave(mailbox), actor(), progress, stop) as op,
    ):
        return probe(op, [Ingress(one) for one in through])
