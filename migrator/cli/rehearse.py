"""`migrator rehearse`: the whole of a wave but its flips, measured, with nothing left behind."""

from typing import TYPE_CHECKING, Annotated

import typer

from migrator.cli.context import actor, open_store, open_workspace, settings
from migrator.cli.noun import noun
from migrator.cli.output import emit_one

if TYPE_CHECKING:
    from migrator.model.audit import Mode
    from migrator.model.wave import Wave
    from migrator.waves.rehearsal import Rehearsal
    from migrator.workspace import Workspace

app = noun("rehearse", "")


@app.command()
def rehearse(
    ctx: typer.Context,
    wave: Annotated[str, typer.Argument(metavar="WAVE", help="The wave's name, as `migrator wave list` shows it.")],
    on: Annotated[str | None, typer.Option("--on", metavar="SERVER", help="Copy to this server instead.")] = None,
    sample: Annotated[str, typer.Option("--sample", help="How much of the mail is compared afterwards.")] = "10%",
) -> None:
    """Try a wave out: copy it aside, time it, clean up.

    Every mailbox is copied under the folder `migrator-rehearsal` of its target, brought in step once more, and
    compared; a test message is handed to the target for each; then all of it is taken away again. Nothing is flipped,
    and the old server is only read. It says how long the night will take, whether it fits into the wave's window, and
    what failed. Exit code 3 when something did. `migrator doctor WAVE` first.

    Example: migrator rehearse sales
    """
    from migrator.cli.auditing import mode_of
    from migrator.model.errors import ExitCode
    from migrator.model.names import WaveName

    workspace = open_workspace(ctx)
    chosen = workspace.wave(WaveName(wave))
    done = _rehearse(ctx, workspace, chosen, on, mode_of(False, sample, None))
    shown = summary(done)
    emit_one(shown, settings(ctx).form)
    if not done.clean:
        raise typer.Exit(ExitCode.FAILED_MAILBOXES)


def _rehearse(ctx: typer.Context, workspace: "Workspace", wave: "Wave", on: str | None, mode: "Mode") -> "Rehearsal":
    from migrator.cli.progress import watching
    from migrator.cli.stop import stopping
    from migrator.model.names import ServerName
    from migrator.waves.operation import operate
    from migrator.waves.rehearsal import (
        fresh_state,
        refuse_moving,
        rehearse,
        remember_speed,
        staged,
        without_skipped,
    )

    stage = staged(workspace, wave, ServerName(on) if on else None)
    with open_store(workspace) as store:
        wave = without_skipped(store, wave)
        refuse_moving(store, wave)
        with (
            fresh_state(workspace, store, wave.name, actor()),
            open_store(stage) as aside,
            stopping() as stop,
            watching(settings(ctx)) as progress,
            operate(stage, aside, wave, actor(), progress, stop, rehearsal=True) as op,
        ):
            done = rehearse(op, mode)
            remember_speed(store, stage, done)
            detail = {"seconds": round(done.initial.total_seconds(), 1), "messages": done.report.totals.messages}
            store.audit.record(actor(), "rehearsed", wave=wave.name, detail=detail)
    return done


def summary(done: "Rehearsal") -> dict[str, object]:
    """What was measured, as it is printed."""
    totals, proof = done.report.totals, done.proof
    window = done.report.window
    return {
        "wave": done.wave,
        "mailboxes": totals.mailboxes,
        "messages": totals.messages,
        "octets": totals.octets,
        "initial pass": f"{done.initial.total_seconds():.1f} s",
        "delta pass": f"{done.delta.total_seconds():.1f} s",
        "octets a second": round(totals.octets / max(0.001, done.initial.total_seconds())),
        "night, with nothing copied before": f"{done.night.total_seconds():.0f} s",
        "mail held back": f"{done.freeze.total_seconds():.0f} s",
        "fits into the window": "no window" if window is None else "yes" if done.fits else "NO",
        "not copied": [f"{len(kind.messages)} {kind.reason}" for kind in done.not_copied],
        "audit": f"{done.audit.grade} ({done.audit.mode})",
        "mail arrived": "not tried" if proof is None else f"{proof.found} of {len(proof.canaries)}",
        "errors": [f"{address}: {error.in_full}" for address, error in done.failed.items()],
        "left behind": [f"{address}: {why}" for address, why in done.left.items()],
    }
