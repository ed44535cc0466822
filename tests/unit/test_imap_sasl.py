"""Logins by SASL, word for word: what is sent, how a refusal of a token is answered, and what of it is told."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator.imap import connect, sasl
from migrator.imap.errors import ConnectionLost, ProtocolViolation, Throttled, TokenRefused
from migrator.model.bearer import Mechanism, TokenLogin
from migrator.model.errors import LoginRefused, MigratorError
from migrator.model.mailbox import Endpoint, Login, Secret, Tls
from tests.unit.imap_script import Peer, Play, listening

TOKEN = "ya29.marked-token-" + "x" * 60
WHERE = Endpoint("imap.company.test", 993)
REPORT = json.dumps({"status": "401", "schemes": "bearer", "scope": "https://mail.google.com/"})


class Tokens:
    """A TokenSource that gives these, one after the other, and remembers which were refused."""

    def __init__(self, *tokens: str) -> None:
        self.left, self.refused = list(tokens), list[str]()

    def token(self) -> Secret:
        return Secret(self.left.pop(0))

    def renewed(self, refused: Secret) -> Secret | None:
        self.refused.append(refused.reveal())
        return Secret(self.left.pop(0)) if self.left else None


def enter(login: Login | TokenLogin, *plays: Play) -> None:
    """Connect, once for each play, and leave again."""
    with listening(*plays) as endpoint:
        connect(endpoint, login, allow_plaintext=True, timeout=2).close()


def by_token(mechanism: Mechanism = Mechanism.XOAUTH2, *tokens: str) -> TokenLogin:
    return TokenLogin("u@company.test", mechanism, Tokens(*tokens or (TOKEN,)))


def server(*answers: bytes, said: list[bytes] | None = None, offers: bytes = b"SASL-IR AUTH=XOAUTH2") -> Play:
    """Greet, and answer each line of the login with the next of `answers`; what was said goes to `said`."""

    def play(peer: Peer) -> None:
        peer.send(b"* OK [CAPABILITY IMAP4rev1 " + offers + b"] hello")
        line = peer.read()
        for answer in answers:
            (said if said is not None else []).append(line)
            peer.send(answer)
            line = peer.input.readline().rstrip(b"\r\n")
        (said if said is not None else []).append(line)

    return play


def coded(text: str | bytes) -> bytes:
    return base64.b64encode(text.encode() if isinstance(text, str) else text)


def refusing(report: bytes = coded(REPORT), offers: bytes = b"SASL-IR AUTH=XOAUTH2 AUTH=OAUTHBEARER") -> Play:
    return server(b"+ " + report, b"@ NO [AUTHENTICATIONFAILED] no", offers=offers)


# what is sent


@pytest.mark.parametrize(
    ("login", "sent"),
    [
        (Login("u", Secret("pw")), b"\0u\0pw"),
        (Login("admin", Secret("pw"), acts_for="u"), b"u\0admin\0pw"),
        (TokenLogin("a,b=c@d", Mechanism.XOAUTH2, Tokens()), b"user=a,b=c@d\1auth=Bearer pw\1\1"),
        (
            TokenLogin("a,b=c@d", Mechanism.OAUTHBEARER, Tokens()),
            b"n,a=a=2Cb=3Dc@d,\1host=imap.company.test\1port=993\1auth=Bearer pw\1\1",
        ),
    ],
)
def test_what_a_login_says_is_as_its_mechanism_has_it(login: Login | TokenLogin, sent: bytes) -> None:
    """RFC 4616, 2; RFC 7628, 3.1 and 4; XOAUTH2 as Google and Microsoft describe it."""
    assert base64.b64decode(sasl.exchange(login, Secret("pw"), WHERE).response) == sent


@pytest.mark.parametrize("at_once", [True, False])
def test_a_token_is_sent_with_the_command_where_the_server_takes_that_and_else_when_asked(at_once: bool) -> None:
    said: list[bytes] = []
    response = coded(f"user=u@company.test\1auth=Bearer {TOKEN}\1\1")
    steps = [b"@ OK [CAPABILITY IMAP4rev1] in"] if at_once else [b"+ ", b"@ OK [CAPABILITY IMAP4rev1] in"]
    enter(by_token(), server(*steps, said=said, offers=b"AUTH=XOAUTH2" + b" SASL-IR" * at_once))
    wanted = [b"AUTHENTICATE XOAUTH2 " + response] if at_once else [b"AUTHENTICATE XOAUTH2", response]
    assert said[: len(wanted)] == wanted and b"LOGOUT" in said[-1]


def test_an_account_that_acts_for_others_never_logs_in_by_another_way() -> None:
    """LOGIN cannot say for whom; the mail of the wrong mailbox would be copied."""
    said: list[bytes] = []
    login = Login("admin", Secret("marked-password"), acts_for="u")
    with pytest.raises(LoginRefused, match="does not offer to log in by PLAIN; it offers LOGIN only"):
        enter(login, server(said=said, offers=b""))
    assert not any(said)


def test_a_token_goes_only_to_a_server_that_offers_its_mechanism() -> None:
    said: list[bytes] = []
    with pytest.raises(LoginRefused, match="by XOAUTH2; it offers OAUTHBEARER, PLAIN") as refused:
        enter(by_token(), server(said=said, offers=b"AUTH=PLAIN AUTH=OAUTHBEARER SASL-IR"))
    assert not any(said) and "kind" in refused.value.remedy


@pytest.mark.parametrize("login", [by_token(), by_token(Mechanism.OAUTHBEARER), Login("a", Secret("pw"))])
@pytest.mark.parametrize("bad", ["u\1auth=Bearer x", "u\r\nx CREATE b", "u\0v"])
def test_control_characters_in_any_part_are_refused_before_anything_is_sent(
    login: Login | TokenLogin, bad: str
) -> None:
    said: list[bytes] = []
    if isinstance(login, Login):
        login = Login("a", Secret("pw"), acts_for=bad)
    else:
        login = TokenLogin(bad, login.mechanism, Tokens(TOKEN))
    with pytest.raises(LoginRefused, match="control character"):
        enter(login, server(said=said))
    assert not any(said)


def test_a_token_does_not_cross_a_network_in_the_clear_unless_that_is_allowed() -> None:
    with pytest.raises(MigratorError, match="unprotected"):
        connect(Endpoint("127.0.0.1", 1, Tls.NONE), by_token())


# refusals


@pytest.mark.parametrize(("mechanism", "dismissal"), [(Mechanism.XOAUTH2, b""), (Mechanism.OAUTHBEARER, b"AQ==")])
@pytest.mark.parametrize("at_once", [True, False])
def test_the_report_on_a_refused_token_is_answered_as_the_mechanism_wants_it_and_told(
    mechanism: Mechanism, dismissal: bytes, at_once: bool
) -> None:
    said: list[bytes] = []
    offers = f"AUTH={mechanism}".encode() + b" SASL-IR" * at_once
    steps = [*([] if at_once else [b"+ "]), b"+ " + coded(REPORT), b"@ NO [AUTHENTICATIONFAILED] no"]
    with pytest.raises(TokenRefused) as refused:
        enter(by_token(mechanism), server(*steps, said=said, offers=offers))
    assert said[len(steps) - 1] == dismissal
    assert REPORT in str(refused.value) and "[AUTHENTICATIONFAILED] no" in str(refused.value)


@pytest.mark.parametrize("report", [b"", b"not base64", coded(b"\xff\xfe"), b"#" * 200])
def test_a_report_that_is_none_is_no_reason_to_fail_otherwise(report: bytes) -> None:
    with pytest.raises(TokenRefused):
        enter(by_token(), refusing(report))


def test_a_server_that_asks_on_and_on_is_left() -> None:
    def play(peer: Peer) -> None:
        server()(peer)
        while True:
            peer.send(b"+ " + coded(REPORT))

    with pytest.raises((ProtocolViolation, ConnectionLost)):
        enter(by_token(), play)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"@ NO [UNAVAILABLE] the token server does not answer", Throttled),
        (b"* BYE going down", ConnectionLost),
        (b"@ NO [INUSE] busy", Throttled),
    ],
)
def test_what_is_no_refusal_of_the_token_does_not_cost_another_one(answer: bytes, error: type[Exception]) -> None:
    tokens = Tokens(TOKEN, "another")
    with pytest.raises(error):
        enter(TokenLogin("u", Mechanism.XOAUTH2, tokens), server(answer))
    assert tokens.refused == []


def test_a_server_that_says_bye_and_then_no_has_not_judged_the_token() -> None:
    def play(peer: Peer) -> None:
        peer.send(b"* OK [CAPABILITY IMAP4rev1 AUTH=XOAUTH2 SASL-IR] hello")
        peer.read()
        peer.send(b"* BYE going down", b"@ NO not any more")

    tokens = Tokens(TOKEN, "another")
    with pytest.raises(ConnectionLost):
        enter(TokenLogin("u", Mechanism.XOAUTH2, tokens), play)
    assert tokens.refused == []


@pytest.mark.parametrize("refusal", [refusing(), server(b"@ NO [AUTHENTICATIONFAILED] expired"), server(b"@ BAD no")])
def test_a_refused_token_is_got_anew_once_and_tried_on_a_connection_of_its_own(refusal: Play) -> None:
    said: list[bytes] = []
    tokens = Tokens(TOKEN, "fresh")
    in_order = [refusal, server(b"@ OK [CAPABILITY IMAP4rev1] in", said=said)]
    enter(TokenLogin("u", Mechanism.XOAUTH2, tokens), *in_order)
    assert tokens.refused == [TOKEN]
    assert said[0] == b"AUTHENTICATE XOAUTH2 " + coded("user=u\1auth=Bearer fresh\1\1")


def test_a_token_got_anew_that_is_refused_too_is_the_end() -> None:
    tokens = Tokens(TOKEN, "fresh", "never asked for")
    with pytest.raises(TokenRefused) as refused:
        enter(TokenLogin("u", Mechanism.XOAUTH2, tokens), refusing(), refusing())
    assert tokens.left == ["never asked for"]
    assert "docs/access.md" in refused.value.remedy


# what must not be told


def echoing(cut: slice, wrap: Callable[[bytes], bytes]) -> Play:
    """A server that repeats, somehow, what it was sent, or a part of it."""

    def play(peer: Peer) -> None:
        peer.send(b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 SASL-IR] hello")
        sent = peer.read().split(b" ")[2]
        shown = wrap(sent)[cut]
        peer.send(b"+ " + coded(b'{"status": "' + shown + b'"}'))
        peer.input.readline()
        peer.send(b"@ NO I do not like " + shown + b"...")

    return play


@pytest.mark.parametrize("login", [by_token(), Login("u", Secret(TOKEN))])
@pytest.mark.parametrize("cut", [slice(None), slice(0, 40), slice(20, 80)])
@pytest.mark.parametrize("wrap", [lambda sent: sent, lambda sent: base64.b64decode(sent).replace(b"\0", b" ")])
def test_no_error_or_log_line_holds_a_token_or_a_part_of_it(
    login: Login | TokenLogin, cut: slice, wrap: Callable[[bytes], bytes], caplog: pytest.LogCaptureFixture
) -> None:
    if isinstance(login, TokenLogin):
        login = by_token()
    with caplog.at_level(logging.DEBUG), pytest.raises(LoginRefused) as refused:
        enter(login, echoing(cut, wrap))
    told = f"{refused.value!r} {refused.value.in_full} {caplog.text}"
    assert "I do not like" in told
    for secret in (
        TOKEN,
        coded(f"user=u@company.test\1auth=Bearer {TOKEN}\1\1").decode(),
        coded(f"\0u\0{TOKEN}").decode(),
    ):
        assert not [secret[at : at + 12] for at in range(len(secret) - 12) if secret[at : at + 12] in told]


def test_a_password_that_login_must_quote_is_not_told_either() -> None:
    password = 'pä"ss\\word'

    def play(peer: Peer) -> None:
        peer.send(b"* OK [CAPABILITY IMAP4rev1] hello")
        line = peer.read()
        peer.send(b"@ BAD what is " + line)

    with pytest.raises(LoginRefused) as refused:
        enter(Login("u", Secret(password)), play)
    assert "what is" in str(refused.value) and "ss" not in str(refused.value).partition("what is")[2]


def test_logins_print_no_secret() -> None:
    login = by_token()
    assert TOKEN not in f"{login!r} {login} {Secret(TOKEN)!r} {Login('u', Secret(TOKEN))!r}"


@given(st.text(min_size=1), st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1))
def test_a_token_in_any_text_is_taken_out_whole(around: str, token: str) -> None:
    assert sasl.without((token,), f"{around} {token}").endswith("***") or token in "***"
