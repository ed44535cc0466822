"""What a wave does when something is wrong: it stops where nothing is lost, says why, and goes on when it is mended."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.lab.checker import judge_traffic, summary
from tests.lab.scene import Scene

QUICK = {"cutover": {"catch_up_quiet": "0s", "drain_timeout": "2s"}, "canary": {"deadline": "20s"}}


@pytest.fixture
def scene(make_scene: Callable[..., Scene]) -> Scene:
    made = make_scene({"sales": 2}, config=QUICK)
    made.fill(per_folder=1)
    made.write_wave("sales")
    return made


def destinations(scene: Scene) -> set[str]:
    return {scene.destination(router, address) for router in scene.routers for address in scene.addresses}


def routing(scene: Scene, **changes: dict[str, object]) -> None:
    """Change entries of `routing:` by the name of their place."""
    entries = [entry | changes.get(entry["name"].replace("-", "_"), {}) for entry in scene._default_config()["routing"]]
    scene.write_config({"routing": entries})


def keep_busy(scene: Scene, directory: Path) -> None:
    """The gateway's queue looks as if mail for everybody were being delivered for ever."""
    busy = directory / "busy"
    recipients = "".join(f'{{"address": "{address}"}},' for address in scene.addresses).rstrip(",")
    busy.write_text(f'#!/bin/sh\necho \'{{"queue_name": "active", "queue_id": "A", "recipients": [{recipients}]}}\'\n')
    busy.chmod(0o755)
    routing(scene, gateway={"queue": {"list": str(busy), "flush": "true"}})


def assert_all_is_well(scene: Scene, side: str) -> None:
    assert destinations(scene) == {side}
    verdicts = scene.compare(scene.snapshots("old"), scene.snapshots("new"))
    assert all(v.clean for v in verdicts.values()), summary(verdicts)


def test_a_hand_edit_stops_the_cutover_and_is_shown(scene: Scene) -> None:
    scene.old_mta.write_map({scene.addresses[0]: "smtp:[elsewhere.example]"})
    run = scene.migrator("wave", "run", "sales", "--yes")
    assert run.returncode == 6
    assert "elsewhere.example" in run.stderr
    assert scene.destination("gateway", scene.addresses[0]) == "old"
    scene.old_mta.write_map({})
    assert scene.migrator("wave", "run", "sales", "--yes").returncode == 0
    assert_all_is_well(scene, "new")


def test_a_place_that_cannot_be_told_leaves_no_mail_frozen_at_the_others(scene: Scene) -> None:
    routing(scene, old_mta={"reload": "false"})
    run = scene.migrator("wave", "run", "sales", "--yes")
    assert run.returncode == 1, run.stderr
    assert "old-mta" in run.stderr
    assert destinations(scene) == {"old"}
    routing(scene)
    mended = scene.migrator("wave", "run", "sales", "--yes")
    assert mended.returncode == 0, mended.stderr
    assert_all_is_well(scene, "new")


def test_a_freeze_that_reaches_its_deadline_is_taken_back(scene: Scene, tmp_path: Path) -> None:
    keep_busy(scene, tmp_path)
    scene.write_config({"cutover": {"freeze_deadline": "1s"}})
    run = scene.migrator("wave", "run", "sales", "--yes")
    assert run.returncode == 1, run.stderr
    assert "deadline" in run.stderr
    assert destinations(scene) == {"old"}
    assert "synced" in scene.migrator("wave", "status", "sales").stdout
    routing(scene)
    scene.write_config({"cutover": {"freeze_deadline": "2m"}})
    assert scene.migrator("wave", "run", "sales", "--yes").returncode == 0
    assert_all_is_well(scene, "new")


def test_a_flip_to_the_wrong_place_is_found_by_the_canaries_and_can_be_rolled_back(scene: Scene) -> None:
    wrong = {"old": scene.old.nexthop, "new": f"lmtp:inet:{scene.old.host}:{scene.old.lmtp_port} "}
    wrong["new"] = (
        wrong["new"]
        .replace("lmtp:inet:", "lmtp:inet:[")
        .replace(f":{scene.old.lmtp_port} ", f"]:{scene.old.lmtp_port}")
    )
    routing(scene, gateway={"nexthop": wrong})
    run = scene.migrator("wave", "run", "sales", "--yes")
    assert run.returncode == 1, run.stderr
    assert "misrouted" in run.stderr
    assert "migrator wave rollback sales" in run.stderr
    back = scene.migrator("wave", "rollback", "sales", "--yes")
    assert back.returncode == 0, back.stderr
    assert destinations(scene) == {"old"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_at_a_safe_point_and_the_same_command_goes_on(scene: Scene, number: signal.Signals) -> None:
    run = scene.begin("wave", "run", "sales", "--yes", until="initial pass over")
    assert run.stderr is not None
    for _ in range(2):
        os.kill(run.pid, number)
        time.sleep(0.05)
    said = run.stderr.read()
    # a signal that comes when all is stopped already ends the process by itself; a shell calls both the same
    assert run.wait(60) in (128 + number, -number), said
    assert "To go on later: migrator wave run sales --yes" in said
    assert destinations(scene) == {"old"}
    assert scene.migrator("wave", "run", "sales", "--yes").returncode == 0
    assert_all_is_well(scene, "new")


def test_where_no_mail_can_be_held_back_late_mail_is_carried_over(scene: Scene) -> None:
    routing(scene, gateway={"freeze": None}, old_mta={"freeze": None})
    traffic = scene.traffic(rate=10).start()
    run = scene.migrator("wave", "run", "sales", "--yes")
    sent = traffic.stop()
    assert run.returncode == 0, run.stderr
    scene.wait_until_delivered()
    assert scene.migrator("wave", "run", "sales", "--yes").returncode == 0
    assert_all_is_well(scene, "new")
    judged = judge_traffic(sent, scene.snapshots("old"), scene.snapshots("new"), dict.fromkeys(scene.addresses, "new"))
    assert judged.clean, f"{judged}\n{run.stderr}"
