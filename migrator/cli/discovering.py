"""What `mailbox discover` does: looks at the mailboxes on their servers, or asks a directory."""

import shlex
from typing import TYPE_CHECKING

import typer

from migrator.cli.context import directory, open_store, settings
from migrator.cli.output import emit, emit_one
from migrator.model.errors import ExitCode, Stopped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from migrator.model.mailbox import Mailbox
    from migrator.workspace import Workspace


def look(ctx: typer.Context, workspace: "Workspace", chosen: "Sequence[Mailbox]", again: bool, dry_run: bool) -> None:
    """Look at the sources of `chosen`, as far as nobody has; exit code 3 when some could not be looked at."""
    from migrator.cli.stop import stopping
    from migrator.cli.survey_progress import looking
    from migrator.dispatch.survey import Surveyor

    resume = f"migrator -C {shlex.quote(str(directory(ctx)))} mailbox discover --imap"  # never --again
    with open_store(workspace) as store, stopping(resume) as stop:
        if again and not dry_run:
            store.inventory.look_again([mailbox.address for mailbox in chosen])
        wanted = list(chosen) if again else Surveyor.due(store, chosen)
        if dry_run:
            return emit([{"address": one.address, "server": one.source} for one in wanted], settings(ctx).form)
        with looking(settings(ctx), len(wanted)) as progress:
            done = Surveyor(workspace, store, stop, progress.ended).run(wanted)
        sizes = store.inventory.sizes()
    seen = [sizes[one.address] for one in chosen if one.address in sizes]
    emit_one(
        {
            "looked_at": len(done.looked_at),
            "known_before": len(chosen) - len(wanted),
            "failed": len(done.errors),
            "messages": sum(size.messages for size in seen),
            "octets": sum(size.octets for size in seen),
            "largest_message": max((size.largest for size in seen if size.largest is not None), default=None),
        },
        settings(ctx).form,
    )
    if done.left:
        raise Stopped(f"stopped: {len(done.left):,} mailboxes were not looked at", remedy=f"To go on: {resume}")
    if done.errors:
        raise typer.Exit(ExitCode.FAILED_MAILBOXES)
