"""A wave whose gateway is on another host (through a real sshd) and one of whose places only a person can work."""

import json
import re
import subprocess
import sys

import pytest

from tests.contract.places_command import example
from tests.lab import require
from tests.lab.sshd import Sshd

TOKEN = re.compile(r"migrator route confirm (\S+)$")


@pytest.fixture
def company(make_scene, stack):
    """Two mailboxes; a gateway through ssh, the old server's MTA, a program's place, and a console."""
    require("sshd")
    scene = make_scene({"sales": 2})
    sshd = stack.enter_context(Sshd())
    scene.write_wave("sales")
    scene.fill(per_folder=2)
    (scene.workspace / "routes").write_text("")
    (scene.workspace / "exim-routes").write_text(example())
    command = f"env ROUTES={scene.workspace}/routes {sys.executable} {scene.workspace}/exim-routes"
    gateway = {**scene._routing_config("gateway"), "via": sshd.via()}
    exim = {"name": "exim", "kind": "command", "command": command, "nexthop": {"old": None, "new": "new.test"}}
    console = {"name": "console", "kind": "manual", "instructions": "Mail flow.", "nexthop": {"old": None, "new": "on"}}
    scene.write_config({"routing": [gateway, scene._routing_config("old-mta"), exim, console]})
    return scene


def with_a_person(scene, *arguments):
    """Run a command; somebody reads what it prints and confirms every token.

    Its exit status and text, and where mail went when each token was printed.
    """
    running = subprocess.Popen(
        scene.command(*arguments), cwd=scene.workspace, env=scene.environment(), stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert running.stderr is not None
    text, asked = "", []
    for line in running.stderr:
        text += line
        if found := TOKEN.search(line.strip()):
            asked.append(destinations(scene))
            assert scene.migrator("route", "confirm", found.group(1)).returncode == 0
    return running.wait(), text, asked


def state_of(scene):
    return json.loads(scene.migrator("wave", "status", "sales", "-o", "json").stdout)["state"]


def destinations(scene):
    return {scene.destination(router, address) for router in scene.routers for address in scene.addresses}


def test_a_wave_goes_there_and_back_through_ssh_a_program_and_a_person(company):
    status, text, asked = with_a_person(company, "wave", "run", "sales", "--yes")
    assert (status, state_of(company), asked) == (0, "completed", [{"new"}]), text
    assert destinations(company) == {"new"}
    assert sorted((company.workspace / "routes").read_text().splitlines()) == [
        f"{address}: new.test" for address in company.addresses
    ]
    report = company.migrator("wave", "report", "sales").stdout
    assert re.search(r"flip of 2 at [^|]*\(confirmed by \S+ at ", report)
    shown = json.loads(company.migrator("route", "show", "-o", "json").stdout)
    assert {row["server"] for row in shown} == {"new"}

    status, text, asked = with_a_person(company, "wave", "rollback", "sales", "--yes")
    assert (status, state_of(company), asked) == (0, "rolled-back", [{"old"}]), text  # no mail waits for a person
    assert destinations(company) == {"old"}
    assert (company.workspace / "routes").read_text() == ""


def test_when_nobody_confirms_every_other_place_goes_back_and_the_rest_when_somebody_does(company):
    company.write_config({"cutover": {"freeze_deadline": "15s"}})
    done = company.migrator("wave", "run", "sales", "--yes")
    assert done.returncode != 0
    assert "nobody confirmed the change set" in done.stderr
    assert state_of(company) == "flipping-back"
    assert destinations(company) == {"old"}
    assert (company.workspace / "routes").read_text() == ""
    locked = 7
    status, text, asked = locked, "", []
    while status == locked:  # its guard looks after it for a moment, and waits for no person
        status, text, asked = with_a_person(company, "wave", "rollback", "sales", "--yes")
    assert (status, state_of(company), asked) == (0, "rolled-back", [{"old"}]), text
