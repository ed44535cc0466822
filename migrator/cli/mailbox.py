"""`migrator mailbox`: who is moved, and how far each is."""

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Annotated

import typer

from migrator.cli.context import open_store, open_workspace, settings
from migrator.cli.noun import noun
from migrator.cli.output import emit, emit_one

if TYPE_CHECKING:
    from migrator.model.mailbox import Mailbox
    from migrator.state import Store
    from migrator.workspace import Workspace

app = noun("mailbox", "List the mailboxes, and how far each is.")


@app.command("list")
def list_mailboxes(
    ctx: typer.Context,
    wave: Annotated[str | None, typer.Option("--wave", "-w", help="Only the mailboxes of this wave.")] = None,
    department: Annotated[str | None, typer.Option("--department", "-d", help="Only this department.")] = None,
) -> None:
    """List the mailboxes in the order of mailboxes.csv, with the wave, the last pass and its outcome.

    Example: migrator mailbox list --wave sales -o csv
    """
    from migrator.model.names import WaveName

    workspace = open_workspace(ctx)
    chosen = workspace.wave_mailboxes(WaveName(wave)) if wave else tuple(workspace.mailboxes.values())
    wanted = [one for one in chosen if department in (None, one.department)]
    with _store(workspace) as store:
        emit(_rows(wanted, workspace, store), settings(ctx).form)


@app.command()
def show(ctx: typer.Context, mailbox: Annotated[str, typer.Argument(metavar="ADDRESS")]) -> None:
    """Show one mailbox: where it is and goes, as whom it is entered, what was copied, what was not and why.

    Example: migrator mailbox show u0042@example.co.jp
    """
    from migrator.model.names import address

    workspace = open_workspace(ctx)
    try:
        found = workspace.mailbox(address(mailbox))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    with _store(workspace) as store:
        [row] = _rows([found], workspace, store)
        failures = store.ledger.failures([found.address]) if store else ()
    left = [f"{one.folder} {one.uid}: {one.reason}" for one in failures]
    emit_one(row | _logins(workspace, found) | {"not carried": left}, settings(ctx).form)


def _store(workspace: "Workspace") -> "AbstractContextManager[Store | None]":
    """The store, or None before anything was run."""
    from migrator.state.errors import StateMissing

    try:
        return open_store(workspace, create=False)
    except StateMissing:
        return nullcontext()


def _rows(wanted: "list[Mailbox]", workspace: "Workspace", store: "Store | None") -> list[dict[str, object]]:
    waves = {owner: wave.name for wave in workspace.waves.values() for owner in wave.mailboxes}
    passes = store.mailboxes.all_last() if store else {}
    counts = store.ledger.counts_all() if store else {}
    return [
        {
            "address": one.address,
            "department": one.department,
            "source": one.source,
            "target": one.target,
            "wave": waves.get(one.address),
            "last_pass": (last := passes.get(one.address)) and last.kind,
            "finished": last and last.finished,
            "copied": (count := counts.get(one.address)) and count.copied + count.present,
            "failed": count and count.failed,
            "error": last and last.error,
        }
        for one in wanted
    ]


def _logins(workspace: "Workspace", mailbox: "Mailbox") -> dict[str, object]:
    """As whom each side is entered; secrets are shown as the references they are."""
    shown: dict[str, object] = {}
    for side, server, login, own in (
        ("source", mailbox.source, mailbox.source_login, mailbox.source_secret),
        ("target", mailbox.target, mailbox.target_login, mailbox.target_secret),
    ):
        auth = workspace.server(server).auth
        by = f" by {auth.user}" if auth.kind == "master-user" else ""
        shown[f"{side} login"] = f"{login}{by}"
        shown[f"{side} secret"] = own or str(auth.secret)
    return shown
