"""`carry:`, `sieve:` and `admin:` of migrator.yaml, and what a copier is told of them."""

from __future__ import annotations

import pytest

from migrator.dispatch import carrying as carrying_module
from migrator.dispatch.carrying import REST, Carrier
from migrator.model.belonging import Kind
from migrator.model.errors import Unreachable
from migrator.model.mailbox import Tls
from migrator.model.names import Address, ServerName
from migrator.workspace import Workspace, load
from tests.unit.test_dispatch_budgets import FakeClock
from tests.unit.workspace_files import CONFIG, ROWS, make, spoilt

SERVER = "    imap: {host: new.example.co.jp, port: 143, tls: starttls}\n"
MORE = """\
carry:
  skip: [quota]
  identifiers: {"$sales": "group:sales"}
  skip_entries: [/private/vendor/old/]
"""


class NoStore:
    belongings = None


def changed(tmp_path, now: str, more: str = "") -> Workspace:
    rows = ROWS.replace("c@example.co.jp,開発部,old,new", "c@example.co.jp,開発部,new,old")
    return load(make(tmp_path, CONFIG.replace(SERVER, SERVER + now) + more, rows))


def test_without_a_word_all_is_carried_and_scripts_where_a_server_says_that_it_takes_them(tmp_path):
    config = changed(tmp_path, "").config
    assert config.carry.kinds == frozenset(Kind)
    assert all(server.sieve is None and server.admin is None for server in config.servers.values())


def test_scripts_go_where_the_server_says_over_tls_unless_told_otherwise(tmp_path):
    server = changed(tmp_path, "    sieve: {}\n").server(ServerName("new"))
    assert server.sieve is not None
    endpoint = server.sieve.endpoint(server.endpoint.host, "ca.pem")
    assert (endpoint.host, endpoint.port, endpoint.tls, endpoint.ca_file) == (
        "new.example.co.jp", 4190, Tls.STARTTLS, "ca.pem",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("now", "more", "told"),
    [
        ("    sieve: {tls: none}\n", "", "allow_plaintext: true"),
        ("    sieve: {prot: 4190}\n", "", "did you mean `port`"),
        ("    admin: {user: cyrus, secret: hunter2}\n", "", "secret"),
        ("", "carry: {skip: [mail]}\n", "must be"),
        ("", "carry: {skip: [namespaces]}\n", "only told"),
    ],
)
def test_mistakes_are_told(tmp_path, now, more, told):
    [wrong] = spoilt(tmp_path, SERVER, SERVER + now) if now else spoilt(tmp_path, "canary:", more + "canary:")
    assert told in wrong and "hunter2" not in wrong


def test_a_copier_knows_who_is_who_and_leaves_owner_and_administrators_alone(tmp_path):
    workspace = changed(tmp_path, '    admin: {user: cyrus, secret: "env:ADMIN"}\n    sieve: {}\n', MORE)
    mailbox = next(iter(workspace.mailboxes.values()))
    told = Carrier(workspace, NoStore(), FakeClock()).of(mailbox)  # type: ignore[arg-type]
    assert Kind.QUOTA not in told.kinds and Kind.RIGHTS in told.kinds
    assert told.people.mapping == {"$sales": "group:sales"}
    assert told.people.logins[mailbox.source_login] == mailbox.target_login
    assert {"owner", "migrator", "cyrus", mailbox.source_login, mailbox.target_login} <= told.people.left
    assert told.sieve_on == {"target"} and told.admin is not None
    assert told.entries_left == ("/private/vendor/old/",)


def test_people_of_another_server_are_not_taken_for_those_of_this_one(tmp_path):
    workspace = changed(tmp_path, "")
    told = Carrier(workspace, NoStore(), FakeClock()).of(  # type: ignore[arg-type]
        workspace.mailbox(Address("a@example.co.jp"))
    )
    assert sorted(told.people.logins) == ["a@example.co.jp", "b@example.co.jp"]


def test_a_manage_sieve_that_does_not_answer_is_left_in_peace_for_a_while_by_all_mailboxes(tmp_path, monkeypatch):
    workspace, clock, asked = changed(tmp_path, "    sieve: {}\n"), FakeClock(), list[str]()

    def silent(workspace, mailbox, side, server):
        asked.append(mailbox.address)
        raise Unreachable("no answer", remedy="look")

    monkeypatch.setattr(carrying_module, "_connected", silent)
    carrier = Carrier(workspace, NoStore(), clock)  # type: ignore[arg-type]
    one, other, *_ = workspace.mailboxes.values()

    def ask(mailbox):
        with pytest.raises(Unreachable, match="no answer"):
            carrier.of(mailbox).sieve("target")

    for mailbox in (one, other, one):
        ask(mailbox)
    assert asked == [one.address]
    clock.sleep(REST)
    ask(other)
    assert asked == [one.address, other.address]
