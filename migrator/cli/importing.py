"""How people from elsewhere come into mailboxes.csv: a diff first, then a question."""

import sys
from typing import TYPE_CHECKING

import typer

from migrator.cli.confirm import confirm
from migrator.cli.context import settings
from migrator.cli.output import Format, emit, neutral_lines

if TYPE_CHECKING:
    from collections.abc import Mapping

    from migrator.workspace import Workspace
    from migrator.workspace.foreign import Export
    from migrator.workspace.importing import Import


def columns(given: list[str]) -> dict[str, str]:
    """`department=部署` as ours: theirs ("": none of theirs). BadParameter for anything else."""
    found: dict[str, str] = {}
    for one in given:
        ours, equals, theirs = one.partition("=")
        if not equals or not ours.strip():
            raise typer.BadParameter(f"--column takes OURS=THEIRS, such as department=部署, not {one!r}")
        if ours.strip() in found:
            raise typer.BadParameter(f"--column {ours.strip()} is given twice")
        found[ours.strip()] = theirs.strip()
    return found


def bring_in(
    ctx: typer.Context, workspace: "Workspace", export: "Export", defaults: "Mapping[str, str | None]",
    on_conflict: str | None, dry_run: bool, yes: bool,
) -> None:  # fmt: skip
    """Show what becomes of mailboxes.csv, and write it once that is confirmed."""
    from migrator.model.names import ServerName
    from migrator.workspace.importing import prepare, save

    if on_conflict not in (None, "ours", "theirs"):
        raise typer.BadParameter("--on-conflict takes ours or theirs")
    for side in ("source", "target"):
        if name := defaults.get(side):
            workspace.server(ServerName(name))
    given = {column: value for column, value in defaults.items() if value}
    change = prepare(workspace, export, given, on_conflict)  # type: ignore[arg-type]
    _show(ctx, export, change)
    if dry_run or change.after == change.before:
        return
    people = len({one.address for one in change.merged.changes})
    confirm(f"write {change.path.name}: {len(change.merged.added):,} new, {people:,} changed?", yes)
    save(change)


def _show(ctx: typer.Context, export: "Export", change: "Import") -> None:
    merged, form = change.merged, settings(ctx).form
    if form is not Format.TABLE:
        rows = [
            {"change": "added", "address": one, "column": None, "before": None, "after": None} for one in merged.added
        ]
        for kind, some in (("changed", merged.changes), ("kept", merged.kept)):
            rows += [
                {"change": kind, "address": one.address, "column": one.column, "before": one.before, "after": one.after}
                for one in some
            ]
        emit(rows, form, ["change", "address", "column", "before", "after"])
    elif change.diff:
        print(neutral_lines(change.diff))
    said = [f"{len(export.people):,} people read"]
    said += [f"{len(export.without):,} without an address left out"] if export.without else []
    said += [f"{len(merged.added):,} new", f"{len({one.address for one in merged.changes}):,} changed"]
    said += [f"{len(merged.kept):,} fields kept as they are in {change.path.name}"] if merged.kept else []
    print("; ".join(said), file=sys.stderr)
