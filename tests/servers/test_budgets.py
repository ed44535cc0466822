"""Budgets on real servers: what is asked for is paid, what is held back loses nothing, and status tells why."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml

from migrator import state
from migrator.dispatch.budgets import ALL, Budget, Budgets
from migrator.dispatch.daybook import DayBook
from migrator.dispatch.pacer import HeldBack, Pacer
from migrator.model.doing import HeldBy
from migrator.model.names import Address, ServerName
from migrator.model.rates import Rate, Timetable
from migrator.model.wave import PassKind
from tests.lab.scene import Scene
from tests.servers.copier_rig import Never, Rig, item
from tests.unit.test_dispatch_budgets import FakeClock, FakeSums

OLD, NEW = ServerName("old"), ServerName("new")
RATE = 10_000


@pytest.fixture
def rig(pair: Any, tmp_path: Any) -> Rig:
    made = Rig(pair.old, pair.new, pair.user(), tmp_path / "rig")
    made.fill_old({"INBOX": [item(f"a{n}") for n in range(150)], "Work": [item(f"b{n}") for n in range(150)]})
    return made


def pacer(clock: FakeClock, new: Budget, kind: PassKind = PassKind.INITIAL) -> tuple[Pacer, DayBook, set[HeldBy]]:
    daybook, told = DayBook(FakeSums(), Timetable(), clock), set[HeldBy]()
    budgets = Budgets({OLD: Budget(), NEW: new, ALL: Budget()}, Timetable(), daybook, clock)
    return Pacer(budgets, clock, kind, Never(), lambda _, hold: told.add(hold.by)), daybook, told


@pytest.mark.parametrize("kind", [PassKind.INITIAL, PassKind.FINAL])
def test_every_octet_that_is_read_and_written_is_paid_for(rig: Rig, kind: PassKind) -> None:
    clock = FakeClock()
    paid, daybook, told = pacer(clock, Budget(Rate(RATE)), kind)
    report = rig.run(kind, pace=paid)
    assert report.copied == 300
    assert rig.compare().clean
    assert daybook.used(NEW) == daybook.used(OLD) == report.octets
    largest = report.octets // 3  # a batch of 100: what is still owed at the end
    assert report.octets - 1.5 * largest <= RATE * (clock.at + 1) <= report.octets + 2 * RATE
    assert told == {HeldBy.BUDGET, HeldBy.NOTHING}


def test_a_pass_that_is_held_back_goes_on_later_and_carries_each_message_once(rig: Rig) -> None:
    clock, held = FakeClock(), 0
    paid, _, _ = pacer(clock, Budget(bytes_per_day=1))
    for _ in range(10):
        try:
            rig.run(pace=paid)
            break
        except HeldBack:
            held += 1
            clock.at += 86_400
    assert 0 < held < 10
    assert rig.counts().copied == 300
    assert rig.compare().clean


@pytest.fixture
def scene(make_scene: Callable[..., Scene]) -> Scene:
    made = make_scene({"sales": 2}, postfix=False)
    made.fill(per_folder=3)
    made.write_wave("sales")
    return made


def shown(scene: Scene) -> dict[str, Any]:
    told = scene.migrator("-o", "json", "wave", "status", "sales").stdout
    return dict(json.loads(told)) if told else {"by_mailbox": []}  # there is no state yet


def wait_for(scene: Scene, standing: str) -> dict[str, Any]:
    deadline = time.monotonic() + 30
    while True:
        found = shown(scene)
        if any(box["standing"] == standing for box in found["by_mailbox"]):
            return found
        assert time.monotonic() < deadline, found


def test_status_tells_of_an_hour_of_rest_while_the_run_lives_and_no_longer(scene: Scene) -> None:
    now = datetime.now(UTC)
    hours = {"from": f"{now - timedelta(hours=1):%H:%M}", "to": f"{now + timedelta(hours=2):%H:%M}", "rate": "stop"}
    scene.write_config({"windows": {"timezone": "UTC", "rates": [hours]}})
    with subprocess.Popen(
        scene.command("wave", "run", "sales", "--until", "synced"), cwd=scene.workspace, stdin=subprocess.DEVNULL,
        env=scene.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as run:  # fmt: skip
        try:
            found = wait_for(scene, "held back")
        finally:
            os.kill(run.pid, signal.SIGKILL)
    told = {box["doing"] for box in found["by_mailbox"] if box["standing"] == "held back"}
    assert len(told) == 1
    assert min(told).startswith("waits (window): `windows:` stops all copying, until 20")
    assert hours["to"] in min(told)
    assert found["left"] == "not known yet"
    after = shown(scene)
    assert {(box["standing"], box["doing"]) for box in after["by_mailbox"]} == {("waiting", "")}
    scene.write_config({"windows": {"rates": []}})
    assert scene.migrator("wave", "run", "sales", "--until", "synced").returncode == 0


def test_a_spent_day_beyond_the_wave_s_window_ends_the_run_and_the_next_resumes_it(scene: Scene) -> None:
    path = scene.workspace / "waves" / "sales.yaml"
    begun = datetime.now(UTC)
    window = {"start": (begun - timedelta(hours=1)).isoformat(), "end": (begun + timedelta(minutes=1)).isoformat()}
    path.write_text(path.read_text() + yaml.safe_dump({"window": window}))
    server = scene._default_config()["servers"]["new"]
    scene.write_config({"servers": {"new": server | {"limits": {"bytes_per_day": 1}}}})
    run = scene.migrator("wave", "run", "sales", "--until", "synced")
    assert run.returncode == 3
    assert "new: bytes_per_day 1 used up; nothing more before" in run.stderr
    scene.write_config({"servers": {"new": server | {"limits": {"bytes_per_day": 10**9}}}})
    again = scene.migrator("wave", "run", "sales", "--until", "synced")
    assert again.returncode == 0, again.stderr
    verdicts = scene.compare(scene.snapshots("old"), scene.snapshots("new"))
    assert all(verdict.clean for verdict in verdicts.values())
    with state.open(f"sqlite:///{scene.workspace}/state/migrator.db") as store:
        days = [(begun + timedelta(days=n)).date().isoformat() for n in (0, 1)]
        copied = sum(store.ledger.counts(Address(address)).octets for address in scene.addresses)
        assert sum(store.spent.on(day).get(NEW, 0) for day in days) >= copied > 0
