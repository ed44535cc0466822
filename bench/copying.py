"""`./dev bench copy`: the initial copy, migrator beside its peers and the servers' own limit."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from bench.corpora import CORPORA
from bench.ground import Cost, Ground
from bench.limit import limit
from bench.tools import MIGRATOR, Tool

LIMIT = "limit"


@dataclass(frozen=True)
class Run:
    """One run of one tool. `differ`: messages that are not the same afterwards (None: not judged), by what differs."""

    tool: str
    cost: Cost
    differ: Mapping[str, int] | None

    def row(self) -> dict[str, Any]:
        """As a row of the output."""
        figures = {name: None if value is None else round(value, 3) for name, value in asdict(self.cost).items()}
        differ = None if self.differ is None else sum(self.differ.values())
        return {"tool": self.tool, "pass": "initial", **figures, "differ": differ, "differences": self.differ}


def bench_copy(corpus: str, peers: Sequence[Tool], *, tls: bool, runs: int) -> dict[str, Any]:
    """`runs` rounds; in each every tool once, on a fresh target."""
    mailboxes = CORPORA[corpus]()
    messages = [item for each in mailboxes for items in each.values() for item in items]
    with Ground(mailboxes, tls=tls) as ground:
        _warm_up(ground)
        rounds = [_round(ground, [MIGRATOR, *peers]) for _ in range(runs)]
    return {
        "bench": "copy", "corpus": corpus, "tls": tls, "mailboxes": len(mailboxes), "messages": len(messages),
        "octets": sum(len(item.octets) for item in messages),
        "runs": [run.row() for each in rounds for run in each], "ratios": ratios(rounds),
    }  # fmt: skip


def _warm_up(ground: Ground) -> None:
    """What only the first run would pay for: caches of the old server, compiled Python."""
    ground.fresh()
    limit(ground.scene.old, ground.scene.new, ground.plan, ground.tls)
    ground.fresh()
    ground.run(MIGRATOR.prepare(ground), MIGRATOR.environment(ground))


def _round(ground: Ground, tools: Sequence[Tool]) -> list[Run]:
    runs = [_limit(ground)]
    for tool in tools:
        ground.fresh()
        cost = _told(tool.name, ground.run(tool.prepare(ground), tool.environment(ground)))
        runs.append(Run(tool.name, cost, +Counter(ground.differences())))
    return runs


def _limit(ground: Ground) -> Run:
    ground.fresh()
    plan, scene = ground.plan, ground.scene
    return Run(LIMIT, _told(LIMIT, ground.measure(lambda: limit(scene.old, scene.new, plan, ground.tls))), None)


def _told(name: str, cost: Cost) -> Cost:
    """Progress, while the next one runs."""
    print(f"{name}: {cost.wall_s:.2f} s", file=sys.stderr, flush=True)
    return cost


def ratios(rounds: Sequence[Sequence[Run]]) -> dict[str, dict[str, float]]:
    """migrator against each other tool, pair by pair in each round; the median of the rounds."""
    names = [run.tool for run in rounds[0] if run.tool != MIGRATOR.name]
    return {
        f"{MIGRATOR.name}/{name}": _ratio([{run.tool: run for run in each} for each in rounds], name) for name in names
    }


def _ratio(rounds: Sequence[Mapping[str, Run]], name: str) -> dict[str, float]:
    def cpu(cost: Cost) -> float:
        return cost.cpu_client_s + cost.cpu_source_s + cost.cpu_target_s

    pairs = [(each[MIGRATOR.name].cost, each[name].cost) for each in rounds]
    return {
        "wall": round(median(ours.wall_s / theirs.wall_s for ours, theirs in pairs), 2),
        "cpu": round(median(cpu(ours) / cpu(theirs) for ours, theirs in pairs), 2),
    }
