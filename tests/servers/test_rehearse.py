"""A rehearsal copies, measures, delivers and compares on the real servers, and leaves nothing behind."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from migrator import state
from migrator.model.names import ServerName
from tests.lab.checker import summary
from tests.lab.scene import Scene
from tests.lab.wire import Literal


@pytest.fixture
def scene(make_scene: Callable[..., Scene]) -> Scene:
    made = make_scene({"sales": 3})
    made.fill(per_folder=4)
    made.write_wave("sales")
    return made


def held(scene: Scene) -> tuple[object, ...]:
    """Everything on both servers, and what the workspace has of rehearsals."""
    files = sorted(path.name for path in (scene.workspace / "state").glob("rehearsal*"))
    return scene.snapshots("old"), scene.snapshots("new"), files


def rehearse(scene: Scene, *arguments: str) -> tuple[int, dict[str, Any], str]:
    done = scene.migrator("rehearse", "sales", "-o", "json", *arguments)
    return done.returncode, json.loads(done.stdout or "{}"), done.stderr


def test_a_rehearsal_measures_a_wave_and_leaves_both_servers_as_they_were(scene: Scene) -> None:
    before = held(scene)
    code, told, said = rehearse(scene, "--sample", "100%")
    assert code == 0, f"{told}\n{said}"
    assert held(scene) == before
    messages = sum(len(snapshot.messages()) for snapshot in scene.snapshots("old").values())
    assert (told["mailboxes"], told["messages"], told["errors"], told["left behind"]) == (3, messages, [], [])
    assert (told["mail arrived"], told["fits into the window"]) == ("3 of 3", "no window")
    assert told["audit"].startswith("A"), told
    with state.open(f"sqlite:///{scene.workspace}/state/migrator.db") as store:
        assert store.throughput.last(ServerName("old"), ServerName("new"))
        assert not store.waves.all()
        assert "rehearsed" in [row.what for row in store.audit.rows()]

    done = scene.migrator("wave", "run", "sales", "--yes")
    assert done.returncode == 0, done.stderr
    verdicts = scene.compare(scene.snapshots("old"), scene.snapshots("new"))
    assert all(verdict.clean for verdict in verdicts.values()), summary(verdicts)


def test_a_rehearsal_that_was_killed_is_cleaned_up_by_the_next_and_never_taken_for_mail(scene: Scene) -> None:
    before = held(scene)
    process = scene.begin("rehearse", "sales", until="initial pass over")
    deadline = time.monotonic() + 60
    while not any("migrator-rehearsal" in name for name in folders(scene)):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert any("migrator-rehearsal" in name for name in folders(scene))
    synced = scene.migrator("wave", "run", "sales", "--until", "synced", "--yes")
    assert synced.returncode in (0, 3, 7), synced.stderr  # the dead run's lease on the target may still be in force
    code, _, said = retried(scene)
    assert code == 0, said
    assert not any("migrator-rehearsal" in name for name in folders(scene))
    assert held(scene)[0] == before[0]


def retried(scene: Scene) -> tuple[int, dict[str, Any], str]:
    """A rehearsal, until the leases of a dead run have gone."""
    deadline = time.monotonic() + 90
    while True:
        code, told, said = rehearse(scene)
        if code == 0 or time.monotonic() > deadline:
            return code, told, said
        time.sleep(1)


def test_a_rehearsal_is_never_on_the_server_from_which_the_mail_comes(scene: Scene) -> None:
    before = held(scene)
    twin = {"servers": {"twin": scene._server_config("old")}}
    scene.write_config(
        {**twin, "routing": [{**e, "nexthop": {**e["nexthop"], "twin": None}} for e in scene.routing_entries()]}
    )
    for name in ("old", "twin"):
        code, _, said = rehearse(scene, "--on", name)
        assert code == 6 and "nothing is written to a source" in said, said
    assert held(scene) == before


def test_a_second_rehearsal_of_a_wave_is_refused_and_the_first_goes_on(scene: Scene) -> None:
    before = held(scene)
    first = scene.begin("rehearse", "sales", "-o", "json", until="initial pass over")
    first.send_signal(signal.SIGSTOP)
    try:
        code, _, said = rehearse(scene)
    finally:
        first.send_signal(signal.SIGCONT)
    assert code == 7, said
    assert first.wait(60) == 0
    assert held(scene) == before


def test_mailboxes_that_were_left_out_of_the_wave_are_not_rehearsed(scene: Scene) -> None:
    first, *others = scene.addresses
    assert scene.migrator("mailbox", "skip", first, "--reason", "left the company").returncode == 0
    code, told, said = rehearse(scene)
    assert (code, told.get("mailboxes"), told.get("mail arrived")) == (0, 2, "2 of 2"), said
    for address in others:
        assert scene.migrator("mailbox", "skip", address, "--reason", "left the company").returncode == 0
    code, _, said = rehearse(scene)
    assert code == 6 and "Traceback" not in said, said


def test_what_would_fail_is_told_and_what_can_go_is_measured(make_scene: Callable[..., Scene]) -> None:
    scene = make_scene({"sales": 3}, new={"max_message": "100k"})
    scene.write_wave("sales")
    for address in scene.addresses:
        scene.old.deliver(address, b"Subject: hello\r\n\r\nhello\r\n")
    first, second, _ = scene.addresses
    with scene.old.connect(first) as connection:
        connection.command(b"APPEND INBOX ", Literal(b"Subject: large\r\n\r\n" + b"x" * 76 + b"\r\n" * 60_000))
    scene.new.remove_user(second)
    code, told, said = rehearse(scene)
    assert code == 3, said
    assert told["messages"] >= 3
    assert [text.partition(":")[0] for text in told["errors"]] == [second]
    assert len(told["not copied"]) == 1 and told["not copied"][0].startswith("1 "), told
    assert told["mail arrived"] == "2 of 3"


def folders(scene: Scene) -> list[str]:
    names: list[str] = []
    for address in scene.addresses:
        with scene.new.connect(address) as connection:
            names += [folder.name for folder in connection.folders()]
    return names
