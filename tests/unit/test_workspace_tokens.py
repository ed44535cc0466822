"""Tokens: what is read as one, how long it is kept, and who gets another."""

from __future__ import annotations

import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator import workspace
from migrator.model.bearer import TokenLogin
from migrator.model.errors import Transient
from migrator.model.mailbox import Secret
from migrator.model.names import Address
from migrator.workspace.secrets import SecretDelayed, SecretUnavailable
from migrator.workspace.tokens import Supply, Token, read_token
from tests.unit.workspace_files import CONFIG, make

OLD_AUTH = '{kind: master-user, user: migrator, separator: "*", secret: "env:OLD_MASTER"}'


class Issuer:
    """What a supply fetches from: tokens t1, t2, ... with this lifetime, at a time that tests set."""

    def __init__(self, lifetime: float = 3600) -> None:
        self.now, self.lifetime, self.count, self.takes = 1000.0, lifetime, 0, 0.0
        self.supply = Supply(self.fetch, lambda: self.now)

    def fetch(self) -> Token:
        self.count += 1
        self.now += self.takes
        return Token(Secret(f"t{self.count}"), self.lifetime)

    def token(self) -> str:
        return self.supply.token().reveal()

    def renewed(self, refused: str) -> str | None:
        another = self.supply.renewed(Secret(refused))
        return another.reveal() if another else None


# how long a token is kept


@pytest.mark.parametrize(("lifetime", "kept"), [(3600, 3540), (100, 90), (2, 1.8)])
def test_a_token_is_used_until_shortly_before_its_end(lifetime: float, kept: float) -> None:
    issuer = Issuer(lifetime)
    assert issuer.token() == "t1"
    issuer.now += kept - 0.01
    assert issuer.token() == "t1"
    issuer.now += 0.02
    assert issuer.token() == "t2"


def test_the_life_of_a_token_begins_when_it_is_asked_for() -> None:
    issuer = Issuer(100)
    issuer.takes = 50
    issuer.token()
    issuer.now += 39
    assert issuer.token() == "t1"
    issuer.now += 2
    assert issuer.token() == "t2"


def test_a_token_without_a_life_is_used_once() -> None:
    issuer = Issuer(0)
    assert [issuer.token(), issuer.token()] == ["t1", "t2"]


# refused tokens


def test_a_refused_token_is_fetched_anew_once_for_all_who_had_it() -> None:
    issuer = Issuer()
    assert [issuer.token() for _ in range(3)] == ["t1"] * 3
    assert [issuer.renewed("t1") for _ in range(3)] == ["t2"] * 3
    assert issuer.count == 2
    assert issuer.token() == "t2"


def test_a_token_that_was_fetched_for_the_login_that_failed_is_not_fetched_again() -> None:
    issuer = Issuer()
    assert issuer.renewed(issuer.token()) is None
    assert issuer.count == 1
    issuer.now += 3600
    assert issuer.renewed(issuer.token()) is None
    assert issuer.count == 2


def test_it_is_fetched_anew_when_it_is_refused_later() -> None:
    issuer = Issuer()
    issuer.token()
    assert issuer.renewed(issuer.token()) == "t2"


def test_a_source_that_gives_the_same_token_again_has_no_other() -> None:
    supply = Supply(lambda: Token(Secret("same"), 3600))
    supply.token()
    assert supply.renewed(supply.token()) is None


def test_after_a_source_has_failed_it_is_asked_again() -> None:
    issuer = Issuer()
    broken = [SecretDelayed("not now")]

    def fetch() -> Token:
        if broken:
            raise broken.pop()
        return issuer.fetch()

    supply = Supply(fetch)
    with pytest.raises(Transient):
        supply.token()
    assert supply.token().reveal() == "t1"


def test_a_renewal_that_fails_leaves_no_refused_token_behind() -> None:
    issuer = Issuer()
    issuer.token()
    issuer.token()
    was, issuer.supply._fetch = issuer.supply._fetch, lambda: (_ for _ in ()).throw(SecretDelayed("not now"))
    for _ in range(2):  # two who had it
        with pytest.raises(SecretDelayed):
            issuer.renewed("t1")
    issuer.supply._fetch = was
    assert issuer.token() == "t2"


def test_many_who_ask_at_once_get_one_token() -> None:
    begun, go = threading.Event(), threading.Event()
    count: list[int] = []

    def fetch() -> Token:
        count.append(1)
        begun.set()
        assert go.wait(10)
        return Token(Secret(f"t{len(count)}"), 3600)

    supply = Supply(fetch)
    with ThreadPoolExecutor(8) as pool:
        got = [pool.submit(supply.token) for _ in range(8)]
        assert begun.wait(10)
        go.set()
        assert {one.result().reveal() for one in got} == {"t1"}


@given(st.lists(st.sampled_from(["wait", "token", "refuse"]), max_size=40))
def test_nobody_ever_gets_a_token_that_is_past_its_end_or_that_was_refused_to_him(steps: list[str]) -> None:
    issuer, held = Issuer(10), ""
    fetched: dict[str, float] = {}
    for step in steps:
        if step == "wait":
            issuer.now += 4
        elif step == "token":
            before = issuer.count
            held = issuer.token()
            fetched.setdefault(held, issuer.now)
            assert issuer.count - before <= 1
            assert issuer.now < fetched[held] + 10
        elif held:
            another = issuer.renewed(held)
            assert another != held
            if another:
                fetched.setdefault(another, issuer.now)
            held = another or ""


# what is read as a token


def test_a_token_alone_lives_as_long_as_the_configuration_says() -> None:
    assert read_token(" ya29.abc\n", 1800, "it") == Token(Secret("ya29.abc"), 1800)


@pytest.mark.parametrize(
    ("more", "lifetime"),
    [({"expires_in": 3599}, 3599), ({"expires_in": "3599"}, 3599), ({}, 60), ({"expires_in": -5}, 0)],
)
def test_the_answer_of_a_token_server_tells_its_own(more: dict[str, object], lifetime: float) -> None:
    text = json.dumps({"access_token": "ya29.abc", "token_type": "Bearer", **more}, indent=2)
    assert read_token(text, 60, "it") == Token(Secret("ya29.abc"), lifetime)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "nothing is there"),
        ("Error: marked-secret is not known", "is no token"),
        ("marked-secret\nmarked-secret", "is no token"),
        ("märked-secret", "is no token"),
        ('{"access_token": "marked-secret"', "like JSON"),
        ('{"access_token": "marked-secret and more"}', "`access_token` in the JSON"),
        ('{"access_token": 5}', "`access_token` in the JSON"),
        ('{"token": "marked-secret"}', "`access_token` in the JSON"),
        ('{"access_token": "marked-secret", "expires_in": "soon"}', "`expires_in` in the JSON"),
        ('{"access_token": "marked-secret", "expires_in": [1]}', "`expires_in` in the JSON"),
        ('{"access_token": "marked-secret", "expires_in": NaN}', "`expires_in` in the JSON"),
        (
            '{"error": "invalid_grant", "error_description": "consent is \\u001bmissing"}',
            r"invalid_grant consent is \x1b",
        ),
    ],
)
def test_what_is_no_token_is_told_without_what_was_there(text: str, told: str) -> None:
    with pytest.raises(SecretUnavailable) as refused:
        read_token(text, 60, "the token env:T for u")
    assert told in str(refused.value) and str(refused.value).startswith("the token env:T for u: ")
    assert "secret" not in refused.value.in_full and "docs/access.md" in refused.value.remedy


# from the workspace


def command(directory: Path, script: str) -> str:
    (directory / "ask.py").write_text(script)
    return json.dumps(f"command:{sys.executable} {directory}/ask.py")


def source(directory: Path, config: str, owner: str = "a@example.co.jp") -> TokenLogin:
    loaded = workspace.load(make(directory, config))
    login = loaded.login(loaded.mailbox(Address(owner)), "source")
    assert isinstance(login, TokenLogin)
    return login


def test_a_command_learns_whose_token_is_asked_for_from_its_environment(tmp_path: Path) -> None:
    script = "import os, sys\nprint(os.environ['MIGRATOR_LOGIN'] + '/' + str(len(sys.argv)) + '/' + os.environ['HOME'])"
    auth = f"{{kind: xoauth2, secret: {command(tmp_path, script)}}}"
    loaded = workspace.load(make(tmp_path, CONFIG.replace(OLD_AUTH, auth)))
    told = []
    for owner in ("a@example.co.jp", "b@example.co.jp"):
        login = loaded.login(loaded.mailbox(Address(owner)), "source")
        assert isinstance(login, TokenLogin)
        told.append(login.tokens.token().reveal().split("/")[:2])
    assert told == [["a@example.co.jp", "1"], ["b@example.co.jp", "1"]]


def test_a_token_is_kept_from_one_login_of_a_mailbox_to_the_next(tmp_path: Path) -> None:
    script = "import uuid; print(uuid.uuid4())"
    auth = f"{{kind: oauthbearer, secret: {command(tmp_path, script)}}}"
    loaded = workspace.load(make(tmp_path, CONFIG.replace(OLD_AUTH, auth)))
    box = loaded.mailbox(Address("a@example.co.jp"))
    first, second = (loaded.login(box, "source") for _ in range(2))
    assert isinstance(first, TokenLogin) and isinstance(second, TokenLogin)
    assert first.tokens.token() == second.tokens.token()
    assert first.tokens.renewed(second.tokens.token()) == second.tokens.token()


def test_a_token_in_a_file_that_somebody_else_renews_is_read_again(tmp_path: Path) -> None:
    (tmp_path / "token").touch(0o600)
    (tmp_path / "token").write_text("one\n")
    tokens = source(tmp_path, CONFIG.replace(OLD_AUTH, '{kind: xoauth2, secret: "file:token"}')).tokens
    assert [tokens.token(), tokens.token()] == [Secret("one")] * 2
    (tmp_path / "token").write_text("two\n")
    assert tokens.renewed(Secret("one")) == Secret("two")
    (tmp_path / "token").chmod(0o640)
    tokens.token()
    with pytest.raises(SecretUnavailable, match="others can read"):
        tokens.renewed(Secret("two"))


def test_a_command_that_says_try_later_is_waited_for(tmp_path: Path) -> None:
    """Exit code 75 is EX_TEMPFAIL (sysexits.h)."""
    auth = f"{{kind: xoauth2, secret: {command(tmp_path, 'import sys; sys.exit(75)')}}}"
    tokens = source(tmp_path, CONFIG.replace(OLD_AUTH, auth)).tokens
    with pytest.raises(SecretDelayed) as delayed:
        tokens.token()
    assert isinstance(delayed.value, Transient)


def test_no_token_is_shown_by_what_holds_it(tmp_path: Path) -> None:
    printing = command(tmp_path, "print('ya29.x')")
    login = source(tmp_path, CONFIG.replace(OLD_AUTH, f"{{kind: xoauth2, secret: {printing}}}"))
    login.tokens.token()
    assert "ya29" not in f"{login!r} {login.tokens!r} {Token(Secret('ya29'), 1)!r}"
