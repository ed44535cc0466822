"""Runs of tools, their ratios pair by pair, and the rows that are put out."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, Literal

from bench.ground import Cost, Ground
from bench.limit import limit
from bench.tools import MIGRATOR, Tool

LIMIT = "limit"
Pass = Literal["initial", "none", "mixed"]


@dataclass(frozen=True)
class Run:
    """One run of one tool. `kind`: its pass. `differ`: messages that are not the same afterwards (None: not judged), by
    what differs."""

    tool: str
    kind: Pass
    cost: Cost
    differ: Mapping[str, int] | None

    def row(self) -> dict[str, Any]:
        """As a row of the output."""
        figures = {name: round(v, 3) if isinstance(v, float) else v for name, v in asdict(self.cost).items()}
        differ = None if self.differ is None else sum(self.differ.values())
        return {"tool": self.tool, "pass": self.kind, **figures, "differ": differ, "differences": self.differ}


Round = Sequence[Run]
"""Runs that may be compared with each other: made in turn, on one machine."""


def run_tool(ground: Ground, tool: Tool, kind: Pass) -> Run:
    """One run, judged."""
    command = tool.again if tool.again and kind != "initial" else tool.command
    cost = told(tool.name, kind, ground.run(command(ground), tool.environment(ground)))
    return Run(tool.name, kind, cost, +Counter(ground.differences()))


def run_initial(ground: Ground, tool: Tool) -> Run:
    """The initial copy, on fresh ground."""
    ground.fresh()
    tool.configure(ground)
    return run_tool(ground, tool, "initial")


def run_limit(ground: Ground) -> Run:
    """What the servers can do at best, on fresh ground."""
    ground.fresh()
    plan = ground.plan

    def work() -> tuple[float, float, None]:
        return limit(lambda user: ground.connect("old", user), lambda user: ground.connect("new", user), plan)

    return Run(LIMIT, "initial", told(LIMIT, "initial", ground.measure(work)), None)


def warm_up(ground: Ground) -> None:
    """What only the first run would pay for: caches of the old server, compiled Python."""
    run_limit(ground)
    run_initial(ground, MIGRATOR)


def in_turn(runs: int, one: Callable[[], list[Run]]) -> dict[str, Any]:
    """`runs` rounds of what `one` does: the rows, and the ratios."""
    rounds = [one() for _ in range(runs)]
    rows = [{"round": number, **run.row()} for number, each in enumerate(rounds, 1) for run in each]
    return {"runs": rows, "ratios": ratios(rounds)}


def told(name: str, kind: Pass, cost: Cost) -> Cost:
    """Progress, while the next one runs."""
    peak = "" if cost.peak_rss_mb is None else f", {cost.peak_rss_mb:.1f} MB"
    print(f"{name}, {kind}: {cost.wall_s:.2f} s{peak}", file=sys.stderr, flush=True)
    return cost


def ratios(rounds: Sequence[Round]) -> dict[str, dict[str, Any]]:
    """migrator against each other tool in each pass: the median over the rounds, and each round's own."""
    by_key = [{(run.tool, run.kind): run.cost for run in each} for each in rounds]
    found: dict[str, dict[str, Any]] = {}
    passes = {kind for _, kind in by_key[0]}
    for tool, kind in by_key[0]:
        if tool != MIGRATOR.name:
            name = f"{MIGRATOR.name}/{tool}" + (f", {kind}" if len(passes) > 1 else "")
            pairs = [_ratio(each[MIGRATOR.name, kind], each[tool, kind]) for each in by_key]
            middle = {figure: round(median(pair[figure] for pair in pairs), 2) for figure in pairs[0]}
            found[name] = {**middle, "rounds": pairs}
    return found


def _ratio(ours: Cost, theirs: Cost) -> dict[str, float]:
    found = {"wall": ours.wall_s / theirs.wall_s, "cpu": ours.cpu_s / max(theirs.cpu_s, 0.01)}
    if ours.peak_rss_mb and theirs.peak_rss_mb:
        found["peak_rss"] = ours.peak_rss_mb / theirs.peak_rss_mb
    return {name: round(value, 3) for name, value in found.items()}
