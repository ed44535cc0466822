"""migrator.yaml: what it means, and how its mistakes are told."""

from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from migrator import workspace
from migrator.model.errors import ConfigInvalid, MigratorError
from migrator.model.mailbox import Endpoint, Tls
from migrator.model.names import Address, Ingress, ServerName, WaveName
from migrator.workspace import marks
from migrator.workspace.routing import DovecotProxyEntry, PostfixMapEntry
from tests.unit.workspace_files import CONFIG, ROWS, SALES, make, problems, spoilt

LOADERS = [yaml.SafeLoader, getattr(yaml, "CSafeLoader", yaml.SafeLoader)]  # without and with libyaml
OLD, NEW = ServerName("old"), ServerName("new")


def maps(loaded: workspace.Workspace) -> list[PostfixMapEntry]:
    return [entry for entry in loaded.config.routing if isinstance(entry, PostfixMapEntry)]


def test_a_valid_workspace_has_its_values_and_the_defaults(tmp_path):
    loaded = workspace.load(make(tmp_path))
    assert list(loaded.mailboxes) == ["a@example.co.jp", "b@example.co.jp", "c@example.co.jp"]
    assert loaded.server(OLD).endpoint == Endpoint("mail.example.co.jp", 993, Tls.IMPLICIT)
    assert loaded.server(NEW).endpoint == Endpoint("new.example.co.jp", 143, Tls.STARTTLS)
    assert loaded.server(NEW).name == "new"
    assert loaded.server(NEW).limits.bytes_per_second == 20_000_000
    assert loaded.config.canary.deadline == timedelta(minutes=2)
    assert loaded.config.concurrency.mailboxes == 4
    assert [m.address for m in loaded.wave_mailboxes(WaveName("sales"))] == ["a@example.co.jp", "b@example.co.jp"]


def test_relative_paths_start_at_the_workspace(tmp_path):
    loaded = workspace.load(make(tmp_path))
    assert maps(loaded)[0].file == tmp_path / "maps/transport"
    assert maps(loaded)[1].file == Path("/srv/old/transport")
    assert loaded.state_url == f"sqlite:///{tmp_path}/state/migrator.db"


def test_a_state_given_by_hand_goes_before_the_one_in_the_file(tmp_path):
    assert workspace.load(make(tmp_path), state="sqlite:////srv/s.db").state_url == "sqlite:////srv/s.db"
    with pytest.raises(ConfigInvalid, match="not a database"):
        workspace.load(tmp_path, state="mysql://x")


def test_an_entry_without_an_explicit_reload_is_reloaded(tmp_path):
    loaded = workspace.load(make(tmp_path))
    assert maps(loaded)[1].reload == "postfix reload"
    assert maps(loaded)[1].queue is None
    assert str(maps(loaded)[1].freeze).startswith("retry:4.7.0 ")


ASKED = "ingresses: [gateway]"
OLD_MTA = '    queue: null\n    nexthop: {old: null, new: "smtp:[new.example.co.jp]"}\n'


@pytest.mark.parametrize(
    ("asked", "more", "enters"),
    [
        ("ingresses: [gateway]", "", ["gateway"]),
        ("ingresses: [old, gateway]", "", ["gateway", "old"]),
        ("ingresses: []", "", ["gateway", "old"]),
        ("ingresses: []", "    smtp: {host: mta.example.co.jp}\n", ["gateway", "old-mta", "old"]),
        # where an entry stands for the server's own mail system, canaries enter there once
        ("ingresses: []", "    smtp: {host: MAIL.example.co.jp, tls: starttls}\n", ["gateway", "old-mta"]),
        ("ingresses: [old, old-mta]", "    smtp: {host: mail.example.co.jp}\n", ["old-mta", "old"]),
    ],
)
def test_canaries_enter_at_entries_and_at_servers_once_each(tmp_path, asked, more, enters):
    text = CONFIG.replace(ASKED, asked).replace(OLD_MTA, OLD_MTA + more)
    assert list(workspace.load(make(tmp_path, text)).ingresses) == enters


def test_an_ingress_is_where_its_smtp_says(tmp_path):
    loaded = workspace.load(make(tmp_path, CONFIG.replace(ASKED, "ingresses: []")))
    assert loaded.ingresses[Ingress("gateway")] == Endpoint("gateway.example.co.jp", 25, Tls.NONE)
    assert loaded.ingresses[Ingress("old")] == Endpoint("mail.example.co.jp", 25, Tls.NONE)


@pytest.mark.parametrize(
    ("asked", "name", "wrong"),
    [("[]", "old", True), ("[old]", "old", True), ("[new]", "old", False), ("[]", "other", False)],
)
def test_an_entry_and_a_server_with_one_name_are_one_ingress_or_a_mistake(tmp_path, asked, name, wrong):
    text = CONFIG.replace("ingresses: [gateway]", f"ingresses: {asked}").replace("name: gateway", f"name: {name}")
    text = text.replace("tls: starttls}\n", "tls: starttls}\n    smtp: {host: new.example.co.jp}\n", 1)
    if wrong:
        assert problems(make(tmp_path, text)) == [
            "migrator.yaml:14:11: `old` is also a server with an `smtp:` of its own: canaries cannot tell the two apart"
        ]
        text = text.replace("{host: gateway.example.co.jp}", "{host: mail.example.co.jp, tls: starttls}")
    ingresses = workspace.load(make(tmp_path, text)).ingresses
    assert not wrong or ingresses[Ingress("old")] == Endpoint("mail.example.co.jp", 25, Tls.STARTTLS)


@pytest.mark.parametrize(
    ("was", "now", "told"),
    [
        ("port: 143", "§prt: 143", "§ unknown key `prt`; did you mean `port`?"),
        ("user: migrator", "§username: migrator", "§ unknown key `username`; did you mean `user`?"),
        ("cutover:", "§cutovr:", "§ unknown key `cutovr`; did you mean `cutover`?"),
        ("port: 143", 'port: §"many"', "§ must be a whole number"),
        ("port: 143", "port: §70000", "§ must be at most 65535"),
        (
            "imap: {host: new.example.co.jp, port: 143, tls: starttls}",
            "imap: §{host: new.jp, tls: none}",
            "§ `tls: none`",
        ),
        ("tls: starttls", "tls: §ssl", "§ must be 'implicit', 'starttls' or 'none'"),
        ("{kind: password", "§{kind: oauth", "§ `kind` must be 'password', 'master-user'"),
        ("deadline: 2m", "deadline: §2 minutes", "§ not a duration"),
        ("deadline: 2m", "deadline: §0s", "§ must be more than 0s"),
        ("freeze_deadline: 10m", "freeze_deadline: §10", "§ not a duration"),
        ("20MB", "§20 megabytes", "§ not a size"),
        ("{connections: 20, per_mailbox: 2", "§{connections: 2, per_mailbox: 3", "§ `per_mailbox` is more than"),
        ("type: cdb", "type: §btree", "§ must be 'texthash', 'hash', 'lmdb' or 'cdb'"),
        ("name: gateway\n    kind: postfix-map", "§name: gateway", "§ `kind` is missing"),
        ('new: "lmtp', '§nwe: "lmtp', "§ unknown server `nwe`; did you mean `new`?"),
        ("{old: null, new:", "§{new:", "§ server `old` is missing"),
        ("name: old-mta", "name: §gateway", "§ `name` is that of the entry `gateway` already"),
        ("file: /srv/old/transport", "file: §maps/transport", "§ `file` is that of the entry `gateway` already"),
        ("ingresses: [gateway]", "ingresses: [§gatway]", "§ `gatway` is no entry of `routing:` and no server with"),
        ("ingresses: [gateway]", "ingresses: [§old-mta]", "§ `old-mta` is no entry of `routing:` and no server"),
        ("{host: gateway.example.co.jp}", '{host: §"mail:993/x"}', "§ not a host name"),
        ("domain: example.co.jp", "domain: §user@example.co.jp", "§ not a mail domain"),
        ("domain: example.co.jp", "domain: §42", "§ must be text; put it in quotes"),
        ("  old:\n", "  §old server:\n", "§ not a plain name"),
        ("servers:", "mailboxes: x.csv\nservers:", "key `mailboxes` occurs twice here; the first is on line 2"),
        ("user: migrator", 'user: §"mig\\nrator"', "§ a control character"),
        ("{host: gateway.example.co.jp}", "§gateway.example.co.jp", "§ must be a mapping"),
        ("domain: example.co.jp\n", "", "migrator.yaml:1:1: `domain` is missing"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_what_was_meant(tmp_path, was, now, told):
    found = spoilt(tmp_path, was, now)
    assert [line for line in found if told in line] != [], found


PROXY = """
  - name: imap-proxy
    kind: dovecot-proxy
    file: /etc/dovecot/users
    nexthop: {old: "proxy=y port=143 host=10.0.0.1", new: null}
canary:"""


def test_extra_fields_are_a_route_by_their_names_in_whatever_order_they_are_written(tmp_path):
    loaded = workspace.load(make(tmp_path, CONFIG.replace("\ncanary:", PROXY)))
    entry = loaded.config.routing[-1]
    assert isinstance(entry, DovecotProxyEntry)
    assert entry.nexthop == {"old": "host=10.0.0.1 port=143 proxy=y", "new": None}
    assert entry.fields == {"host", "port", "proxy"}
    assert (entry.kick, entry.held_by) == ("doveadm proxy kick", None)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ("host=1 host=2", "not extra fields of a passwd-file"),
        ("user@host=1", "not extra fields of a passwd-file"),
        (" ", "not extra fields of a passwd-file"),
        ("host=1 pass=hush", "`pass` is a secret"),
    ],
)
def test_extra_fields_that_are_none_or_secret_are_refused(tmp_path, fields, told):
    config = CONFIG.replace("\ncanary:", PROXY).replace("proxy=y port=143 host=10.0.0.1", fields)
    with pytest.raises(MigratorError) as refused:
        workspace.load(make(tmp_path, config))
    assert told in str(refused.value)
    assert "hush" not in str(refused.value)


@pytest.mark.parametrize("loader", LOADERS)
def test_all_mistakes_of_the_file_are_told_at_once(tmp_path, monkeypatch, loader):
    monkeypatch.setattr(marks, "LOADER", loader)
    broken = CONFIG.replace("port: 143", "prt: 143").replace("type: hash", "type: btree").replace("2m", "2x")
    assert [line.split(":")[1] for line in problems(make(tmp_path, broken))] == ["8", "23", "26"]


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("domain: [", "expected"),
        ("a: &x 1\nb: *x\n", "migrator.yaml:1:4: anchors (&)"),
        ("a: !!python/object:os.system x", "migrator.yaml:1:4: tags"),
        ("a: 1\x07", "migrator.yaml:1:5: a control character"),
        ("[" * 5000, "nested too deeply"),
        ("a: " + "[" * 30 + "]" * 30, "nested too deeply"),
        ("? [a]\n: b\n", "a key must be a word"),
        ("- a\n- b\n", "must be a mapping"),
        ("", "`domain` is missing"),
        ("a: 1\n---\nb: 2\n", "migrator.yaml:2:1: "),
        ("a: " + "9" * 5000, "a number this long"),
        ('domain: "\\ud800"', "character"),
    ],
)
def test_what_is_no_yaml_of_ours_is_refused_at_its_place(tmp_path, monkeypatch, loader, text, told):
    monkeypatch.setattr(marks, "LOADER", loader)
    assert any(told in line for line in problems(make(tmp_path, text)))


def test_a_file_in_another_encoding_is_named_with_its_line(tmp_path):
    make(tmp_path)
    (tmp_path / "migrator.yaml").write_bytes(CONFIG.encode("cp932"))
    assert problems(tmp_path) == ["migrator.yaml:29: not UTF-8; save the file as UTF-8"]


@pytest.mark.parametrize("loader", LOADERS)
def test_plain_words_are_text_whatever_yaml_1_1_thinks_of_them(tmp_path, monkeypatch, loader):
    monkeypatch.setattr(marks, "LOADER", loader)
    config = CONFIG.replace('"送信済みアイテム": Sent', "yes: on, 22:30: 2026-12-05, 010: 0x1F, 1e3: 1_000")
    loaded = workspace.load(make(tmp_path, config))
    assert loaded.config.folders.map == {"yes": "on", "22:30": "2026-12-05", "010": "0x1F", "1e3": "1_000"}


def test_two_folders_become_one_only_where_merge_says_so(tmp_path):
    twice = CONFIG.replace('{"送信済みアイテム": Sent}', "{A: Sent, B: Sent, C: INBOX, D: Inbox}")
    found = problems(make(tmp_path, twice))
    assert [line.partition(": ")[2] for line in found] == [
        "`B` and `A` would both become `Sent`; put it under `merge:` if that is meant",
        "`D` and `C` would both become `Inbox`; put it under `merge:` if that is meant",
    ]
    merged = twice + "  merge: [Sent, INBOX]\n"
    assert len(workspace.load(make(tmp_path, merged)).config.folders.map) == 4


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ('secret: "env:OLD_MASTER"', "secret: hunter2"),
        ('secret: "env:OLD_MASTER"', "secret: [hunter2]"),
        ('secret: "env:OLD_MASTER"', 'secret: {value: "hunter2"}'),
        ('secret: "env:OLD_MASTER"', "password: hunter2"),
        ('secret: "env:OLD_MASTER"', "secret: &hunter2 x"),
        ('secret: "env:OLD_MASTER"', "secret: *hunter2"),
        ('secret: "env:OLD_MASTER"', "secret: !hunter2 x"),
        ('secret: "env:OLD_MASTER"', "secret: !hunter2!h x"),
        ('secret: "env:OLD_MASTER"', 'secret: "hunter2'),
        ('secret: "env:OLD_MASTER"', "secret: keyring:hunter2"),
        ('secret: "env:OLD_MASTER"', 'secret: "command:pass \'hunter2"'),
        ("domain: example.co.jp", "domain: x.jp\nstate: postgresql://migrator:hunter2@db/migrator"),
        ("domain: example.co.jp", "domain: x.jp\nstate: postgresql://db/migrator?password=hunter2"),
    ],
)
def test_a_secret_written_as_a_value_is_refused_and_never_repeated(tmp_path, was, now):
    assert "hunter2" not in "\n".join(spoilt(tmp_path, was, now))


def test_a_secret_written_as_a_value_is_told_where_and_how_to_do_it(tmp_path):
    [line] = spoilt(tmp_path, '"env:OLD_MASTER"', "§hunter2")
    assert line.startswith("§ not a reference to a secret")
    assert "env:NAME, file:PATH" in line


def test_a_directory_without_a_workspace_is_told_what_to_do(tmp_path):
    with pytest.raises(ConfigInvalid, match="is no workspace") as caught:
        workspace.load(tmp_path)
    assert "migrator init" in caught.value.remedy


def test_a_name_that_is_not_there_is_guessed(tmp_path):
    loaded = workspace.load(make(tmp_path))
    with pytest.raises(workspace.UnknownName, match=r"no wave `sale`; did you mean `sales`\?"):
        loaded.wave(WaveName("sale"))
    with pytest.raises(workspace.UnknownName, match=r"no mailbox `z@example\.co\.jp`"):
        loaded.mailbox(Address("z@example.co.jp"))


def test_a_new_workspace_is_valid_as_it_stands_and_private(tmp_path):
    written = workspace.init(tmp_path / "w")
    assert {path.name for path in written} == {"migrator.yaml", "mailboxes.csv", "README.txt", ".gitignore"}
    assert workspace.load(tmp_path / "w").mailboxes == {}
    assert (tmp_path / "w" / "state").stat().st_mode & 0o777 == 0o700


def test_a_gitignore_that_is_there_is_left_alone(tmp_path):
    (tmp_path / ".gitignore").write_text("mine\n")
    assert len(workspace.init(tmp_path)) == 3
    assert (tmp_path / ".gitignore").read_text() == "mine\n"


def test_a_home_that_is_nobodys_is_a_path_like_any_other(tmp_path, monkeypatch):
    loaded = workspace.load(make(tmp_path, CONFIG.replace("file: maps/transport", "file: ~nobody-at-all/t")))
    assert maps(loaded)[0].file == tmp_path / "~nobody-at-all/t"
    monkeypatch.setenv("HOME", "/home/taro")
    loaded = workspace.load(make(tmp_path, CONFIG.replace("file: maps/transport", "file: ~/t")))
    assert maps(loaded)[0].file == Path("/home/taro/t")


def test_init_overwrites_nothing(tmp_path):
    (tmp_path / "mailboxes.csv").write_text(ROWS)
    with pytest.raises(Exception, match="already there; nothing was written"):
        workspace.init(tmp_path)
    assert (tmp_path / "mailboxes.csv").read_text() == ROWS
    assert not (tmp_path / "migrator.yaml").exists()


def test_the_example_in_this_repository_is_valid():
    loaded = workspace.load(Path(__file__).parents[2])
    assert len(loaded.wave_mailboxes(WaveName("sales"))) == 3
    assert SALES.startswith("wave: sales")
