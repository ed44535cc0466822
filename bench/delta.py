"""`./dev bench delta`: a pass without change, and one after 1% new, 1% flagged, 1% gone on the source."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from bench.copying import described
from bench.corpora import CORPORA
from bench.ground import Ground
from bench.runs import Run, in_turn, run_initial, run_tool, warm_up
from bench.tools import MIGRATOR, Tool

Change = Literal["none", "mixed"]


def bench_delta(
    corpus: str, peers: Sequence[Tool], changes: Sequence[Change], *, tls: bool, rtt: float | None, runs: int
) -> dict[str, Any]:
    """`runs` rounds; in each every tool makes its initial copy of its own, then a pass for each of `changes`.

    The changes are made on the old server, the same for each tool, and undone before the next one. A tool that keeps on
    the target what is gone on the source differs by that, as "extra".
    """
    mailboxes = CORPORA[corpus]()
    with Ground(mailboxes, tls=tls, rtt=rtt) as ground:
        warm_up(ground)
        found = in_turn(runs, lambda: [run for tool in (MIGRATOR, *peers) for run in _passes(ground, tool, changes)])
    return {"bench": "delta", **described(corpus, mailboxes, tls, rtt), **found}


def _passes(ground: Ground, tool: Tool, changes: Sequence[Change]) -> list[Run]:
    runs = [run_initial(ground, tool)]
    for kind in changes:
        if kind == "mixed":
            ground.change()
        runs.append(run_tool(ground, tool, kind))
    return runs
