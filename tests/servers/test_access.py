"""Every kind of `auth:` of migrator.yaml against real servers, as a workspace says it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from migrator import workspace
from migrator.imap import Session, connect
from migrator.imap.errors import TokenRefused
from migrator.model.errors import LoginRefused
from migrator.model.names import Address
from tests.lab import processes, require
from tests.lab.cyrus import Cyrus
from tests.lab.dovecot import Dovecot
from tests.lab.token_server import TokenServer

USERS = ["a@company.test", "b@company.test", "hasegawa,k=1@company.test"]


@dataclass
class Side:
    """A running server; `enter` logs in as a mailbox by what `auth:` says."""

    server: Dovecot | Cyrus
    tokens: TokenServer
    directory: Path

    def enter(self, user: str, auth: dict[str, Any], secrets: dict[str, str] | None = None) -> Session:
        loaded = self.load(auth, secrets or {})
        entered = loaded.server(loaded.mailbox(Address(user)).source)
        return connect(entered.endpoint, loaded.login(loaded.mailbox(Address(user)), "source"), allow_plaintext=True)

    def load(self, auth: dict[str, Any], secrets: dict[str, str]) -> workspace.Workspace:
        for name, secret in secrets.items():
            (self.directory / name).touch(0o600)
            (self.directory / name).write_text(secret)
        imap = {"host": self.server.host, "port": self.server.imap_port, "tls": "none", "allow_plaintext": True}
        servers = {
            "old": {"imap": imap, "auth": auth},
            "new": {"imap": imap, "auth": {"kind": "password", "secret": "env:NOT_USED"}},
        }
        config = json.dumps({"domain": "company.test", "servers": servers})
        (self.directory / "migrator.yaml").write_text(config)
        rows = "address,department,source,target,source_login\na@company.test,sales,old,new,\n"
        rows += 'b@company.test,sales,old,new,\nc@company.test,sales,old,new,"hasegawa,k=1@company.test"\n'
        (self.directory / "mailboxes.csv").write_text(rows)
        return workspace.load(self.directory)


@pytest.fixture(scope="module")
def dovecot() -> Iterator[tuple[Dovecot, TokenServer]]:
    require("dovecot-oauth2")
    directory = processes.scratch_directory("oauth")
    with TokenServer() as tokens:
        extra = tokens.for_dovecot(directory) + "auth_username_chars =\n"  # any
        with Dovecot("access", users=USERS, extra=extra) as server:
            yield server, tokens
    processes.remove_directory(directory)


@pytest.fixture
def old(dovecot: tuple[Dovecot, TokenServer], tmp_path: Path) -> Side:
    return Side(*dovecot, tmp_path)


@pytest.fixture(scope="module")
def cyrus_server() -> Iterator[Cyrus]:
    require("cyrus")
    with Cyrus("access", users=USERS[:2]) as server:
        yield server


@pytest.fixture
def cyrus(cyrus_server: Cyrus, stack: ExitStack, tmp_path: Path) -> Side:
    return Side(cyrus_server, stack.enter_context(TokenServer()), tmp_path)


def owner(session: Session, server: Dovecot | Cyrus, user: str) -> bool:
    """Whether the session is in the mailbox of `user`: a folder made there is seen by the user himself, and goes."""
    with session:
        session.create("Proof of entry")  # type: ignore[arg-type]
        with server.connect(user) as own:
            own.command(b'DELETE "Proof of entry"')
    return True


# Dovecot


def test_a_mailbox_of_dovecot_is_entered_by_its_password(old: Side) -> None:
    auth = {"kind": "password", "secret": "file:own"}
    assert owner(old.enter(USERS[0], auth, {"own": old.server.passwords[USERS[0]]}), old.server, USERS[0])
    with pytest.raises(LoginRefused, match=r"does not let 'b@company\.test' in"):
        old.enter(USERS[1], auth, {"own": old.server.passwords[USERS[0]]})


def test_a_mailbox_of_dovecot_is_entered_by_the_master_user(old: Side) -> None:
    assert isinstance(old.server, Dovecot)
    auth = {"kind": "master-user", "user": old.server.master_user, "secret": "file:master"}
    entered = old.enter(USERS[1], auth, {"master": old.server.master_password})
    assert owner(entered, old.server, USERS[1])
    with pytest.raises(LoginRefused):
        old.enter(USERS[1], auth | {"separator": "%"}, {"master": old.server.master_password})


def test_a_mailbox_of_dovecot_is_entered_by_an_account_that_acts_for_it(old: Side) -> None:
    assert isinstance(old.server, Dovecot)
    auth = {"kind": "plain", "user": old.server.master_user, "secret": "file:master"}
    assert owner(old.enter(USERS[0], auth, {"master": old.server.master_password}), old.server, USERS[0])
    auth = {"kind": "plain", "user": USERS[1], "secret": "file:own"}
    with pytest.raises(LoginRefused, match=r"does not let 'b@company\.test' in as 'a@company\.test'"):
        old.enter(USERS[0], auth, {"own": old.server.passwords[USERS[1]]})


@pytest.mark.parametrize("kind", ["xoauth2", "oauthbearer"])
@pytest.mark.parametrize(("address", "login"), [("a@company.test", USERS[0]), ("c@company.test", USERS[2])])
def test_a_mailbox_of_dovecot_is_entered_by_a_token_from_a_command(
    old: Side, kind: str, address: str, login: str
) -> None:
    """Also one whose name has what OAUTHBEARER writes in another way (RFC 5801, 4)."""
    before = len(old.tokens.issued)
    entered = old.enter(address, {"kind": kind, "secret": old.tokens.command(old.directory)})
    assert owner(entered, old.server, login)
    [(user, token)] = old.tokens.issued[before:]
    assert user == login and old.tokens.asked[-1] == token


@pytest.mark.parametrize(("kind", "report"), [("xoauth2", '"401"'), ("oauthbearer", '"invalid_token"')])
def test_a_token_that_dovecot_refuses_is_told_with_its_report_and_is_not_shown(
    old: Side, kind: str, report: str
) -> None:
    of_another = str(old.tokens.issue(USERS[1])["access_token"])
    with pytest.raises(TokenRefused) as refused:
        old.enter(USERS[0], {"kind": kind, "secret": "file:token"}, {"token": of_another})
    assert report in str(refused.value) and "docs/access.md" in refused.value.remedy
    assert of_another not in f"{refused.value!r} {refused.value.in_full}"
    assert old.tokens.asked.count(of_another) == 1


def test_a_token_that_was_fetched_for_a_login_is_not_fetched_again_for_it(old: Side) -> None:
    """Each mailbox that the application may not enter would cost two tokens and two failed logins."""
    before = len(old.tokens.issued)
    old.tokens.locked_out = True
    try:
        with pytest.raises(TokenRefused):
            old.enter(USERS[0], {"kind": "xoauth2", "secret": old.tokens.command(old.directory)})
    finally:
        old.tokens.locked_out = False
    assert len(old.tokens.issued) == before + 1


# Cyrus


def test_a_mailbox_of_cyrus_is_entered_by_its_password(cyrus: Side) -> None:
    auth = {"kind": "password", "secret": "file:own"}
    assert owner(cyrus.enter(USERS[0], auth, {"own": cyrus.server.passwords[USERS[0]]}), cyrus.server, USERS[0])
    with pytest.raises(LoginRefused):
        cyrus.enter(USERS[0], auth, {"own": "wrong"})


def test_a_mailbox_of_cyrus_is_entered_by_an_admin_who_acts_for_it(cyrus: Side) -> None:
    assert isinstance(cyrus.server, Cyrus)
    auth = {"kind": "plain", "user": cyrus.server.admin, "secret": "file:admin"}
    assert owner(cyrus.enter(USERS[1], auth, {"admin": cyrus.server.admin_password}), cyrus.server, USERS[1])
    with pytest.raises(LoginRefused, match=r"does not let 'a@company\.test' in as 'b@company\.test'"):
        cyrus.enter(USERS[1], auth | {"user": USERS[0]}, {"admin": cyrus.server.passwords[USERS[0]]})


def test_a_kind_that_a_server_does_not_offer_is_told_with_what_it_offers(cyrus: Side) -> None:
    with pytest.raises(LoginRefused, match=r"does not offer to log in by XOAUTH2; it offers LOGIN, PLAIN"):
        cyrus.enter(USERS[0], {"kind": "xoauth2", "secret": cyrus.tokens.command(cyrus.directory)})
