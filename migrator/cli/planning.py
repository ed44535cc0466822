"""What `wave plan` and `wave list` show: the wave files beside what the state says of them."""

from dataclasses import replace
from typing import TYPE_CHECKING

from migrator.cli.context import open_store
from migrator.model.wave import WaveState
from migrator.reports.report import stopped
from migrator.state.errors import StateMissing
from migrator.state.parts import MARK

if TYPE_CHECKING:
    from migrator.model.names import WaveName
    from migrator.model.wave import Wave
    from migrator.state.records import WaveRecord
    from migrator.waves.planner import WavePlan
    from migrator.workspace import Workspace


def records(workspace: "Workspace") -> "dict[WaveName, WaveRecord]":
    """What the state knows of each wave; empty before anything was run."""
    try:
        with open_store(workspace, create=False) as store:
            return {record.name: record for record in store.waves.all()}
    except StateMissing:
        return {}


def begun(workspace: "Workspace") -> "frozenset[WaveName]":
    """Waves whose mailboxes are fixed: something of them has been copied."""
    return frozenset(name for name, record in records(workspace).items() if record.state is not WaveState.PLANNED)


def describe(plan: "WavePlan", workspace: "Workspace") -> list[dict[str, object]]:
    """A row a wave in the order in which they should run, with what the plan changes in its file."""
    rows: list[dict[str, object]] = []
    for wave in plan.waves:
        before = workspace.waves[wave.name].mailboxes if wave.name in workspace.waves else ()
        joining = [a for a in wave.mailboxes if a not in before]
        leaving = [a for a in before if a not in wave.mailboxes]
        change = "new" if wave in plan.added else "changed" if wave in plan.grown else ""
        rows.append({**_basics(wave), "change": change, "joining": len(joining), "leaving": len(leaving)})
    return rows


def standing(workspace: "Workspace") -> list[dict[str, object]]:
    """A row a wave: its file, and its state since when; then one for each of its parts, whose mailboxes are not its."""
    known = records(workspace)
    rows: list[dict[str, object]] = []
    for wave in workspace.waves.values():
        parts = [record for record in known.values() if record.name.rpartition(MARK)[0] == wave.name]
        apart = {address for part in parts for address in part.mailboxes}
        rest = replace(wave, mailboxes=tuple(address for address in wave.mailboxes if address not in apart))
        rows.append(_row(rest, known.get(wave.name)))
        rows += [_row(replace(wave, name=part.name, mailboxes=part.mailboxes), part) for part in parts]
    return rows


def _row(wave: "Wave", record: "WaveRecord | None") -> dict[str, object]:
    return {
        **_basics(wave),
        "state": record.state if record else WaveState.PLANNED,
        "since": record.since if record else None,
        "window": wave.window.start if wave.window else None,
        "error": record.error.partition("\n")[0] if record and not stopped(record.error) else "",
    }


def _basics(wave: "Wave") -> dict[str, object]:
    return {"wave": wave.name, "departments": wave.departments, "target": wave.target, "mailboxes": len(wave.mailboxes)}
