"""Single mailboxes that go back while their wave stays, and a freeze whose run has died."""

import json
import signal
import smtplib
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.lab.checker import summary
from tests.lab.scene import Scene
from tests.servers.test_wave_faults import QUICK, destinations, keep_busy


@pytest.fixture
def scene(make_scene: Callable[..., Scene]) -> Scene:
    made = make_scene({"sales": 3}, config=QUICK)
    made.fill(per_folder=1)
    made.write_wave("sales")
    return made


def send(scene: Scene, address: str, token: str) -> None:
    with smtplib.SMTP(scene.gateway.host, scene.gateway.port, timeout=20) as server:
        text = f"Subject: late\r\nMessage-ID: <{token}@outside.test>\r\n\r\n{token}\r\n"
        server.sendmail("sender@outside.test", [address], text)
    scene.wait_until_delivered()


def state(scene: Scene, wave: str) -> str:
    return str(json.loads(scene.migrator("wave", "status", wave, "-o", "json").stdout)["state"])


def ok(run: "subprocess.CompletedProcess[str]") -> "subprocess.CompletedProcess[str]":
    assert run.returncode == 0, run.stderr
    return run


def test_one_mailbox_goes_back_with_its_new_mail_and_forward_again_and_nothing_doubles(scene: Scene) -> None:
    one = scene.addresses[0]
    ok(scene.migrator("wave", "run", "sales", "--yes"))
    send(scene, one, "came-to-the-new-server")
    shown = ok(scene.migrator("wave", "rollback", "sales", "--mailbox", one, "--dry-run", "-o", "json")).stdout
    assert {row["mailbox"] for row in json.loads(shown) if row["messages"]} == {one}
    ok(scene.migrator("wave", "rollback", "sales", "-m", one, "--yes"))
    assert [scene.destination("gateway", address) for address in scene.addresses] == ["old", "new", "new"]
    assert [scene.destination("old-mta", address) for address in scene.addresses] == ["old", "new", "new"]
    assert (state(scene, "sales"), state(scene, "sales~1")) == ("completed", "rolled-back")
    assert "sales~1: 1 rolled-back" in scene.migrator("wave", "status", "sales").stdout
    verdict = scene.compare(scene.snapshots("new", [one]), scene.snapshots("old", [one]))
    assert all(v.clean for v in verdict.values()), summary(verdict)
    ok(scene.migrator("wave", "run", "sales", "--yes"))  # catches up those that stayed, and leaves that one alone
    assert state(scene, "sales~1") == "rolled-back"
    send(scene, one, "came-to-the-old-server")
    ok(scene.migrator("wave", "run", "sales~1", "--yes"))
    assert destinations(scene) == {"new"}
    verdict = scene.compare(scene.snapshots("old"), scene.snapshots("new"))
    assert all(v.clean for v in verdict.values()), summary(verdict)
    ok(scene.migrator("wave", "run", "sales", "--yes"))
    status = json.loads(scene.migrator("wave", "status", "sales", "-o", "json").stdout)
    assert [row["mailbox"] for row in status["by_mailbox"]] == scene.addresses  # one wave again
    ok(scene.migrator("wave", "rollback", "sales", "--yes"))
    assert destinations(scene) == {"old"}


def test_a_mailbox_of_a_wave_that_is_not_cut_over_does_not_go_back_by_itself(scene: Scene) -> None:
    ok(scene.migrator("wave", "run", "sales", "--until", "synced"))
    refused = scene.migrator("wave", "rollback", "sales", "-m", scene.addresses[0], "--yes")
    assert refused.returncode == 6
    assert "migrator mailbox skip" in refused.stderr


def test_a_freeze_whose_run_was_killed_is_taken_back_without_anybody(scene: Scene, tmp_path: Path) -> None:
    keep_busy(scene, tmp_path)
    scene.write_config({"cutover": {"freeze_deadline": "5s", "drain_timeout": "1m"}, "lease": {"ttl": "2s"}})
    run = scene.begin("wave", "run", "sales", "--yes", until="freezing -> draining")
    assert not destinations(scene) & {"old", "new"}
    run.send_signal(signal.SIGKILL)
    run.wait()
    for _ in range(300):
        if state(scene, "sales") == "synced":
            break
        time.sleep(0.1)
    assert destinations(scene) == {"old"}
    status = json.loads(scene.migrator("wave", "status", "sales", "-o", "json").stdout)
    assert "has died" in status["error"]


def test_a_probe_says_where_mail_arrives_before_and_after_the_cutover_and_is_tidy(scene: Scene) -> None:
    one = scene.addresses[0]
    before = ok(scene.migrator("probe", one, "-o", "json"))
    rows = json.loads(before.stdout)
    assert [(row["through"], row["to"], row["state"]) for row in rows] == [
        ("gateway", "old", "proven"),
        ("old-mta", "old", "proven"),
    ]
    assert "stay in its old mailbox" in before.stderr
    ok(scene.migrator("wave", "run", "sales", "--yes"))
    held = scene.snapshots("new", [one])
    rows = json.loads(ok(scene.migrator("probe", one, "-t", "old-mta", "-o", "json")).stdout)
    assert [(row["through"], row["to"], row["state"]) for row in rows] == [("old-mta", "new", "proven")]
    assert scene.snapshots("new", [one]) == held
    verdict = scene.compare(scene.snapshots("old", [one]), scene.snapshots("new", [one]))
    assert all(v.clean for v in verdict.values()), summary(verdict)
    scene.gateway.write_map(dict.fromkeys(scene.addresses, scene.old.nexthop))
    scene.gateway.reload()
    astray = scene.migrator("probe", one, "-t", "gateway", "-o", "json")
    assert astray.returncode == 1
    assert [row["state"] for row in json.loads(astray.stdout)] == ["misrouted"]
    assert scene.migrator("probe", one, "-t", "nowhere").returncode == 6


def test_a_cutover_is_held_from_another_terminal_and_goes_when_it_is_released(scene: Scene) -> None:
    ok(scene.migrator("wave", "run", "sales", "--until", "synced"))
    held = ok(scene.migrator("wave", "cutover", "sales", "--postpone", "-o", "json"))
    assert json.loads(held.stdout)["postponed"] is True
    assert "postponed until --go" in scene.migrator("wave", "status", "sales").stdout
    run = scene.begin("wave", "cutover", "sales", "--yes", until="the cutover waits: postponed")
    assert run.stderr is not None
    assert destinations(scene) == {"old"}
    released = json.loads(ok(scene.migrator("wave", "cutover", "sales", "--go", "-o", "json")).stdout)
    assert (released["postponed"], f"pid {run.pid}" in released["run_by"]) == (False, True)
    run.stderr.read()
    assert run.wait(60) == 0
    assert destinations(scene) == {"new"}
