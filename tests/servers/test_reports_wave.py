"""The report of a wave that really ran: its figures are those that the laboratory counts."""

from __future__ import annotations

import json
import subprocess
import time

MESSAGE = b"From: a@outside.test\r\nTo: b@company.test\r\nSubject: after the move\r\n\r\nnew mail\r\n"


def report(scene, wave="sales"):
    made = scene.migrator("wave", "report", wave, "-o", "json")
    assert made.returncode == 0, made.stderr
    return json.loads(made.stdout)


def run(scene, *arguments):
    done = scene.migrator("wave", *arguments)
    assert done.returncode == 0, done.stderr


def test_the_figures_of_a_move_and_of_its_rollback_are_those_of_the_laboratory(make_scene):
    scene = make_scene({"sales": 3})
    filled = scene.fill(per_folder=4)
    scene.write_wave("sales")
    run(scene, "run", "sales", "--yes")
    moved = report(scene)
    assert moved["light"] == "green", moved["findings"]
    assert moved["totals"]["copied"] + moved["totals"]["present"] == filled
    assert moved["totals"]["difference"] == 0
    assert [(kind["reason"], len(kind["messages"])) for kind in moved["not_carried"]] == [("canary", 2)]
    (cutover,) = [phase for phase in moved["canaries"] if phase["phase"] == "cutover"]
    assert (cutover["sent"], cutover["found"]) == (6, 6)
    assert [[step["step"] for step in row["steps"]] for row in moved["routes"]] == [["freeze", "flip"]] * 2

    for address in scene.addresses:
        scene.new.deliver(address, MESSAGE)
    run(scene, "rollback", "sales", "--yes")
    back = report(scene)
    assert back["light"] == "green", back["findings"]
    assert back["rollback"] == {"carried_back": 3, "unresolved": []}
    text = scene.migrator("wave", "report", "sales").stdout
    assert "3 messages were carried back" in text
    secrets = [server.master_password for server in scene.servers.values()]
    assert not any(secret in text for secret in secrets)


def test_after_a_kill_the_report_and_the_status_say_where_it_stopped(make_scene):
    scene = make_scene({"sales": 3}, postfix=False)
    filled = scene.fill(per_folder=250)
    scene.write_wave("sales")
    command = scene.command("wave", "run", "sales", "--until", "synced")
    killed = subprocess.Popen(
        command, cwd=scene.workspace, env=scene.environment(), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert killed.stderr is not None
    for line in killed.stderr:
        if b"initial pass over" in line:
            break
    time.sleep(0.2)
    killed.kill()
    killed.communicate()
    stopped = report(scene)
    assert (stopped["state"], stopped["light"]) == ("syncing", "amber")
    assert stopped["totals"]["copied"] < filled
    standing = json.loads(scene.migrator("wave", "status", "sales", "-o", "json").stdout)
    assert "interrupted" in {box["standing"] for box in standing["by_mailbox"]}
    run(scene, "run", "sales", "--until", "synced")
    resumed = report(scene)
    assert resumed["light"] == "green", resumed["findings"]
    assert resumed["totals"]["copied"] + resumed["totals"]["present"] == filled
