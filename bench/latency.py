"""`./dev bench latency`: the initial copy at several round-trip times, in one run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from bench.corpora import CORPORA
from bench.ground import Ground
from bench.runs import Run, run_initial, run_limit, warm_up
from bench.tools import MIGRATOR, Tool

TIMES: Mapping[str, Sequence[int]] = {"lat1k": (0, 10, 50), "small": (0, 50)}
"""Corpus to round-trip times (ms). At 0 the wires are there too, so that only the time differs."""


def bench_latency(corpora: Sequence[str], peers: Sequence[Tool], *, tls: bool, runs: int) -> dict[str, Any]:
    """For each corpus `runs` rounds; in each every tool once at each round-trip time.

    `slowdown`: what a tool needs more at the longer times than at 0, the medians of the pairs in each round: in seconds
    (`more_s`) and as a ratio.
    """
    rows: list[dict[str, Any]] = []
    slowdown: dict[str, dict[str, float]] = {}
    for corpus in corpora:
        times = TIMES.get(corpus, (0, 10, 50))
        with Ground(CORPORA[corpus](), tls=tls, rtt=0) as ground:
            warm_up(ground)
            rounds = [_round(ground, times, peers) for _ in range(runs)]
        for number, each in enumerate(rounds, 1):
            head = {"round": number, "corpus": corpus}
            rows += [head | {"rtt_ms": time} | run.row() for time, found in each.items() for run in found]
        slowdown |= _slowdown(corpus, rounds)
    return {"bench": "latency", "tls": tls, "runs": rows, "slowdown": slowdown}


def _round(ground: Ground, times: Sequence[int], peers: Sequence[Tool]) -> dict[int, list[Run]]:
    found: dict[int, list[Run]] = {}
    for time in times:
        ground.set_round_trip(time)
        found[time] = [run_limit(ground), *(run_initial(ground, tool) for tool in (MIGRATOR, *peers))]
    return found


def _slowdown(corpus: str, rounds: Sequence[Mapping[int, Sequence[Run]]]) -> dict[str, dict[str, float]]:
    found = {}
    for time in rounds[0]:
        for place, run in enumerate(rounds[0][time]):
            pairs = [(each[time][place].cost.wall_s, each[0][place].cost.wall_s) for each in rounds]
            if time:
                found[f"{run.tool}, {corpus}, {time} ms"] = {
                    "more_s": round(median(slow - quick for slow, quick in pairs), 2),
                    "ratio": round(median(slow / quick for slow, quick in pairs), 2),
                }
    return found
