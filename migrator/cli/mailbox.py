"""`migrator mailbox`: who is moved, how far each is, and what the operator decides about one."""

import sys
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Annotated

import typer

from migrator.cli.context import actor, open_store, open_workspace, settings
from migrator.cli.noun import noun
from migrator.cli.output import emit, emit_one
from migrator.model.names import neutral

if TYPE_CHECKING:
    from collections.abc import Callable

    from migrator.model.mailbox import Mailbox
    from migrator.model.names import Address
    from migrator.state import Store
    from migrator.workspace import Workspace

app = noun("mailbox", "See how far each mailbox is; take one out, accept failures.")


@app.command("list")
def list_mailboxes(
    ctx: typer.Context,
    wave: Annotated[str | None, typer.Option("--wave", "-w", help="Only the mailboxes of this wave.")] = None,
    department: Annotated[str | None, typer.Option("--department", "-d", help="Only this department.")] = None,
) -> None:
    """List the mailboxes: wave, last pass, outcome, who is left out.

    In the order of mailboxes.csv.

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
    """Show one mailbox: logins, what was copied, what not and why.

    Example: migrator mailbox show u0042@example.co.jp
    """
    workspace = open_workspace(ctx)
    found = _known(workspace, mailbox)
    with _store(workspace) as store:
        [row] = _rows([found], workspace, store)
        failures = store.ledger.failures([found.address]) if store else ()
        decided = {"accepted": store and store.mailboxes.accepted(found.address)}
    left = [f"{one.folder} UID {one.uid}: {one.reason}" for one in failures]
    emit_one(row | decided | _logins(workspace, found) | {"not carried": left}, settings(ctx).form)


Reason = Annotated[str, typer.Option("--reason", help="Why: it stands in the report and in the audit log.")]
Who = Annotated[str, typer.Argument(metavar="ADDRESS")]


@app.command()
def skip(ctx: typer.Context, mailbox: Who, reason: Reason) -> None:
    """Take a mailbox out of its wave: it stays on its source.

    No pass, gate or flip touches it, until `mailbox retry`.

    Example: migrator mailbox skip u0042@example.co.jp --reason "left the company"
    """
    found = _decide(ctx, mailbox, lambda store, address: store.mailboxes.skip(address, reason, actor()))
    _say(f"{found} is left out and stays on its source; `migrator mailbox retry {found}` takes it in again")


@app.command()
def accept(ctx: typer.Context, mailbox: Who, reason: Reason) -> None:
    """Accept what so far could not be copied, or was altered.

    The gate "failures" then lets that mailbox pass; a message that fails later closes it again.

    Example: migrator mailbox accept u0042@example.co.jp --reason "three empty messages, seen by the owner"
    """
    found = _decide(ctx, mailbox, lambda store, address: store.mailboxes.accept_failure(address, reason, actor()))
    _say(f"what has failed in {found} so far is accepted; `migrator mailbox show {found}` lists it")


@app.command()
def retry(ctx: typer.Context, mailbox: Who) -> None:
    """Take back what `skip` and `accept` said.

    The next run works this mailbox like any other.

    Example: migrator mailbox retry u0042@example.co.jp
    """
    found = _decide(ctx, mailbox, lambda store, address: store.mailboxes.retry(address, actor()))
    _say(f"{found} is worked like any other by the next `migrator wave run`")


def _decide(ctx: typer.Context, text: str, decision: "Callable[[Store, Address], None]") -> "Address":
    """Write a decision on one mailbox; refused while its wave is being cut over or is on the target."""
    from migrator.waves.decisions import refuse_in_cutover

    workspace = open_workspace(ctx)
    found = _known(workspace, text)
    with open_store(workspace) as store:
        refuse_in_cutover(store, found.address)
        decision(store, found.address)
    return found.address


def _say(text: str) -> None:
    print(neutral(text), file=sys.stderr)


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
    left_out = store.mailboxes.all_skipped() if store else {}
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
            "left_out": left_out.get(one.address),
            "error": last and last.error,
        }
        for one in wanted
    ]


def _logins(workspace: "Workspace", mailbox: "Mailbox") -> dict[str, object]:
    """As whom each side is entered; secrets are shown as the references they are."""
    from migrator.workspace.logins import described

    shown: dict[str, object] = {}
    for side, server, login, own in (
        ("source", mailbox.source, mailbox.source_login, mailbox.source_secret),
        ("target", mailbox.target, mailbox.target_login, mailbox.target_secret),
    ):
        shown[f"{side} login"], shown[f"{side} secret"] = described(workspace.server(server).auth, login, own)
    return shown
