"""`migrator mailbox`: who is moved, how far each is, and what the operator decides about one."""

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Annotated

import typer

from migrator.cli.context import actor, open_store, open_workspace, settings
from migrator.cli.noun import noun
from migrator.cli.output import emit, emit_one

if TYPE_CHECKING:
    from collections.abc import Callable

    from migrator.model.mailbox import Mailbox
    from migrator.model.names import Address
    from migrator.state import Store
    from migrator.workspace import Workspace

app = noun("mailbox", "List the mailboxes and how far each is; take one out, accept what could not be copied.")


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
    workspace = open_workspace(ctx)
    found = _known(workspace, mailbox)
    with _store(workspace) as store:
        [row] = _rows([found], workspace, store)
        failures = store.ledger.failures([found.address]) if store else ()
    left = [f"{one.folder} {one.uid}: {one.reason}" for one in failures]
    emit_one(row | _logins(workspace, found) | {"not carried": left}, settings(ctx).form)


Reason = Annotated[str, typer.Option("--reason", help="Why: it stands in the report and in the audit log.")]
Who = Annotated[str, typer.Argument(metavar="ADDRESS")]


@app.command()
def skip(ctx: typer.Context, mailbox: Who, reason: Reason) -> None:
    """Take a mailbox out of its wave: it stays on its source, and no pass, gate or flip touches it.

    Example: migrator mailbox skip u0042@example.co.jp --reason "left the company"
    """
    _decide(ctx, mailbox, lambda store, address: store.mailboxes.skip(address, reason, actor()))


@app.command()
def accept(ctx: typer.Context, mailbox: Who, reason: Reason) -> None:
    """Accept what could not be copied, or was altered, so far in a mailbox; the gate "failures" lets it pass.

    Example: migrator mailbox accept u0042@example.co.jp --reason "three empty messages, seen by the owner"
    """
    _decide(ctx, mailbox, lambda store, address: store.mailboxes.accept_failure(address, reason, actor()))


@app.command()
def retry(ctx: typer.Context, mailbox: Who) -> None:
    """Take back what `skip` and `accept` said: the next run works this mailbox like any other.

    Example: migrator mailbox retry u0042@example.co.jp
    """
    _decide(ctx, mailbox, lambda store, address: store.mailboxes.retry(address, actor()))


def _decide(ctx: typer.Context, text: str, decision: "Callable[[Store, Address], None]") -> None:
    """Write a decision on one mailbox; refused while its wave is being cut over or is on the target."""
    from migrator.waves.decisions import refuse_in_cutover

    workspace = open_workspace(ctx)
    found = _known(workspace, text)
    with open_store(workspace) as store:
        refuse_in_cutover(store, found.address)
        decision(store, found.address)


def _known(workspace: "Workspace", text: str) -> "Mailbox":
    from migrator.model.names import address

    try:
        return workspace.mailbox(address(text))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


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
