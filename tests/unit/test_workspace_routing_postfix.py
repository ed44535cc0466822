"""Entries of `routing:` for look-up tables, virtual aliases and lists of recipients: what they say, and mistakes."""

from pathlib import Path

import pytest

from migrator import workspace
from migrator.workspace.problems import WorkspaceInvalid
from migrator.workspace.routing import PostfixMapEntry, PostfixSqlEntry, VirtualAliasEntry
from tests.unit.workspace_files import CONFIG, make

SQL = """\
  - name: sql
    kind: postfix-sql
    database: postgresql://migrator@db.example.co.jp/mail?sslmode=verify-full
    table: mail.transport
    map: pgsql:/etc/postfix/routes.cf
    secret: env:ROUTES
    nexthop: {old: null, new: "smtp:[new.example.co.jp]"}
"""
ALIAS = """\
  - name: alias
    kind: virtual-alias
    file: /etc/postfix/virtual
    type: hash
    nexthop: {old: null, new: "{local}@new.example.co.jp"}
"""
LISTED = "type: cdb\n    relay_recipients: {file: maps/recipients, type: hash}"


def given(tmp_path: Path, *, more: str = "", gateway: str = "type: cdb") -> Path:
    return make(tmp_path, CONFIG.replace("type: cdb", gateway).replace("canary:", f"{more}canary:"))


def told(directory: Path) -> str:
    with pytest.raises(WorkspaceInvalid) as refused:
        workspace.load(directory)
    return str(refused.value)


def test_a_table_has_default_columns_and_holds_mail_back_as_any_postfix(tmp_path):
    entry = workspace.load(given(tmp_path, more=SQL)).config.routing[-1]
    assert isinstance(entry, PostfixSqlEntry)
    assert (entry.key, entry.value, entry.map) == ("address", "nexthop", "pgsql:/etc/postfix/routes.cf")
    assert str(entry.held_by).startswith("retry:")
    assert {key: str(secret) for key, secret in entry.secrets.items()} == {"secret": "env:ROUTES"}


def test_an_alias_map_cannot_hold_mail_back(tmp_path):
    entry = workspace.load(given(tmp_path, more=ALIAS)).config.routing[-1]
    assert isinstance(entry, VirtualAliasEntry)
    assert entry.held_by is None
    assert "cannot hold mail back" in told(given(tmp_path, more=f"{ALIAS}    mode: freeze\n"))


def test_a_list_of_recipients_is_a_file_of_its_own(tmp_path):
    entry = workspace.load(given(tmp_path, gateway=LISTED)).config.routing[0]
    assert isinstance(entry, PostfixMapEntry)
    assert entry.relay_recipients is not None
    assert (entry.relay_recipients.file, entry.relay_recipients.type) == (tmp_path / "maps" / "recipients", "hash")
    same = LISTED.replace("maps/recipients", "maps/transport")
    assert "names the transport map itself" in told(given(tmp_path, gateway=same))


@pytest.mark.parametrize(
    ("was", "now", "text"),
    [
        ("migrator@db", "migrator:hunter2@db", "a password in the URL; leave it out"),
        ("sslmode=verify-full", "password=hunter2", "a password in the URL; leave it out"),
        ("postgresql://", "mysql://", "not a database; write sqlite:"),
        ("pgsql:/etc", "/etc", "not a map as main.cf names it; write TYPE:FILE"),
        ("    table: mail.transport\n", "", "`table` is missing"),
    ],
)
def test_a_mistake_is_told_and_a_password_never_repeated(tmp_path, was, now, text):
    assert was in SQL
    found = told(given(tmp_path, more=SQL.replace(was, now)))
    assert text in found
    assert "hunter2" not in found


def test_the_same_table_twice_is_a_mistake(tmp_path):
    found = told(given(tmp_path, more=SQL + SQL.replace("name: sql", "name: again")))
    assert "`table` is that of the entry `sql` already" in found
