"""Entries of the kind `dovecot-proxy` that name a table of users: what they say, and mistakes."""

from pathlib import Path

import pytest

from migrator import workspace
from migrator.workspace.problems import WorkspaceInvalid
from migrator.workspace.routing import DovecotProxyEntry
from tests.unit.workspace_files import CONFIG, make

TABLE = """\
  - name: proxy
    kind: dovecot-proxy
    database: postgresql://migrator@db.example.co.jp/mail
    table: mail.users
    secret: env:USERS
    nexthop: {old: null, new: 10.0.0.2}
"""
FILE = "file: /etc/dovecot/proxy-users"
ROUTE = 'nexthop: {old: null, new: "proxy=y host=10.0.0.2"}'
FIRST = CONFIG[: CONFIG.index("canary:")].count("\n") + 1  # the line of `- name: proxy`


def given(tmp_path: Path, more: str) -> Path:
    return make(tmp_path, CONFIG.replace("canary:", f"{more}canary:"))


def told(directory: Path) -> list[str]:
    with pytest.raises(WorkspaceInvalid) as refused:
        workspace.load(directory)
    return [line.strip() for line in str(refused.value).splitlines() if "migrator.yaml:" in line]


def test_a_table_of_users_has_default_columns_and_its_values_are_texts_as_they_are(tmp_path: Path) -> None:
    entry = workspace.load(given(tmp_path, TABLE)).config.routing[-1]
    assert isinstance(entry, DovecotProxyEntry)
    assert (entry.file, entry.key, entry.value, entry.kick) == (None, "user", "host", "doveadm proxy kick")
    assert entry.nexthop == {"old": None, "new": "10.0.0.2"}
    assert {key: str(secret) for key, secret in entry.secrets.items()} == {"secret": "env:USERS"}
    assert entry.held_by is None


@pytest.mark.parametrize(
    ("was", "now", "line", "text"),
    [
        ("    table: mail.users\n", "", 0, "`table` is missing"),
        ("    database: postgresql://migrator@db.example.co.jp/mail\n", "", 2, "`table` goes with `database:`"),
        ("    database: postgresql://migrator@db.example.co.jp/mail\n", "", 3, "`secret` goes with `database:`"),
        (
            "    table: mail.users\n",
            f"    table: mail.users\n    {FILE}\n",
            2,
            "there is a `file:` already; write either",
        ),
        ("migrator@db", "migrator:hunter2@db", 2, "a password in the URL; leave it out"),
        ("postgresql://", "mysql://", 2, "not a database; write sqlite:"),
        ("table: mail.users", "tabel: mail.users", 3, "unknown key `tabel`; did you mean `table`?"),
        ("{old: null,", "{old: null, nwe: x,", 5, "unknown server `nwe`"),
    ],
)
def test_a_mistake_is_told_at_its_place(tmp_path: Path, was: str, now: str, line: int, text: str) -> None:
    assert was in TABLE
    found = told(given(tmp_path, TABLE.replace(was, now)))
    assert [each for each in found if text in each and each.startswith(f"migrator.yaml:{FIRST + line}:")], found
    assert "hunter2" not in "".join(found)


def test_an_entry_without_either_form_is_told_of_both(tmp_path: Path) -> None:
    bare = TABLE[: TABLE.index("    database:")] + TABLE[TABLE.index("    nexthop:") :]
    (found,) = told(given(tmp_path, bare))
    assert found.startswith(f"migrator.yaml:{FIRST}:")
    assert "write `file:` for a passwd-file, or `database:` and `table:` for a table of users" in found


@pytest.mark.parametrize("key", ["table: users", "key: login", "value: server", "secret: env:USERS"])
def test_a_passwd_file_has_no_columns(tmp_path: Path, key: str) -> None:
    entry = f"  - name: proxy\n    kind: dovecot-proxy\n    {FILE}\n    {key}\n    {ROUTE}\n"
    (found,) = told(given(tmp_path, entry))
    assert found.startswith(f"migrator.yaml:{FIRST + 3}:")
    assert f"`{key.partition(':')[0]}` goes with `database:`, which is missing" in found


def test_extra_fields_of_a_passwd_file_are_told_at_their_own_place(tmp_path: Path) -> None:
    """What `nexthop` may say depends on which form it is, and is still told where it stands."""
    entry = f"  - name: proxy\n    kind: dovecot-proxy\n    {ROUTE}\n    {FILE}\n".replace("proxy=y", "pass=hush")
    (found,) = told(given(tmp_path, entry))
    assert found.startswith(f"migrator.yaml:{FIRST + 2}:")
    assert "`pass` is a secret" in found


def test_another_column_of_the_same_rows_is_another_place(tmp_path: Path) -> None:
    again = TABLE.replace("name: proxy", "name: again")
    assert workspace.load(given(tmp_path, TABLE + again.replace("secret", "value: pop_host\n    secret")))
    (found,) = told(given(tmp_path, TABLE + again))
    assert "`table` is that of the entry `proxy` already" in found
