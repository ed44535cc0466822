"""A small valid workspace for tests to spoil."""

from pathlib import Path

import pytest

from migrator import workspace

CONFIG = """\
domain: example.co.jp
servers:
  old:
    imap: {host: mail.example.co.jp}
    auth: {kind: master-user, user: migrator, separator: "*", secret: "env:OLD_MASTER"}
    smtp: {host: mail.example.co.jp, port: 25}
  new:
    imap: {host: new.example.co.jp, port: 143, tls: starttls}
    auth: {kind: password, secret: "file:new-secret"}
    limits: {connections: 20, per_mailbox: 2, bytes_per_second: 20MB}
mailboxes: mailboxes.csv
routing:
  - name: gateway
    kind: postfix-map
    file: maps/transport
    type: cdb
    reload: postfix reload
    nexthop: {old: "smtp:[mail.example.co.jp]", new: "lmtp:inet:[new.example.co.jp]:24"}
    smtp: {host: gateway.example.co.jp}
  - name: old-mta
    kind: postfix-map
    file: /srv/old/transport
    type: hash
    queue: null
    nexthop: {old: null, new: "smtp:[new.example.co.jp]"}
canary: {sender: "", deadline: 2m, ingresses: [gateway]}
cutover: {freeze_deadline: 10m}
folders:
  map: {"送信済みアイテム": Sent}
"""
ROWS = """\
address,department,source,target
a@example.co.jp,sales,old,new
b@example.co.jp,sales,old,new
c@example.co.jp,開発部,old,new
"""
SALES = """\
wave: sales
departments: [sales]
target: new
window: {start: 2026-12-05T22:00+09:00, end: 2026-12-06T04:00+09:00}
mailboxes:
  - a@example.co.jp
  - b@example.co.jp
"""


def make(directory: Path, config: str = CONFIG, rows: str | bytes = ROWS, waves: dict[str, str] | None = None) -> Path:
    (directory / "waves").mkdir(parents=True, exist_ok=True)
    (directory / "migrator.yaml").write_text(config, encoding="utf-8")
    (directory / "mailboxes.csv").write_bytes(rows if isinstance(rows, bytes) else rows.encode())
    for name, text in ({"sales": SALES} if waves is None else waves).items():
        (directory / "waves" / f"{name}.yaml").write_text(text, encoding="utf-8")
    return directory


def problems(directory: Path) -> list[str]:
    """All lines that are wrong with the workspace; fails when nothing is."""
    with pytest.raises(workspace.WorkspaceInvalid) as caught:
        workspace.load(directory)
    assert caught.value.exit_code == 5
    return str(caught.value).split("\n")


def place_of(text: str, mark: str = "§") -> str:
    """Line and column of `mark` in `text`, from 1, as "line:column"."""
    before = text.partition(mark)[0]
    return f"{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"


def spoilt(directory: Path, was: str, now: str) -> list[str]:
    """What is wrong after one piece of migrator.yaml is replaced; the place of a § in `now` is shown as §, too."""
    assert CONFIG.count(was) == 1, was
    text = CONFIG.replace(was, now)
    found = problems(make(directory, text.replace("§", "")))
    return [line.replace(f"migrator.yaml:{place_of(text)}:", "§") for line in found] if "§" in now else found
