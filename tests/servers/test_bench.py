"""The benchmark runs, judges what it measured, and says it in the form that it promises. Nothing here is about time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.corpora import CORPORA
from bench.ground import BenchError, Ground
from bench.limit import drain
from bench.peers import PEERS
from bench.runs import run_initial, run_limit, run_tool
from tests.lab.requirements import require
from tests.lab.wire import ImapError

CHECKOUT = Path(__file__).resolve().parents[2]
KEYS = {"tool", "pass", "wall_s", "cpu_client_s", "cpu_source_s", "cpu_target_s", "peak_rss_mb", "differ"}


@pytest.fixture(autouse=True, scope="module")
def servers() -> None:
    require("dovecot", "openssl")


@pytest.fixture(scope="module")
def ground() -> Iterator[Ground]:
    with Ground(CORPORA["tiny"]()) as ground:
        yield ground


def bench(*arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench", *arguments, "-o", "json"]
    done = subprocess.run(
        command, cwd=CHECKOUT, env=os.environ | {"PYTHONPATH": str(CHECKOUT)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_copy_says_for_each_tool_what_it_cost_and_what_differs() -> None:
    found = bench("copy", "--corpus", "tiny", "--peers", "doveadm", "--runs", "2", "--tls")
    assert [(run["round"], run["tool"], run["differ"]) for run in found["runs"]] == [
        (number, tool, differ)
        for number in (1, 2)
        for tool, differ in (("limit", None), ("migrator", 0), ("doveadm", 0))
    ]
    assert all(run.keys() >= KEYS and run["pass"] == "initial" for run in found["runs"])
    assert found["ratios"].keys() == {"migrator/limit", "migrator/doveadm"}
    ratio = found["ratios"]["migrator/doveadm"]
    assert ratio.keys() == {"wall", "cpu", "peak_rss", "rounds"} and len(ratio["rounds"]) == 2


def test_delta_times_a_pass_without_and_one_with_changes_behind_a_slow_wire() -> None:
    found = bench("delta", "--corpus", "tiny", "--peers", "doveadm", "--runs", "1", "--rtt", "2")
    assert [(run["tool"], run["pass"]) for run in found["runs"]] == [
        (tool, kind) for tool in ("migrator", "doveadm") for kind in ("initial", "none", "mixed")
    ]
    assert all(run["round_trips"] > 0 for run in found["runs"])
    by_run = {(run["tool"], run["pass"]): run for run in found["runs"]}
    assert all(run["differ"] == 0 for run in found["runs"]), found["runs"]
    assert by_run["migrator", "none"]["round_trips"] < by_run["migrator", "initial"]["round_trips"]
    assert found["ratios"].keys() == {f"migrator/doveadm, {kind}" for kind in ("initial", "none", "mixed")}


def test_latency_compares_each_time_with_none() -> None:
    found = bench("latency", "--corpus", "tiny", "--runs", "1")
    assert {(run["tool"], run["rtt_ms"]) for run in found["runs"]} == {
        (tool, time) for tool in ("limit", "migrator") for time in (0, 10, 50)
    }
    limits = {run["rtt_ms"]: run["wall_s"] for run in found["runs"] if run["tool"] == "limit"}
    assert limits[50] >= 2 * 0.05  # to connect, and to log in: no machine is faster than the wire
    assert found["slowdown"].keys() == {
        f"{tool}, tiny, {time} ms" for tool in ("limit", "migrator") for time in (10, 50)
    }


def test_scale_counts_memory_and_state() -> None:
    found = bench("scale", "--messages", "300")
    assert [run["pass"] for run in found["runs"]] == ["initial", "none", "mixed"]
    assert [run["differ"] for run in found["runs"]] == [0, 0, 0]
    assert found["state_octets_per_message"] > 0 and all(run["peak_rss_mb"] > 0 for run in found["runs"])


def test_the_limit_moves_all_mail(ground: Ground) -> None:
    run_limit(ground)
    assert not ground.differences()


def test_a_drain_of_too_little_is_no_limit(ground: Ground) -> None:
    address, held = ground.plan[0]
    folders = [(name, [*commands, *commands]) for name, commands in held.items()]
    with ground.connect("old", address) as connection, pytest.raises(RuntimeError, match="did not send all"):
        drain(connection, folders)


def test_changes_are_seen_by_the_judge_and_undone_for_the_next_tool(ground: Ground) -> None:
    run_initial(ground, PEERS["doveadm"])
    ground.change()
    first = ground.differences()
    assert first == {"lost": 2, "extra": 2, "flag_differs": 2}  # one of each kind in each of two mailboxes
    assert not run_tool(ground, PEERS["doveadm"], "mixed").differ
    assert not run_initial(ground, PEERS["doveadm"]).differ
    ground.change()
    assert ground.differences() == first


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("name", PEERS)
def test_every_peer_that_is_installed_copies_all_mail(name: str, tls: bool) -> None:
    peer = PEERS[name]
    if not peer.installed:
        pytest.skip(f"{name} is not installed: {peer.remedy}")
    with Ground(CORPORA["tiny"](), tls=tls) as fresh:
        runs = [run_initial(fresh, peer), run_tool(fresh, peer, "none")]
        fresh.change()
        runs.append(run_tool(fresh, peer, "mixed"))
    for run in runs:
        assert run.differ is not None and not {"lost", "doubled", "misplaced", "extra"} & set(run.differ), run


def test_a_tool_that_fails_has_no_figures(ground: Ground) -> None:
    with pytest.raises(BenchError, match=r"ended with 3:\nwhy"):
        ground.run(["sh", "-c", "echo why; exit 3"], {})


def test_the_ground_logs_in_as_the_tools_do(ground: Ground) -> None:
    with ground.connect("old", ground.scene.addresses[0]) as connection:
        assert connection.examine("INBOX")["exists"] == 0
        with pytest.raises(ImapError):
            connection.command(b"NONSENSE")
