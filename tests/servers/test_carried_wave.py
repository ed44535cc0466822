"""A wave carries what belongs to its mailboxes, and tells what it did not carry."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import Any

import pytest

from tests.lab import require
from tests.lab.scene import Scene
from tests.servers.carried_rig import FullDovecot, acl_of, sieve_of

DEBUG = b'require "vnd.dovecot.debug";\r\nkeep;\r\n'


@pytest.fixture
def scene(stack: ExitStack) -> Scene:
    require("dovecot", "dovecot-sieve")
    made = Scene({"sales": 2}, postfix=False)
    plugins = {"old": "sieve_extensions = +vnd.dovecot.debug", "new": ""}
    for side, server in list(made.servers.items()):
        server.remove()
        made.servers[side] = FullDovecot(side, users=made.addresses, plugin=plugins[side])
        setattr(made, side, made.servers[side])
    return stack.enter_context(made)


def test_a_master_user_carries_rights_and_scripts_and_the_report_tells_the_rest(scene: Scene) -> None:
    old: Any = scene.old
    new: Any = scene.new
    one, other = scene.addresses
    with old.connect(one) as connection:
        connection.command(b"CREATE Projects")
        connection.command(f"SETACL Projects {other} lrs".encode())
        connection.command(b'SETACL Projects "$sales" lr')
    with sieve_of(old, one, old.sieve_port) as sieve:
        sieve.put("main", b"keep;\r\n")
        sieve.put("debug", DEBUG)
        sieve.activate("main")
    listens = {
        name: {"sieve": {"port": server.sieve_port, "tls": "none", "allow_plaintext": True}}
        for name, server in (("old", old), ("new", new))
    }
    scene.write_config({"servers": listens})
    scene.write_wave("sales")
    done = scene.migrator("wave", "run", "sales", "--until", "synced", "--yes")
    assert done.returncode == 0, done.stderr
    assert set(acl_of(new, one, "Projects")[other]) == set("lrs")
    with sieve_of(new, one, new.sieve_port) as sieve:
        assert sieve.scripts().names == ("main",) and sieve.scripts().active == "main"
    shown = json.loads(scene.migrator("mailbox", "show", one, "-o", "json").stdout)
    assert "1 sieve" in shown["settings carried"]
    [rights, script] = shown["settings not carried"]
    assert rights.startswith("acl 'Projects' $sales: nobody knows who that is") and "carry.identifiers" in rights
    assert "vnd.dovecot.debug" in script
    report = scene.migrator("wave", "report", "sales").stdout
    assert "What else belongs to the mailboxes" in report and "Not carried: 3" in report
    assert "1 folder of other people" in report
