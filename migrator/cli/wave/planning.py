"""`migrator wave plan|apply|move|calendar`: who moves together, and when."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from migrator.cli.confirm import confirm
from migrator.cli.context import open_workspace, settings
from migrator.cli.output import Format, emit
from migrator.cli.wave.options import Anew, Detailed, DryRun, Name, Save, Yes, app

if TYPE_CHECKING:
    from migrator.waves.plan_files import SavedPlan

NEXT = "next: review waves/*.yaml, then: migrator wave run WAVE --until synced"


@app.command()
def plan(
    ctx: typer.Context,
    yes: Yes = False,
    dry_run: DryRun = False,
    save: Save = None,
    anew: Anew = False,
    detailed_exitcode: Detailed = False,
) -> None:
    """Divide the mailboxes into waves by department.

    Shows what changes in waves/, and writes it when you agree. Who is in a wave stays there, unless it has grown beyond
    its budget; a wave that has begun is never changed.

    Example: migrator wave plan --dry-run
    """
    from migrator.cli.planning import COLUMNS, describe, gathered, moves, say, told
    from migrator.model.errors import ExitCode
    from migrator.waves.plan_files import save as save_plan
    from migrator.waves.plan_files import saved

    workspace = open_workspace(ctx)
    inputs = gathered(workspace, anew)
    planned = inputs.plan()
    form = settings(ctx).form
    emit(describe(planned, workspace.waves), form, COLUMNS)
    say([*moves(planned, workspace.waves), *told(planned.notes)], every=form is not Format.TABLE)
    result = saved(planned, inputs.fingerprint)
    if save is not None:
        save_plan(save, result)
        print(f"saved; next: migrator wave apply {save}", file=sys.stderr)
    elif planned.changed and not dry_run:
        _write(ctx, result, yes)
    if planned.changed and detailed_exitcode:
        raise typer.Exit(ExitCode.CHANGES)


@app.command()
def apply(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `wave plan --save` wrote.")],
    yes: Yes = False,
) -> None:
    """Write a saved plan into waves/.

    Exactly what was saved; refused when the files, the mailbox list or the state have changed since.

    Example: migrator wave apply monday.plan
    """
    from migrator.waves.plan_files import read

    result = read(file)
    if result.waves or result.removed:
        _write(ctx, result, yes)
    else:
        print("nothing to change", file=sys.stderr)


def _write(ctx: typer.Context, result: "SavedPlan", yes: bool) -> None:
    """Ask, look whether the plan still fits, also after a long time at the question, and write."""
    from migrator.cli.planning import gathered
    from migrator.waves.plan_files import refuse_outdated, write

    workspace = open_workspace(ctx)
    refuse_outdated(result, gathered(workspace).fingerprint, workspace.waves, datetime.now(UTC))
    confirm(f"Write {len(result.waves) + len(result.removed)} files in {workspace.root / 'waves'}?", yes)
    workspace = open_workspace(ctx)
    refuse_outdated(result, gathered(workspace).fingerprint, workspace.waves, datetime.now(UTC))
    write(workspace.root, workspace.waves, result.waves, result.removed)
    print(NEXT, file=sys.stderr)


@app.command()
def move(
    ctx: typer.Context,
    mailbox: Annotated[str, typer.Argument(metavar="ADDRESS", help="The mailbox.")],
    wave: Name,
    yes: Yes = False,
) -> None:
    """Move a mailbox into another wave, and pin it there.

    Says which budgets and bonds that breaks, and asks. Refused for waves that have begun, and for servers that the
    mailbox may not go to. Later plans leave it where it is; take it out of `pinned:` in the file to let it go.

    Example: migrator wave move u0042@example.co.jp sales-2
    """
    from migrator.cli.planning import gathered, say, told
    from migrator.model.names import WaveName, address
    from migrator.waves.hand_moves import moved
    from migrator.waves.plan_files import write

    try:
        owner = address(mailbox)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    inputs = gathered(open_workspace(ctx))
    result = moved(inputs, owner, WaveName(wave))
    if not (result.waves or result.removed):
        return print(f"{owner} is in {wave} already, and pinned", file=sys.stderr)
    say(told(result.notes), every=False)
    gone = f" {result.removed[0]} has nobody left, and its file goes." if result.removed else ""
    confirm(f"Move {owner} from {result.origin or 'no wave'} to {wave}?{gone}", yes)
    again = gathered(open_workspace(ctx))
    result = moved(again, owner, WaveName(wave))  # refused if a wave has begun meanwhile
    write(again.workspace.root, again.workspace.waves, result.waves, result.removed)


@app.command()
def calendar(
    ctx: typer.Context,
    ics: Annotated[bool, typer.Option("--ics", help="An iCalendar file, for the calendars that people have.")] = False,
) -> None:
    """Show when which wave moves, how large it is, and where it stands.

    Example: migrator wave calendar -o csv > waves.csv
    """
    from migrator.cli.planning import calendar as rows
    from migrator.cli.planning import in_time
    from migrator.waves.calendar_file import icalendar

    workspace = open_workspace(ctx)
    if ics:
        sys.stdout.write(icalendar(in_time(workspace), workspace.config.domain, datetime.now(UTC)))
    else:
        emit(rows(workspace), settings(ctx).form)
