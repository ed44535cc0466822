"""Gates that look at real servers: what is wrong is found before any mail is held back."""

import json
from collections.abc import Callable

import pytest

from tests.lab.scene import Scene
from tests.servers.test_wave_faults import QUICK, destinations, routing

MakeScene = Callable[..., Scene]


def gates(scene: Scene, *options: str) -> dict[str, dict[str, object]]:
    answer = scene.migrator("wave", "check", "sales", "-o", "json", *options)
    return {row["gate"]: row for row in json.loads(answer.stdout)}


@pytest.fixture
def scene(make_scene: MakeScene) -> Scene:
    made = make_scene({"sales": 2}, config=QUICK)
    made.fill(per_folder=1)
    made.write_wave("sales")
    return made


def test_a_route_that_would_loop_after_the_flip_is_found_before_the_freeze(scene: Scene) -> None:
    gateway, old_mta = scene.gateway, scene.old_mta
    to_old_mta, to_gateway = f"smtp:[{old_mta.host}]:{old_mta.port}", f"smtp:[{gateway.host}]:{gateway.port}"
    routing(
        scene,
        gateway={"nexthop": {"old": scene.old.nexthop, "new": to_old_mta}},
        old_mta={"nexthop": {"old": None, "new": to_gateway}},
    )
    refused = scene.migrator("wave", "run", "sales", "--yes")
    assert refused.returncode == 6
    assert f"{scene.addresses[0]}: gateway > old-mta > gateway ends in a loop" in refused.stderr
    assert "freezing" not in refused.stderr
    assert destinations(scene) == {"old"}


def test_all_gates_are_open_for_a_wave_in_step_and_say_what_they_saw(scene: Scene) -> None:
    assert scene.migrator("wave", "run", "sales", "--until", "synced").returncode == 0
    found = gates(scene)
    assert {row["open"] for row in found.values()} == {True}
    assert found["loops"]["found"].startswith("4 ways followed")  # type: ignore[attr-defined]
    assert found["lag"]["found"] == "0 messages behind, 100 may be"


def test_a_full_mailbox_a_wrong_password_and_a_full_disk_are_seen(make_scene: MakeScene) -> None:
    scene = make_scene({"sales": 1}, config=QUICK, new={"quota": "100k"})
    scene.fill(per_folder=6)
    scene.write_wave("sales")
    scene.migrator("wave", "run", "sales", "--until", "synced")
    scene.write_config({"gates": {"quota_free": 100, "free_disk": "900TB"}})
    (scene.workspace / "secrets" / "old-master").write_text("wrong\n")
    found = gates(scene)
    assert [name for name in ("quota", "disk", "credentials", "accounts") if found[name]["open"]] == ["accounts"]
    assert f"{scene.addresses[0]}: " in str(found["quota"]["found"])
    assert "of 102,400 octets used" in str(found["quota"]["found"])
