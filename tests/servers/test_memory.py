"""A message is streamed: however large it is, the program needs no more memory than for a small one."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from bench import launch
from tests.lab.corpus import append, item, large, messages
from tests.lab.scene import Scene

LARGE = 60_000_000
ALLOWED_MB = 12.0


def peak_mb(scene: Scene) -> float:
    """Peak memory of `wave run sales --until synced`, MB of 2^20."""
    told = scene.directory / "cost.json"
    command = [sys.executable, "-IS", launch.__file__, str(told), *scene.command("wave", "run", "sales")]
    done = subprocess.run(
        [*command, "--until", "synced"], cwd=scene.workspace, env=scene.environment(), capture_output=True, text=True
    )
    cost: dict[str, Any] = json.loads(told.read_text())
    assert cost["exit_code"] == 0, done.stderr
    return float(cost["peak_rss_mb"])


def test_a_large_message_costs_no_more_memory_than_small_ones(make_scene: Callable[..., Scene]) -> None:
    scene = make_scene({"sales": 1}, postfix=False)
    scene.write_wave("sales")
    chance = random.Random("memory")
    with scene.old.connect(scene.addresses[0]) as connection:
        append(connection, "INBOX", [item(chance, octets) for octets in messages(1, 20)])
        small = peak_mb(scene)
        append(connection, "INBOX", [item(chance, large(1, LARGE))])
    assert peak_mb(scene) < small + ALLOWED_MB
    verdicts = scene.compare(scene.snapshots("old"), scene.snapshots("new"))
    assert all(verdict.clean for verdict in verdicts.values()), verdicts
    copied = [m.size for one in scene.snapshots("new").values() for m in one.messages()]
    assert max(copied) > LARGE * 0.99
