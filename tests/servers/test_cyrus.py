"""A department moves from Dovecot to Cyrus, which refuses some messages, while mail arrives; and comes back."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import cast

import pytest

from migrator.model.errors import ExitCode
from tests.lab import require
from tests.lab.checker import Verdict, judge_traffic, summary
from tests.lab.cyrus import Cyrus
from tests.lab.dovecot import Dovecot
from tests.lab.scene import Scene


@pytest.fixture
def scene(stack: ExitStack) -> Scene:
    require("dovecot", "cyrus", "postfix")
    made = Scene({"sales": 3}, auth="password")
    made.new.remove()
    made.new = made.servers["new"] = cast(Dovecot, Cyrus("new", users=made.addresses))
    return stack.enter_context(made)


def assert_nothing_else(verdicts: Mapping[str, Verdict]) -> None:
    """No fault but what Cyrus does to 8-bit octets of a header (`munge8bit`), and lost messages."""
    faults = [
        [
            *v.doubled,
            *v.misplaced,
            *v.flag_differs,
            *v.date_differs,
            *(a for a in v.altered if "only in grade L4" not in a),
        ]
        for v in verdicts.values()
    ]
    assert not any(faults), faults


def test_a_wave_moves_to_cyrus_without_what_cyrus_refuses_and_comes_back_with_its_new_mail(scene: Scene) -> None:
    scene.fill(per_folder=4)
    scene.write_wave("sales")
    traffic = scene.traffic(rate=5).start()
    stopped = scene.migrator("wave", "run", "sales", "--yes")
    assert stopped.returncode == ExitCode.GATE_REFUSED, stopped.stderr
    refused = int(stopped.stderr.partition("gate failures: CLOSED: ")[2].partition(" messages")[0])
    for address in scene.addresses:
        scene.migrator("mailbox", "accept", address, "--reason", "Cyrus takes no such headers")

    done = scene.migrator("wave", "run", "sales", "--yes")
    sent = traffic.stop()
    assert done.returncode == 0, done.stderr
    scene.wait_until_delivered()
    old, new = scene.snapshots("old"), scene.snapshots("new")
    verdicts = scene.compare(old, new)
    assert sum(len(verdict.lost) for verdict in verdicts.values()) == refused > 0, summary(verdicts)
    assert_nothing_else(verdicts)
    assert judge_traffic(sent, old, new, dict.fromkeys(scene.addresses, "new")).clean

    traffic = scene.traffic(rate=5).start()
    back = scene.migrator("wave", "rollback", "sales", "--yes")
    sent = traffic.stop()
    assert back.returncode == 0, back.stderr
    scene.wait_until_delivered()
    old, new = scene.snapshots("old"), scene.snapshots("new")
    verdicts = scene.compare(new, old)
    assert not any(verdict.lost for verdict in verdicts.values()), summary(verdicts)
    assert_nothing_else(verdicts)
    assert judge_traffic(sent, old, new, dict.fromkeys(scene.addresses, "old")).clean
