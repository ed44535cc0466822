"""`auth:` of a server: what it may say, who logs in by it, and what is told of mistakes and of secrets."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from migrator import workspace
from migrator.cli.app import app
from migrator.model.bearer import Mechanism, TokenLogin
from migrator.model.mailbox import Login
from migrator.model.names import Address, ServerName
from migrator.workspace.loading import SecretsMissing
from migrator.workspace.packages import Package
from migrator.workspace.scaffold import CONFIG as SCAFFOLD
from tests.unit.workspace_files import CONFIG, make, problems, spoilt

OLD = '{kind: master-user, user: migrator, separator: "*", secret: "env:OLD_MASTER"}'
NEW = '{kind: password, secret: "file:new-secret"}'
MICROSOFT = '{tenant: t.onmicrosoft.com, client_id: app-1, secret: "env:APP"}'
BOX = Address("a@example.co.jp")


def loaded(directory: Path, old: str, rows: str | None = None) -> workspace.Workspace:
    config = CONFIG.replace(OLD, old)
    return workspace.load(make(directory, config) if rows is None else make(directory, config, rows))


# mistakes


KEYS = 'tenant: t, client_id: x, secret: "env:A"'
MISTAKES = [
    ("auth: §{kind: magic}", "`kind` must be 'password', 'master-user', 'plain', 'xoauth2', 'oauthbearer'"),
    ('auth: §{user: m, secret: "env:A"}', "`kind` is missing"),
    ('§auth: {kind: plain, secret: "env:A"}', "`user` is missing"),
    ("§auth: {kind: plain, user: cyrus}", "`secret` is missing"),
    ('auth: {kind: plain, user: §"", secret: "env:A"}', "must not be empty"),
    (
        'auth: {kind: plain, user: cyrus, §separator: "*", secret: "env:A"}',
        "unknown key `separator`; known here: kind, secret, user",
    ),
    (
        "auth: {kind: xoauth2, secret: §hunter2}",
        "not a reference to a secret, and secrets are never written here as values; use env:NAME, ",
    ),
    ("auth: {kind: xoauth2, §microsft: {}}", "unknown key `microsft`; did you mean `microsoft`?"),
    ("auth: {kind: oauthbearer, §gogle: {}}", "unknown key `gogle`; did you mean `google`?"),
    ('auth: {kind: xoauth2, secret: "env:A", lifetime: §soon}', "not a duration: write a number with s, m, h or d"),
    ('auth: {kind: xoauth2, secret: "env:A", lifetime: §0s}', "must be more than 0s"),
    (
        f'§auth: {{kind: xoauth2, secret: "env:A", microsoft: {{{KEYS}}}}}',
        "`secret` and `microsoft`: tokens come from one of them",
    ),
    ("auth: {kind: xoauth2, §microsoft: {tenant: t, client_id: x}}", "`secret` is missing"),
    (
        f"auth: {{kind: xoauth2, microsoft: {{{KEYS}, §password: b}}}}",
        "unknown key `password`; did you mean `secret`?",
    ),
    (
        f'auth: {{kind: xoauth2, microsoft: {{{KEYS}, authority: §"http://x"}}}}',
        "not an address that begins with https://",
    ),
    ("auth: {kind: oauthbearer, §google: {}}", "`key` is missing"),
    ("auth: {kind: oauthbearer, google: {key: §'{\"private_key\": 1}'}}", "not a reference to a secret"),
    ('auth: {kind: password, secret: §"keyring:mail"}', "keyring: takes a service and a user: keyring:SERVICE/USER"),
]


@pytest.mark.parametrize(("now", "told"), MISTAKES)
def test_a_mistake_is_told_with_its_place_and_what_to_write(tmp_path: Path, now: str, told: str) -> None:
    [line] = spoilt(tmp_path, f"auth: {OLD}", now)
    assert line.startswith(f"§ {told}")
    assert "hunter2" not in line and "private_key" not in line


@pytest.mark.parametrize(
    "auth", ['{kind: plain, user: cyrus, secret: "env:A"}', f"{{kind: xoauth2, microsoft: {MICROSOFT}}}"]
)
def test_a_secret_of_a_mailbox_that_no_login_would_use_is_refused(tmp_path: Path, auth: str) -> None:
    rows = "address,department,source,target,source_secret\na@example.co.jp,sales,old,new,env:A\n"
    [line] = problems(make(tmp_path, CONFIG.replace(OLD, auth), rows, {}))
    assert line == "mailboxes.csv:2: `source_secret` is not used: server `old` is entered by its `auth:` alone"


def test_tokens_that_come_from_nowhere_are_told_with_the_mailbox(tmp_path: Path) -> None:
    rows = "address,department,source,target\na@example.co.jp,sales,old,new\n"
    [line] = problems(make(tmp_path, CONFIG.replace(OLD, "{kind: xoauth2}"), rows, {}))
    assert line.startswith("mailboxes.csv:2: `source_secret` is empty, and server `old` has no `auth: {secret: ...}`")
    assert "`microsoft:` or `google:`" in line


# logins


def test_an_account_acts_for_the_mailbox_by_its_login_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADMIN", "hunter2")
    rows = "address,department,source,target,source_login\na@example.co.jp,sales,old,new,taro\n"
    made = loaded(
        tmp_path, '{kind: plain, user: cyrus, secret: "env:ADMIN"}', rows + "b@example.co.jp,sales,old,new,\n"
    )
    login = made.login(made.mailbox(BOX), "source")
    assert isinstance(login, Login)
    assert (login.user, login.secret.reveal(), login.acts_for) == ("cyrus", "hunter2", "taro")


@pytest.mark.parametrize(
    ("kind", "mechanism"), [("xoauth2", Mechanism.XOAUTH2), ("oauthbearer", Mechanism.OAUTHBEARER)]
)
def test_a_token_comes_from_the_mailboxs_own_secret_before_the_servers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, mechanism: Mechanism
) -> None:
    monkeypatch.setenv("OWN", "own-token")
    monkeypatch.setenv("ALL", "token-for-all")
    rows = "address,department,source,target,source_login,source_secret\na@example.co.jp,sales,old,new,taro,env:OWN\n"
    made = loaded(tmp_path, f'{{kind: {kind}, secret: "env:ALL"}}', rows + "b@example.co.jp,sales,old,new,,\n")
    logins = [made.login(one, "source") for one in made.mailboxes.values()]
    shown = [(one.user, one.mechanism, one.tokens.token().reveal()) for one in logins if isinstance(one, TokenLogin)]
    assert shown == [("taro", mechanism, "own-token"), ("b@example.co.jp", mechanism, "token-for-all")]


def test_making_a_login_by_token_fetches_none(tmp_path: Path) -> None:
    """A wave of a thousand mailboxes is looked at in many ways before anybody logs in."""
    made = loaded(tmp_path, f"{{kind: xoauth2, secret: {json.dumps(f'command:touch {tmp_path}/ran')}}}")
    made.login(made.mailbox(BOX), "source")
    assert not (tmp_path / "ran").exists()


def test_one_token_of_an_application_serves_all_mailboxes_of_its_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from migrator.model.mailbox import Secret
    from migrator.workspace.tokens import Token

    monkeypatch.setenv("APP", "hunter2")
    asked: list[tuple[Any, ...]] = []

    def fetch(*arguments: Any) -> Token:
        asked.append(arguments)
        return Token(Secret("t"), 3600)

    monkeypatch.setattr("migrator.workspace.microsoft.fetch", fetch)
    made = loaded(tmp_path, f"{{kind: xoauth2, microsoft: {MICROSOFT}}}")
    for box in made.mailboxes.values():
        login = made.login(box, "source")
        assert isinstance(login, TokenLogin) and login.tokens.token().reveal() == "t"
    [(section, secret)] = asked
    assert (section.tenant, section.client_id, secret.reveal()) == ("t.onmicrosoft.com", "app-1", "hunter2")


def test_a_service_account_is_asked_for_each_mailbox_in_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from migrator.model.mailbox import Secret
    from migrator.workspace.tokens import Token

    (tmp_path / "key.json").touch(0o600)
    (tmp_path / "key.json").write_text('{\n  "private_key": "..."\n}\n')
    monkeypatch.setattr(
        "migrator.workspace.google.fetch", lambda key, login: Token(Secret(f"{len(key.splitlines())}-{login}"), 3600)
    )
    made = loaded(tmp_path, '{kind: oauthbearer, google: {key: "file:key.json"}}')
    logins = [made.login(box, "source") for box in made.mailboxes.values()]
    shown = [login.tokens.token().reveal() for login in logins if isinstance(login, TokenLogin)]
    assert shown == ["3-a@example.co.jp", "3-b@example.co.jp", "3-c@example.co.jp"]


@pytest.mark.parametrize("line", [one for one in SCAFFOLD.splitlines() if one.strip().startswith("# auth:")])
def test_each_example_in_a_new_workspace_is_valid(tmp_path: Path, line: str) -> None:
    example = line.partition("# ")[2]
    rows = "address,department,source,target,source_secret,target_secret\n"
    config = re.sub("auth: .*OLD_MASTER.*", example, SCAFFOLD)
    assert config != SCAFFOLD
    assert workspace.load(make(tmp_path, config, rows, {})).server(ServerName("old")).auth.kind in example


# what is shown


def run(directory: Path, *words: str) -> Any:
    return CliRunner().invoke(app, ["-C", str(directory), *words])


def test_what_is_in_force_shows_no_secret_of_any_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("APP", "ADMIN", "MIGRATOR_LOGIN"):
        monkeypatch.setenv(name, "hunter2")
    (tmp_path / "key.json").touch(0o600)
    (tmp_path / "key.json").write_text('{"private_key": "hunter2"}')
    for auth, wanted in (
        (f"{{kind: xoauth2, microsoft: {MICROSOFT}}}", ("microsoft", "secret", "env:APP")),
        ('{kind: oauthbearer, google: {key: "file:key.json"}}', ("google", "key", "file:key.json")),
        ('{kind: plain, user: cyrus, secret: "env:ADMIN"}', ("secret", "env:ADMIN")),
        ('{kind: xoauth2, secret: "command:get-token --for all"}', ("secret", "command:get-token --for all")),
    ):
        loaded(tmp_path, auth)
        shown = run(tmp_path, "config", "show")
        value = yaml.safe_load(shown.stdout)["servers"]["old"]["auth"]
        for key in wanted[:-1]:
            value = value[key]
        assert value == wanted[-1]
        told = shown.output + run(tmp_path, "config", "check").output + run(tmp_path, "mailbox", "show", BOX).output
        assert "hunter2" not in told and wanted[-1] in told


@pytest.mark.parametrize(
    ("auth", "login", "secret"),
    [
        (OLD, "a@example.co.jp by migrator", "env:OLD_MASTER"),
        ('{kind: plain, user: cyrus, secret: "env:ADMIN"}', "a@example.co.jp by cyrus", "env:ADMIN"),
        (f"{{kind: xoauth2, microsoft: {MICROSOFT}}}", "a@example.co.jp by xoauth2", "env:APP"),
        ('{kind: password, secret: "env:ALL"}', "a@example.co.jp", "env:ALL"),
    ],
)
def test_a_mailbox_is_shown_with_who_enters_it(tmp_path: Path, auth: str, login: str, secret: str) -> None:
    loaded(tmp_path, auth)
    shown = json.loads(run(tmp_path, "mailbox", "show", BOX, "-o", "json").stdout)
    assert (shown["source login"], shown["source secret"]) == (login, secret)


# what is missing


def test_a_secret_that_is_not_there_is_named_by_its_place_in_the_section(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Package, "installed", True)
    (tmp_path / "new-secret").touch(0o600)
    (tmp_path / "new-secret").write_text("x")
    made = loaded(tmp_path, f"{{kind: xoauth2, microsoft: {MICROSOFT}}}")
    with pytest.raises(SecretsMissing) as missing:
        made.look_for_secrets()
    column = CONFIG.splitlines()[4].index("{") + len("{kind: xoauth2, microsoft: ") + MICROSOFT.index('"env') + 1
    assert str(missing.value).startswith(f"migrator.yaml:5:{column}: the secret env:APP is not set")


@pytest.mark.parametrize(
    ("auth", "told", "extra"),
    [
        (f"{{kind: xoauth2, microsoft: {MICROSOFT}}}", "`microsoft` needs the Python package msal", "microsoft"),
        ('{kind: xoauth2, google: {key: "env:APP"}}', "`google` needs the Python package google-auth", "google"),
        ('{kind: password, secret: "keyring:mail/a"}', "keyring:mail/a needs the Python package keyring", "keyring"),
    ],
)
def test_a_package_that_is_not_installed_is_named_by_the_place_that_needs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, auth: str, told: str, extra: str
) -> None:
    monkeypatch.setattr(Package, "installed", False)
    monkeypatch.setenv("APP", "hunter2")
    made = loaded(tmp_path, auth)
    with pytest.raises(SecretsMissing) as missing:
        made.look_for_secrets()
    [problem] = [one for one in missing.value.problems if told in str(one)]
    assert (problem.file, problem.line) == ("migrator.yaml", 5) and problem.column > 10
    assert f"pip install '.[{extra}]' in the checkout." in missing.value.remedy
    assert run(tmp_path, "config", "check").exit_code == 0


def test_a_package_that_is_there_is_seen() -> None:
    assert Package("json", "json", "x").installed
    assert not Package("no_such_package", "x", "x").installed
    assert not Package("no_such_package.below", "x", "x").installed
