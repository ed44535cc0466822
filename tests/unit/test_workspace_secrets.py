"""Secrets: references only, read at the moment of use, never shown."""

import json
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from migrator import workspace
from migrator.model.mailbox import Login
from migrator.model.names import Address
from migrator.workspace.secrets import SecretUnavailable, Vault, parse_secret
from tests.unit.workspace_files import CONFIG, make


def reveal(root, text):
    return Vault(root).reveal(parse_secret(text)).reveal()


@pytest.mark.parametrize(
    "text",
    [
        "hunter2",
        "",
        "env:",
        "ENV:X",
        "file: ",
        42,
        None,
        "keyring:x",
        "keyring:/x",
        "keyring:x/",
        "command:'a",
        "env:OLD-MASTER",
        "env:hunter2 x",
        "env:1X",
    ],
)
def test_what_is_no_reference_is_refused_without_repeating_it(text):
    with pytest.raises(ValueError, match=r"secret|keyring: takes a service and a user") as caught:
        parse_secret(text)
    assert "hunter2" not in str(caught.value)


def test_a_secret_comes_from_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("OLD_MASTER", "hunter2")
    assert reveal(tmp_path, "env:OLD_MASTER") == "hunter2"
    with pytest.raises(SecretUnavailable, match="env:NOT_THERE is not set"):
        reveal(tmp_path, "env:NOT_THERE")


def test_a_secret_comes_from_a_private_file_without_its_line_break(tmp_path):
    path = tmp_path / "s"
    path.write_bytes("pä ss\r\n".encode())
    path.chmod(0o600)
    assert reveal(tmp_path, "file:s") == "pä ss"
    assert reveal(tmp_path, f"file:{path}") == "pä ss"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_file_that_others_can_read_is_refused(tmp_path, mode):
    path = tmp_path / "s"
    path.write_text("hunter2\n")
    path.chmod(mode)
    with pytest.raises(SecretUnavailable, match=rf"others can read that file \(mode {mode:04o}\)") as caught:
        reveal(tmp_path, "file:s")
    assert "chmod 600" in caught.value.remedy
    assert "hunter2" not in str(caught.value) + caught.value.remedy


@pytest.mark.parametrize("content", [b"", b"\n", b"two\nlines\n", b"\xff\xfe", b"nul\0"])
def test_what_is_not_one_line_of_text_is_refused(tmp_path, content):
    path = tmp_path / "s"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(SecretUnavailable):
        reveal(tmp_path, "file:s")


def test_a_directory_and_a_missing_file_are_refused(tmp_path):
    for name in (".", "missing"):
        with pytest.raises(SecretUnavailable, match=f"the secret file:{name}"):
            reveal(tmp_path, f"file:{name}")


def test_a_secret_comes_from_a_systemd_credential(tmp_path, monkeypatch):
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (tmp_path / "old").write_text("hunter2")
    (tmp_path / "old").chmod(0o400)
    assert reveal(tmp_path / "elsewhere", "credential:old") == "hunter2"
    with pytest.raises(SecretUnavailable, match="holds no path"):
        reveal(tmp_path, "credential:../old")
    monkeypatch.delenv("CREDENTIALS_DIRECTORY")
    with pytest.raises(SecretUnavailable, match="CREDENTIALS_DIRECTORY is not set"):
        reveal(tmp_path, "credential:old")


def test_a_secret_comes_from_a_command_that_no_shell_sees(tmp_path):
    assert reveal(tmp_path, f"command:{sys.executable} -c 'print(\"$HOME;x\")'") == "$HOME;x"


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("{python} -c 'import sys; print(\"hunter2\"); sys.exit(3)'", "exited with 3"),
        ("{python} -c 'import sys; sys.stdin.read()'", "is empty"),
        ("/not/there", "No such file"),
    ],
)
def test_a_command_that_fails_is_told_without_what_it_printed(tmp_path, command, told):
    text = command.format(python=sys.executable)
    with pytest.raises(SecretUnavailable, match=told) as caught:
        Vault(tmp_path).reveal(parse_secret(f"command:{text}"))
    assert "hunter2" not in str(caught.value).replace(text, "")


def test_a_command_that_does_not_end_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr("migrator.workspace.secrets.COMMAND_TIMEOUT", 0.05)
    with pytest.raises(SecretUnavailable, match="no answer within"):
        reveal(tmp_path, f"command:{sys.executable} -c 'import time; time.sleep(60)'")


def test_a_command_is_run_once_however_many_ask(tmp_path):
    vault = Vault(tmp_path)
    script = 'open("ran", "a").write("x"); print("s")'
    reference = parse_secret(f"command:{sys.executable} -c '{script}'")
    with ThreadPoolExecutor(4) as pool:
        assert {secret.reveal() for secret in pool.map(vault.reveal, [reference] * 4)} == {"s"}
    assert (tmp_path / "ran").read_text() == "x"


def test_a_master_user_enters_as_the_mailbox_and_itself(tmp_path, monkeypatch):
    monkeypatch.setenv("OLD_MASTER", "hunter2")
    loaded = workspace.load(make(tmp_path))
    login = loaded.login(loaded.mailbox(Address("a@example.co.jp")), "source")
    assert isinstance(login, Login)
    assert (login.user, login.secret.reveal()) == ("a@example.co.jp*migrator", "hunter2")
    assert "hunter2" not in repr(login) + repr(loaded) + str(login.secret)


def test_a_mailbox_enters_with_its_own_secret_before_the_servers(tmp_path, monkeypatch):
    monkeypatch.setenv("OWN", "own")
    (tmp_path / "new-secret").write_text("all\n")
    (tmp_path / "new-secret").chmod(0o600)
    rows = "address,department,source,target,target_login,target_secret\n" + (
        "a@example.co.jp,sales,old,new,taro,env:OWN\nb@example.co.jp,sales,old,new,,\n"
    )
    loaded = workspace.load(make(tmp_path, rows=rows))
    logins = [loaded.login(one, "target") for one in loaded.mailboxes.values()]
    assert [(one.user, one.secret.reveal()) for one in logins if isinstance(one, Login)] == [
        ("taro", "own"),
        ("b@example.co.jp", "all"),
    ]


def test_looking_for_secrets_reads_none_and_runs_no_command(tmp_path, monkeypatch):
    monkeypatch.setenv("OLD_MASTER", "x")
    (tmp_path / "new-secret").write_bytes(b"two\nlines\n")  # which only reading can tell
    (tmp_path / "new-secret").chmod(0o600)
    assert workspace.load(make(tmp_path)).look_for_secrets() == ()
    spied = f'command:{sys.executable} -c \'open("{tmp_path}/ran", "w")\''
    loaded = workspace.load(
        make(
            tmp_path,
            CONFIG.replace('"file:new-secret"', "credential:c").replace('"env:OLD_MASTER"', f"{json.dumps(spied)}"),
        )
    )
    assert [one.kind for one in loaded.look_for_secrets()] == ["command", "credential"]
    assert not (tmp_path / "ran").exists()


def test_a_missing_secret_of_one_mailbox_is_named_by_its_line_in_the_list(tmp_path, monkeypatch):
    monkeypatch.setenv("OLD_MASTER", "x")
    rows = "address,department,source,target,target_secret\na@example.co.jp,sales,old,new,file:none\n" + (
        "b@example.co.jp,sales,old,new,env:OLD_MASTER\nc@example.co.jp,x,old,new,file:empty\n"
    )
    (tmp_path / "empty").touch(0o600)
    make(tmp_path, CONFIG.replace('{kind: password, secret: "file:new-secret"}', "{kind: password}"), rows)
    with pytest.raises(workspace.WorkspaceInvalid) as caught:
        workspace.load(tmp_path).look_for_secrets()
    assert [str(problem).partition(";")[0] for problem in caught.value.problems] == [
        "mailboxes.csv:2: the secret file:none: No such file or directory",
        "mailboxes.csv:4: the secret file:empty is empty",
    ]
