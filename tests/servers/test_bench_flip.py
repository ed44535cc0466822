"""The benchmark of flips runs on real maps, and its judge sees what is wrong. Nothing here is about time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from bench.flip import NEEDS, NEW, OLD, _ground
from bench.tables import render
from migrator.model.names import Address
from tests.lab import require

CHECKOUT = Path(__file__).resolve().parents[2]


def test_each_kind_is_flipped_there_and_back_and_judged() -> None:
    require(*{need for needs in NEEDS.values() for need in needs})
    command = [sys.executable, "-m", "bench", "flip", "--entries", "50", "--flips", "5", "--runs", "1", "-o", "json"]
    environment = os.environ | {"PYTHONPATH": str(CHECKOUT)}
    done = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["entries"], found["flips"]) == (50, 5)
    assert [(row["kind"], row["way"], row["wrong"]) for row in found["flipped"]] == [
        (kind, way, 0) for kind in NEEDS for way in ("there", "back")
    ]
    assert all(row.keys() >= {"wall_s", "plan_s", "apply_s", "read_s"} for row in found["flipped"])
    assert [line.split()[0] for line in render(found).splitlines()[2:]] == ["kind", *NEEDS]


def test_the_judge_counts_what_postfix_finds_otherwise() -> None:
    require("postfix")
    with _ground("hash", {Address("a@company.test"): OLD, Address("b@company.test"): OLD}) as ground:
        expected = {Address(f"{name}@company.test"): value for name, value in (("a", OLD), ("b", NEW), ("c", OLD))}
        assert ground.wrong(expected) == 2
