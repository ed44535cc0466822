"""The main job on real servers: a department moves while mail keeps arriving, and can be taken back."""

import json
from collections.abc import Callable

import pytest

from tests.lab.checker import judge_traffic, summary
from tests.lab.scene import Scene

PEOPLE = {"sales": 20}


def test_a_department_moves_and_comes_back_while_mail_keeps_arriving(make_scene: Callable[..., Scene]) -> None:
    scene = make_scene(PEOPLE)
    filled = scene.fill(per_folder=8)
    scene.old.record_commands()
    assert_moved(scene, filled)
    scene.old.record_commands(on=False)
    assert_came_back(scene)


def assert_moved(scene: Scene, filled: int) -> None:
    """`wave plan` and `wave run`, with mail at 10 a second through the gateway and through the old server."""
    planned = scene.migrator("wave", "plan", "--yes")
    assert planned.returncode == 0, planned.stderr
    traffic = scene.traffic(rate=10).start()
    run = scene.migrator("wave", "run", "sales", "--yes")
    sent = traffic.stop()
    assert run.returncode == 0, run.stderr
    scene.wait_until_delivered()
    old, new = scene.snapshots("old"), scene.snapshots("new")
    verdicts = scene.compare(old, new)
    assert all(v.clean for v in verdicts.values()), summary(verdicts) + run.stderr
    assert sum(len(s.messages()) for s in old.values()) >= filled
    judged = judge_traffic(sent, old, new, dict.fromkeys(scene.addresses, "new"))
    assert judged.clean, f"{judged}\n{run.stderr}"
    assert len(sent) > 10
    assert not scene.split_routes()
    assert {scene.destination("gateway", address) for address in scene.addresses} == {"new"}
    assert [command for command in scene.old.commands() if command.writes] == []
    assert scene.old.commands(), "nothing was recorded, so nothing was proven"
    report = json.loads(scene.migrator("wave", "report", "sales", "-o", "json").stdout)
    assert report["state"] == "completed"


def assert_came_back(scene: Scene) -> None:
    """`wave rollback`, with mail all the while: what reached the new server is on the old one, once."""
    traffic = scene.traffic(rate=10).start()
    back = scene.migrator("wave", "rollback", "sales", "--yes")
    sent = traffic.stop()
    assert back.returncode == 0, back.stderr
    scene.wait_until_delivered()
    old, new = scene.snapshots("old"), scene.snapshots("new")
    verdicts = scene.compare(new, old)
    assert all(v.clean for v in verdicts.values()), summary(verdicts) + back.stderr
    judged = judge_traffic(sent, old, new, dict.fromkeys(scene.addresses, "old"))
    assert judged.clean, f"{judged}\n{back.stderr}"
    assert not scene.split_routes()
    assert {scene.destination("gateway", address) for address in scene.addresses} == {"old"}


@pytest.mark.parametrize("map_types", [("hash", "texthash"), ("lmdb", "cdb")])
def test_every_kind_of_map_is_flipped_and_flipped_back(
    make_scene: Callable[..., Scene], map_types: tuple[str, str]
) -> None:
    scene = make_scene({"sales": 2}, map_types=map_types)
    scene.fill(per_folder=1)
    scene.write_wave("sales")
    for command, side in ((("run", "sales", "--yes"), "new"), (("rollback", "sales", "--yes"), "old")):
        done = scene.migrator("wave", *command)
        assert done.returncode == 0, done.stderr
        places = {scene.destination(router, a) for router in scene.routers for a in scene.addresses}
        assert places == {side}
