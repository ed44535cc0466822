"""What the planning commands and `wave list` show: the wave files beside a plan, and what the state says of them."""

import sys
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from migrator.cli.context import store_if_any
from migrator.cli.output import neutral_lines
from migrator.model.wave import WaveState
from migrator.reports.report import stopped
from migrator.state.parts import MARK

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from migrator.model.names import WaveName
    from migrator.model.wave import Wave
    from migrator.state.records import WaveRecord
    from migrator.waves.inputs import Inputs
    from migrator.waves.planner import Load, Note, WavePlan
    from migrator.workspace import Workspace

SHOWN = 20
COLUMNS = ("wave", "departments", "target", "mailboxes", "octets", "hours", "window", "change", "joining", "leaving")
HOUR = 3_600_000


def records(workspace: "Workspace") -> "dict[WaveName, WaveRecord]":
    """What the state knows of each wave; empty before anything was run."""
    with store_if_any(workspace) as store:
        return {record.name: record for record in store.waves.all()} if store else {}


def gathered(workspace: "Workspace", anew: bool = False) -> "Inputs":
    """What a plan is made from, as it is now."""
    from migrator.waves.inputs import gather

    with store_if_any(workspace) as store:
        return gather(workspace, store, datetime.now(UTC), anew)


def describe(plan: "WavePlan", before: "Mapping[WaveName, Wave]") -> list[dict[str, object]]:
    """A row a wave in the order in which they should run, with what changes in its file; last, files that go."""
    rows: list[dict[str, object]] = []
    new, changed = {wave.name for wave in plan.added}, {wave.name for wave in plan.grown}
    for wave in plan.waves:
        old = before[wave.name].mailboxes if wave.name in before else ()
        change = "new" if wave.name in new else "changed" if wave.name in changed else ""
        rows.append({**_basics(wave), **_weight(plan.loads[wave.name]), **_change(change, old, wave.mailboxes)})
    for name in plan.removed:
        rows.append({**_basics(before[name]), "mailboxes": 0, **_change("removed", before[name].mailboxes, ())})
    return rows


def _change(change: str, old: "Sequence[str]", new: "Sequence[str]") -> dict[str, object]:
    was, now = frozenset(old), frozenset(new)
    joins, leaves = [one for one in new if one not in was], [one for one in old if one not in now]
    return {"change": change, "joining": len(joins), "leaving": len(leaves), "joins": joins, "leaves": leaves}


def moves(plan: "WavePlan", before: "Mapping[WaveName, Wave]") -> list[str]:
    """A line for each mailbox that changes from one wave to another: what nobody expects who only added people."""
    was = {owner: wave.name for wave in before.values() for owner in wave.mailboxes}
    now = {owner: wave.name for wave in plan.waves for owner in wave.mailboxes}
    return [
        f"{owner}: from {was[owner]} to {now[owner]}"
        for owner in sorted(was)
        if now.get(owner, "") != was[owner] and owner in now
    ]


def say(lines: "Sequence[str]", every: bool) -> None:
    """`lines` on stderr; unless `every`, the first ones and how many there are."""
    shown = lines if every else lines[:SHOWN]
    for line in shown:
        print(neutral_lines(line), file=sys.stderr)
    if len(lines) > len(shown):
        print(f"and {len(lines) - len(shown):,} more (-o json tells all)", file=sys.stderr)


def told(notes: "Sequence[Note]") -> list[str]:
    return [f"note: {note.text}" for note in notes]


def calendar(workspace: "Workspace") -> list[dict[str, object]]:
    """A row a wave, those first that move first: what a manager asks for."""
    inputs, known = gathered(workspace), records(workspace)
    loads, _ = inputs.look(workspace.waves)
    rows: list[dict[str, object]] = []
    for wave in in_time(workspace):
        end = wave.window.end if wave.window else None
        record = known.get(wave.name)
        state = record.state if record else WaveState.PLANNED
        rows.append({**_basics(wave), **_weight(loads[wave.name]), "end": end, "state": state})
    return rows


def in_time(workspace: "Workspace") -> "list[Wave]":
    """The waves by the beginning of their window; those without one last, by name."""
    late = datetime.max.replace(tzinfo=UTC)
    return sorted(workspace.waves.values(), key=lambda one: (one.window.start if one.window else late, one.name))


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
    basics = _basics(wave)
    window = basics.pop("window")
    return {
        **basics,
        "state": record.state if record else WaveState.PLANNED,
        "since": record.since if record else None,
        "window": window,
        "error": record.error.partition("\n")[0] if record and not stopped(record.error) else "",
    }


def _weight(load: "Load") -> dict[str, object]:
    return {"octets": load.octets or None, "hours": round(load.milliseconds / HOUR, 1) if load.milliseconds else None}


def _basics(wave: "Wave") -> dict[str, object]:
    return {
        "wave": wave.name,
        "departments": wave.departments,
        "target": wave.target,
        "mailboxes": len(wave.mailboxes),
        "window": wave.window.start if wave.window else None,
    }
