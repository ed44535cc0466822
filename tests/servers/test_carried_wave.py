"""A wave carries what belongs to its mailboxes, and tells what it did not carry."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import Any, cast

import pytest

from tests.lab import require
from tests.lab.cyrus import Cyrus
from tests.lab.dovecot import Dovecot
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


def test_to_a_cyrus_by_its_administrator(stack: ExitStack) -> None:
    require("dovecot", "dovecot-sieve", "cyrus")
    made = Scene({"sales": 1}, postfix=False, auth="password")
    for server in made.servers.values():
        server.remove()
    old = made.old = made.servers["old"] = FullDovecot("old", users=made.addresses)
    cyrus = Cyrus("new", users=made.addresses)
    made.new = made.servers["new"] = cast(Dovecot, cyrus)
    scene = stack.enter_context(made)
    [one] = scene.addresses
    with sieve_of(old, one, old.sieve_port) as sieve:
        sieve.put("休暇", b"keep;\r\n")
        sieve.activate("休暇")
    secret = scene.workspace / "secrets" / "admin"
    secret.write_text(cyrus.admin_password)
    secret.chmod(0o600)
    listens: dict[str, dict[str, Any]] = {
        name: {"sieve": {"port": port, "tls": "none", "allow_plaintext": True}}
        for name, port in (("old", old.sieve_port), ("new", cyrus.sieve_port))
    }
    listens["new"]["admin"] = {"user": cyrus.admin, "secret": f"file:{secret}"}
    scene.write_config({"servers": listens})
    scene.write_wave("sales")
    done = scene.migrator("wave", "run", "sales", "--until", "synced", "--yes")
    assert done.returncode == 0, done.stderr
    shown = json.loads(scene.migrator("mailbox", "show", one, "-o", "json").stdout)
    assert shown["settings not carried"] == []
    assert {"1 quota", "1 sieve", "1 sieve-active"} <= set(shown["settings carried"])
    with cyrus.connect(one) as connection:
        answers = [answer.head for answer in connection.command(b"GETQUOTAROOT INBOX")]
    assert b"* QUOTA INBOX (STORAGE 0 20480)\r\n" in answers
    assert cyrus.admin_password not in done.stderr
