"""Accounts that are missing on the target are made by the operator's command, or reported."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

import pytest

from migrator.model.errors import ExitCode
from tests.lab.scene import Scene

HOOK = """
import json, sys
told = json.load(sys.stdin)
with open({log!r}, "a") as log:
    print(json.dumps(told), file=log)
if told["address"].startswith("u0003"):
    sys.exit("no licence left")
with open({users!r}, "a") as users:
    print(told["login"] + ":{{PLAIN}}" + {password!r} + "::::::", file=users)
"""


@pytest.fixture
def scene(make_scene: Callable[..., Scene]) -> Scene:
    """A company of three, two of whom have no account on the new server; the command makes those it can."""
    made = make_scene({"sales": 3}, auth="password")
    _, second, third = made.addresses
    for address in made.addresses:
        made.old.deliver(address, b"Subject: hello\r\n\r\nhello\r\n")
    password = made.new.passwords[second]
    made.new.remove_user(second)
    made.new.remove_user(third)
    script = made.directory / "make-account"
    users, log = str(made.new.directory / "users"), str(made.directory / "asked")
    script.write_text(HOOK.format(users=users, log=log, password=password))
    made.new.passwords[second] = password
    made.write_config({"servers": {"new": {"provision": f"{sys.executable} {script}"}}})
    made.write_wave("sales")
    return made


def asked(scene: Scene) -> list[str]:
    lines = (scene.directory / "asked").read_text().splitlines()
    return sorted(json.loads(line)["address"] for line in lines)


def test_a_missing_account_is_made_and_one_that_cannot_be_is_told_and_stops_nobody_else(scene: Scene) -> None:
    first, second, third = scene.addresses
    done = scene.migrator("wave", "run", "sales", "--until", "synced")
    assert done.returncode == ExitCode.FAILED_MAILBOXES, done.stderr
    assert asked(scene) == [second, third]
    assert f"{second}: the account was missing on the target, and has been made" in done.stderr
    assert f"{third}: no account on the target: " in done.stderr
    assert "no licence left" in done.stderr
    assert [len(scene.snapshots("new", [one])[one].messages()) for one in (first, second)] == [1, 1]


def test_who_can_log_in_is_not_asked_for(scene: Scene) -> None:
    _, second, third = scene.addresses
    scene.migrator("mailbox", "skip", third, "--reason", "stays")
    for _ in range(2):
        done = scene.migrator("wave", "run", "sales", "--until", "synced")
        assert done.returncode == 0, done.stderr
    assert asked(scene) == [second]
