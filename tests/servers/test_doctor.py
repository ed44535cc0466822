"""`migrator doctor` names every mistake of a wave, each once and with its remedy, and nothing else."""

from __future__ import annotations

import codecs
import json
import re
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest

from tests.lab import processes, require
from tests.lab.certificates import Authority
from tests.lab.dovecot import Dovecot
from tests.lab.scene import Scene
from tests.lab.wire import Literal

MEGABYTE = 1_000_000
LEFT_BY = "u0008@company.test"


@pytest.fixture
def scene(make_scene: Callable[..., Scene]) -> Scene:
    """A company whose target has a quota, a largest message and another separator, and takes each login by itself."""
    new = {"separator": ".", "quota": "4M", "max_message": "2M"}
    old = {"mail_location": "sdbox:~/mail"}  # takes a "." in a folder's name
    made = make_scene({"sales": 8}, auth="password", old=old, new=new)
    for address in made.addresses:
        made.old.deliver(address, b"Subject: hello\r\n\r\nhello\r\n")
    made.write_wave("sales")
    return made


def doctor(scene: Scene, *arguments: str, ahead: int = 0) -> tuple[int, list[dict[str, Any]], str]:
    """Its exit code, its findings and what it says beside them; run by a clock that is so many seconds ahead."""
    command = scene.command("doctor", *arguments, "-o", "json")
    if ahead:
        command = ["faketime", "-f", f"+{ahead}s", *command]
    done = subprocess.run(
        command, cwd=scene.workspace, env=scene.environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    return done.returncode, json.loads(done.stdout or "[]"), done.stderr


def append(scene: Scene, address: str, folder: str, size: int) -> None:
    with scene.old.connect(address) as connection:
        if folder != "INBOX":
            connection.command(f'CREATE "{folder}"'.encode())
        message = b"Subject: large\r\n\r\n" + b"x" * 76 + b"\r\n"
        message += (b"x" * 76 + b"\r\n") * ((size - len(message)) // 78)
        connection.command(f'APPEND "{folder}" '.encode(), Literal(message))


def test_a_wave_without_mistakes_has_no_findings(scene: Scene) -> None:
    code, found, said = doctor(scene, "sales")
    assert (code, found) == (0, []), said
    assert "examined: 8 mailboxes on 2 servers, 2 places; errors 0, warnings 0" in said


def test_twelve_mistakes_are_named_each_once_with_a_remedy_and_nothing_else(scene: Scene, stack: ExitStack) -> None:
    require("faketime", "openssl")
    u1, u2, u3, u4, u5, u6, u7, u8 = scene.addresses
    (scene.workspace / "secrets" / f"new-{u1}").write_text("wrong\n")
    scene.new.remove_user(u2)
    for _ in range(4):
        append(scene, u3, "INBOX", 1_100_000)
    append(scene, u4, "plan.b", 100)
    append(scene, u4, "plan_b", 100)
    append(scene, u5, "INBOX", 2 * MEGABYTE + 200_000)
    gateway = scene.gateway.read_map()
    scene.gateway.write_map({**gateway, u6: "smtp:[elsewhere.test]"})
    branch = expired(stack, u8)
    entries = scene.routing_entries()
    for entry in entries:
        entry["nexthop"]["branch"] = branch.nexthop
    here = next(entry for entry in entries if entry["name"] == "old-mta")
    here["nexthop"]["new"] = f"smtp:[{here['smtp']['host']}]:{here['smtp']['port']}"
    authority = branch.authority
    assert authority is not None
    imap = {"host": branch.host, "port": branch.imaps_port, "ca_file": str(authority.ca_file)}
    scene.write_config({"routing": entries, "servers": {"branch": {"imap": imap, "auth": {"kind": "password"}}}})
    rows = (scene.workspace / "mailboxes.csv").read_text().splitlines()
    rows = [row.replace("sales", "営業") for row in rows]
    rows = [row.replace("営業", "") if row.startswith(u7) else row for row in rows]
    rows = [row.replace(",new,", ",branch,") if row.startswith(u8) else row for row in rows]
    rows.append(rows[1])
    (scene.workspace / "mailboxes.csv").write_bytes(codecs.BOM_UTF8 + "\n".join(rows).encode("cp932"))
    waves = scene.workspace / "waves"
    text = (waves / "sales.yaml").read_text()
    (waves / "sales.yaml").write_text(text.replace(f"- {u8}\n", ""))
    (waves / "far.yaml").write_text(f"wave: far\ntarget: branch\nmailboxes: [{u8}]\n")

    code, found, said = doctor(scene, ahead=90)

    assert code == 1, said
    assert sorted((one["check"], one["subject"]) for one in found) == sorted(
        [
            ("login", u1),
            ("account", u2),
            ("quota", u3),
            ("folders", u4),
            ("size", u5),
            ("routes", "gateway"),
            ("files", "mailboxes.csv:8:2"),
            ("tls", "server branch"),
            ("loops", "old-mta"),
            ("clock", "server old"),
            ("files", "mailboxes.csv:10:1"),
            ("files", "mailboxes.csv:2"),
        ]
    ), json.dumps(found, indent=1)
    assert all(one["remedy"] for one in found)
    texts = {one["subject"]: one["what"] for one in found}
    assert "has the account, and refuses the login" in texts[u1]
    assert "certificate has expired" in texts["server branch"]
    assert re.fullmatch(r"its clock is 1 min (29|30|31) s behind that of this machine", texts["server old"])
    assert "secret" not in json.dumps(found).replace("the secret behind it", "")


def expired(stack: ExitStack, user: str) -> Dovecot:
    """A server whose certificate has run out."""
    authority = Authority(processes.scratch_directory("authority"))
    authority.directory.chmod(0o755)
    return stack.enter_context(Dovecot("branch", users=[user], authority=authority, certificate_days=-2))
