"""`migrator route`: where mail goes now, and where it should go."""

from typing import TYPE_CHECKING, Annotated

import typer

from migrator.cli.context import actor, open_store, open_workspace, settings
from migrator.cli.noun import noun
from migrator.cli.output import emit, emit_one

if TYPE_CHECKING:
    from migrator.model.mailbox import Mailbox
    from migrator.model.names import Address, Nexthop
    from migrator.workspace import Workspace

app = noun("route", "Show where mail goes now, and where it should go.")


@app.command()
def show(
    ctx: typer.Context,
    addresses: Annotated[list[str] | None, typer.Argument(metavar="[ADDRESS]...", help="Only these.")] = None,
    wave: Annotated[str | None, typer.Option("--wave", "-w", help="Only the mailboxes of this wave.")] = None,
) -> None:
    """Show where mail goes now: each address at each place.

    The entry that every place of `routing:` has, and which server that is. A place that cannot be read does not keep
    the others from being shown.

    Example: migrator route show u0042@example.co.jp
    """
    from migrator.model.names import address
    from migrator.waves.preview import routes

    workspace = open_workspace(ctx)
    try:
        chosen = [workspace.mailbox(address(text)) for text in addresses or ()]
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    if not chosen:
        chosen = list(_of_wave(workspace, wave) if wave else workspace.mailboxes.values())
    rows, errors = routes(workspace, chosen)
    emit(rows, settings(ctx).form)
    if errors:
        raise errors[0]


@app.command()
def diff(ctx: typer.Context, wave: Annotated[str, typer.Argument(metavar="WAVE")]) -> None:
    """Show what the cutover of a wave would change at each place.

    As unified diffs. Changes nothing.

    Example: migrator route diff sales
    """
    from migrator.waves.preview import diffs

    workspace = open_workspace(ctx)
    for name, text in diffs(workspace, _of_wave(workspace, wave), "target"):
        print(f"# {name}\n{text}" if text else f"# {name}: nothing to change")


@app.command()
def confirm(
    ctx: typer.Context,
    token: Annotated[str, typer.Argument(metavar="TOKEN", help="As the waiting command printed it.")],
    found: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ADDRESS=VALUE", help="Nothing was changed, since this entry says VALUE (may be repeated)."
        ),
    ] = None,
) -> None:
    """Say that the changes of a token are made by hand.

    The command that waits for them goes on. With --found it stops instead.

    Example: migrator route confirm 7K3D-9QXM
    """
    from migrator.routing.operator.change_sets import confirm
    from migrator.waves.backends import change_sets

    workspace = open_workspace(ctx)
    name, change = confirm(change_sets(workspace), token, actor().user, dict(map(_entry, found or ())))
    said = "refused: nothing was changed" if found else "confirmed"
    emit_one(
        {"ingress": name, "token": change.token, "entries": len(change.flips.changes), "said": said},
        settings(ctx).form,
    )


@app.command()
def backup(ctx: typer.Context) -> None:
    """Keep a copy of what every place says now.

    Prints where each copy is. A place that cannot be copied does not keep the others from it.

    Example: migrator route backup
    """
    from migrator.waves.preview import backups

    rows, errors = backups(open_workspace(ctx))
    emit(rows, settings(ctx).form)
    if errors:
        raise errors[0]


def _of_wave(workspace: "Workspace", name: str) -> "tuple[Mailbox, ...]":
    """The mailboxes of a wave file, or of a part, which only the state knows."""
    from migrator.model.names import WaveName
    from migrator.state.parts import MARK
    from migrator.waves.parts import wave_or_part

    wave = WaveName(name)
    if MARK not in name:
        return workspace.wave_mailboxes(wave)
    with open_store(workspace, create=False) as store:
        return tuple(map(workspace.mailbox, wave_or_part(workspace, store, wave).mailboxes))


def _entry(text: str) -> "tuple[Address, Nexthop | None]":
    """ADDRESS=VALUE; without a VALUE there is no entry."""
    from migrator.model.names import Nexthop, address

    name, equals, value = text.partition("=")
    try:
        if not equals:
            raise ValueError(f"not ADDRESS=VALUE: {text!r}")
        return address(name), Nexthop(value) if value else None
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--found") from None
