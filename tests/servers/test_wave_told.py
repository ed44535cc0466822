"""A wave on real servers whose canaries enter at the servers, too, and of which people are told."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.lab.checker import summary
from tests.lab.listeners import HOST, Hook, Postbox
from tests.lab.postfix import Postfix
from tests.lab.processes import free_port
from tests.lab.scene import DOMAIN, Scene

QUICK = {"cutover": {"catch_up_quiet": "0s", "drain_timeout": "2s"}, "canary": {"deadline": "20s"}}
FROM_SYNCED = ["synced", "cutover-ready", "freezing", "draining", "final-pass", "flipping", "releasing", "verifying"]
HOME = {"kind": "mail", "from": "it@company.test", "to": ["boss@outside.test"], "language": "ja"}


@pytest.fixture
def scene(make_scene: Callable[..., Scene]) -> Scene:
    made = make_scene({"sales": 2}, config=QUICK)
    made.fill(per_folder=1)
    made.write_wave("sales")
    return made


def config(scene: Scene, **more: Any) -> dict[str, Any]:
    """Canaries enter at the gateway, and at the old server itself instead of its place in `routing:`."""
    entries = scene._default_config()["routing"]
    smtp = entries[1].pop("smtp")
    return {"routing": entries, "servers": {"old": {"smtp": smtp}}, **more}


def test_a_wave_is_moved_while_those_who_are_told_are_down_or_hang(scene: Scene) -> None:
    over = threading.Event()

    def hang() -> int:
        assert over.wait(200)
        return 200

    with Hook() as good, Hook(hang) as slow, Postbox() as box:
        told = [
            {"kind": "webhook", "url": good.url()},
            {"kind": "webhook", "url": slow.url()},
            {"kind": "webhook", "url": f"http://{HOST}:{free_port(HOST)}/S3CRET"},
            HOME | {"smtp": {"host": HOST, "port": box.port}, "events": ["completed", "stopped"]},
        ]
        scene.write_config(config(scene, notify=told))
        run = scene.migrator("wave", "run", "sales", "--yes")
        assert run.returncode == 0, run.stderr
        over.set()
    assert [post["event"] for post in good.posts] == ["syncing", *FROM_SYNCED, "catching-up", "completed"]
    assert good.posts[-1]["counts"]["copied"] > 0
    [mail] = box.mails
    assert mail["Subject"] == "[migrator] 移行ウェーブ sales: 移行が完了しました。メールは新サーバーにあります"
    assert run.stderr.count("was not told that sales is ") >= 2 * len(FROM_SYNCED)
    assert "S3CRET" not in run.stderr
    verdicts = scene.compare(scene.snapshots("old"), scene.snapshots("new"))
    assert all(v.clean for v in verdicts.values()), summary(verdicts)
    report = json.loads(scene.migrator("wave", "report", "sales", "-o", "json").stdout)
    proof = {row["ingress"]: row["found"] for phase in report["canaries"] for row in phase["ingresses"]}
    assert proof == {"gateway": 2, "old": 2}
    lost = [row for row in report["audit"] if row["what"] == "notice not sent"]
    assert len(lost) == run.stderr.count("was not told that sales is ")


def test_a_new_server_that_keeps_the_mail_of_people_who_have_not_moved_is_found_by_the_gate(scene: Scene) -> None:
    with Postfix("new-mta", domain=DOMAIN, default_nexthop=scene.new.nexthop) as new_mta, Hook() as hook:
        changed = config(scene, notify=[{"kind": "webhook", "url": hook.url(), "events": ["stopped"]}])
        changed["servers"]["new"] = {"smtp": {"host": new_mta.host, "port": new_mta.port}}
        scene.write_config(changed)
        run = scene.migrator("wave", "run", "sales", "--yes")
        assert run.returncode == 6, run.stderr
        [stopped] = hook.posts
        assert "new: misrouted, arrived on new" in stopped["error"]
        assert "Mend today's delivery first" in stopped["remedy"]
        assert {scene.destination("gateway", address) for address in scene.addresses} == {"old"}
        new_mta.write_map(dict.fromkeys(scene.addresses, scene.old.nexthop))
        new_mta.reload()
        assert (
            scene.migrator("wave", "run", "sales", "--yes").returncode == 1
        )  # and now it is not proven after the flip
        [_, stopped] = hook.posts
        assert (stopped["was"], stopped["state"]) == ("verifying", "verifying")
        assert "through new: misrouted" in stopped["error"]


def test_of_a_large_wave_a_sample_is_proven_through_every_ingress(make_scene: Callable[..., Scene]) -> None:
    scene = make_scene({"sales": 5}, config=QUICK | {"canary": {"deadline": "20s", "sample_above": 2}})
    scene.write_wave("sales")
    run = scene.migrator("wave", "run", "sales", "--yes")
    assert run.returncode == 0, run.stderr
    assert "a sample of 2 of 5 mailboxes gets one through each ingress" in run.stderr
    report = json.loads(scene.migrator("wave", "report", "sales", "-o", "json").stdout)
    proof = report["canaries"][-1]
    assert (proof["phase"], proof["total"], proof["found"]) == ("cutover", 7, 7)
    assert (proof["mailboxes"], proof["through_all_ingresses"]) == (5, 2)
    assert "a sample: 2 of 5 mailboxes" in scene.migrator("wave", "report", "sales").stdout
