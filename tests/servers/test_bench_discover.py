"""`./dev bench discover` runs, kills, resumes, and judges what it measured. Nothing here is about time."""

from __future__ import annotations

from bench.discover import bench_discover
from tests.lab.requirements import require


def test_a_look_that_was_killed_is_resumed_and_every_size_is_right() -> None:
    require("dovecot")
    found = bench_discover(12, 3, 2)
    assert found["wrong"] == 0
    assert 0 < found["left_after_kill"] < 12
    assert {"whole_s", "resumed_s", "killed_and_resumed_s"} <= found.keys()
