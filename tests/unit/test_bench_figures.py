"""What the benchmark makes of its runs: ratios of what ran in the same round, medians of the rounds."""

from __future__ import annotations

from bench.ground import Cost
from bench.peers import PEERS
from bench.runs import Pass, Run, ratios
from bench.tables import render


def run(tool: str, wall: float, kind: Pass = "initial", memory: float | None = 50.0, cpu: float = 1.0) -> Run:
    return Run(tool, kind, Cost(wall, cpu, 0.5, 0.5, memory), {})


def test_ratios_are_of_pairs_in_one_round_and_the_median_of_the_rounds() -> None:
    rounds = [
        [run("limit", 1, memory=None), run("migrator", 2), run("mbsync", 4, memory=25)],
        [run("limit", 10, memory=None), run("migrator", 10), run("mbsync", 50, memory=25)],
        [run("limit", 1, memory=None), run("migrator", 9), run("mbsync", 90, memory=25)],
    ]
    found = ratios(rounds)
    assert found["migrator/limit"]["wall"] == 2
    assert found["migrator/mbsync"]["wall"] == 0.2
    assert [one["wall"] for one in found["migrator/mbsync"]["rounds"]] == [0.5, 0.2, 0.1]
    assert found["migrator/mbsync"]["peak_rss"] == 2 and "peak_rss" not in found["migrator/limit"]


def test_cpu_is_that_of_the_client_and_both_servers() -> None:
    assert ratios([[run("migrator", 1, cpu=2.0), run("mbsync", 1, cpu=0.5)]])["migrator/mbsync"]["cpu"] == 2


def test_each_pass_has_ratios_of_its_own() -> None:
    passes: list[Run] = []
    for kind, wall in (("none", 1.0), ("mixed", 3.0)):
        passes += [run("migrator", wall, kind), run("mbsync", 2, kind)]  # type: ignore[arg-type]
    found = ratios([passes])
    assert {name: ratio["wall"] for name, ratio in found.items()} == {
        "migrator/mbsync, none": 0.5,
        "migrator/mbsync, mixed": 1.5,
    }


def test_the_table_shows_the_medians_and_the_most_that_differed() -> None:
    rows = [
        Run("mbsync", "initial", Cost(wall, 1, 1, 1, 5.0), {"altered": altered, "lost": 0}).row()
        for wall, altered in ((1, 0), (2, 7), (9, 0))
    ]
    text = render(
        {"bench": "copy", "runs": rows, "ratios": {"migrator/mbsync": {"wall": 0.5, "rounds": [{"wall": 1}]}}}
    )
    line = next(line for line in text.splitlines() if "initial" in line).split()
    assert line == ["mbsync", "initial", "2.00", "1.00", "1.00", "1.00", "5.00", "7"]
    assert "migrator/mbsync: wall 0.5" in text and "rounds" not in text


def test_every_peer_says_how_to_get_it() -> None:
    assert all(peer.remedy for peer in PEERS.values())
