"""From the greeting to the login: hostile, broken and unwilling servers."""

from __future__ import annotations

import base64
import logging
import socket
import tracemalloc
from collections.abc import Callable

import pytest

from migrator.imap import connect
from migrator.imap.errors import ConnectionLost, PlaintextRefused, ProtocolViolation, Throttled
from migrator.model.errors import LoginRefused, MigratorError, Unreachable
from migrator.model.mailbox import Endpoint, Login, Secret, Tls
from tests.unit.imap_script import Peer, Play, listening

SECRET = "Pässwort-令和"
LOGIN = Login("u", Secret(SECRET))


def enter(play: Play, tls: Tls = Tls.NONE, login: Login = LOGIN) -> None:
    """Connect to `play` and leave again."""
    with listening(play) as endpoint:
        connect(
            Endpoint(endpoint.host, endpoint.port, tls), login, allow_plaintext=tls is Tls.NONE, timeout=0.5
        ).close()


def greet(peer: Peer, capabilities: bytes = b"IMAP4rev1 AUTH=PLAIN", greeting: bytes = b"* OK hello") -> None:
    peer.send(greeting)
    assert peer.read() == b"CAPABILITY"
    peer.send(b"* CAPABILITY " + capabilities, b"@ OK done")


def answering(*answers: bytes, capabilities: bytes = b"IMAP4rev1 AUTH=PLAIN") -> Play:
    """Greet, and answer each following line with the next of `answers`."""

    def play(peer: Peer) -> None:
        greet(peer, capabilities)
        peer.read()
        for answer in answers[:-1]:
            peer.send(answer)
            peer.input.readline()
        peer.send(*answers[-1:])
        peer.read()

    return play


def test_capabilities_of_before_the_login_do_not_count_after_it() -> None:
    def play(peer: Peer) -> None:
        greet(peer, b"IMAP4rev1 AUTH=PLAIN MOVE ID")
        peer.read()
        peer.send(b"+ ")
        peer.input.readline()
        peer.send(b"@ OK in")
        assert peer.read() == b"CAPABILITY"
        peer.send(b"* CAPABILITY imap4rev1 ID Literal+", b"@ OK done")
        assert peer.read() == b'ID ("name" "migrator")'
        peer.send(b'* ID ("name" "Test" "version" NIL)', b"@ OK done")
        peer.read()

    with listening(play) as endpoint, connect(endpoint, LOGIN, allow_plaintext=True, timeout=2) as session:
        assert session.capabilities == {"IMAP4REV1", "ID", "LITERAL+"}


def test_a_server_that_tells_its_capabilities_is_not_asked_for_them() -> None:
    """In its greeting and in the login's OK (RFC 9051, 7.1); with SASL-IR (RFC 4959) the login is one round trip."""

    def play(peer: Peer) -> None:
        peer.send(b"* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN MOVE] hello")
        assert peer.read() == b"AUTHENTICATE PLAIN " + base64.b64encode(f"\0{LOGIN.user}\0{SECRET}".encode())
        peer.send(b"@ OK [CAPABILITY imap4rev1 Literal+] in")
        assert peer.read() == b"LOGOUT"

    with listening(play) as endpoint, connect(endpoint, LOGIN, allow_plaintext=True, timeout=2) as session:
        assert session.capabilities == {"IMAP4REV1", "LITERAL+"}


def test_a_server_that_repeats_what_it_was_sent_gets_no_secret_into_the_error() -> None:
    sent = base64.b64encode(f"\0{LOGIN.user}\0{SECRET}".encode())

    def play(peer: Peer) -> None:
        peer.send(b"* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] hello")
        line = peer.read()
        assert sent in line
        peer.send(b"@ BAD I do not know " + line)
        peer.read()

    with pytest.raises(MigratorError) as caught:
        enter(play)
    assert "I do not know" in str(caught.value)
    assert SECRET not in str(caught.value)
    assert sent.decode() not in str(caught.value)


def test_what_the_server_sent_together_with_the_login_is_not_lost() -> None:
    def play(peer: Peer) -> None:
        greet(peer)
        peer.read()
        peer.send(b"+ ")
        peer.input.readline()
        peer.raw(peer.tag + b" OK in\r\n* CAPABILITY IMAP4rev1 X-EARLY\r\n")
        peer.read()
        peer.send(b"@ OK done")
        peer.read()

    with listening(play) as endpoint, connect(endpoint, LOGIN, allow_plaintext=True, timeout=2) as session:
        assert session.has("x-early")


def test_login_is_used_where_plain_is_not_offered_with_any_password() -> None:
    lines: list[bytes] = []

    def play(peer: Peer) -> None:
        greet(peer, b"IMAP4rev1")
        lines.append(peer.read())
        peer.send(b"@ NO [AUTHENTICATIONFAILED] no")

    with pytest.raises(LoginRefused):
        enter(play)
    assert lines == [f'LOGIN "u" "{SECRET}"'.encode()]


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ([b"+ ", b"@ NO [AUTHENTICATIONFAILED] wrong"], LoginRefused),
        ([b"+ ", b"@ NO [UNAVAILABLE] later"], Throttled),
        ([b"@ NO [INUSE] locked"], Throttled),
        ([b"@ BAD what"], LoginRefused),
        ([b"* BYE too many failures"], ConnectionLost),
        ([b"M1 OK in"], MigratorError),
    ],
)
def test_a_refused_login_is_graded_by_the_servers_reason(answers: list[bytes], error: type[Exception]) -> None:
    with pytest.raises(error):
        enter(answering(*answers))


def test_no_error_or_log_line_holds_the_password(caplog: pytest.LogCaptureFixture) -> None:
    def play(peer: Peer) -> None:
        greet(peer, b"IMAP4rev1")
        line = peer.read()
        peer.send(b"@ NO I do not like " + line)

    with caplog.at_level(logging.DEBUG), pytest.raises(LoginRefused) as caught:
        enter(play, login=Login("u", Secret("marked-password")))
    error: BaseException | None = caught.value
    while error:
        assert "marked-password" not in f"{error!s} {error!r} {getattr(error, 'remedy', '')}"
        error = error.__cause__
    assert "marked-password" not in caplog.text


@pytest.mark.parametrize(
    ("user", "secret"), [("u\r\nx CREATE b", "pw"), ("u", "pw\r\nx"), ("u\0v", "pw"), ("u", "p\0")]
)
def test_control_characters_in_a_login_are_refused_before_they_are_sent(user: str, secret: str) -> None:
    with pytest.raises(LoginRefused, match="control character"):
        enter(answering(), login=Login(user, Secret(secret)))


def test_plaintext_needs_to_be_allowed_before_anything_is_sent() -> None:
    with pytest.raises(PlaintextRefused, match="unprotected"):
        connect(Endpoint("127.0.0.1", 1, Tls.NONE), LOGIN)


def test_a_server_that_lets_us_in_before_we_said_who_we_are_is_refused() -> None:
    with pytest.raises(PlaintextRefused, match="PREAUTH"):
        enter(lambda peer: greet(peer, greeting=b"* PREAUTH welcome, root"))


@pytest.mark.parametrize("capabilities", [b"IMAP4rev1", b"IMAP4rev1 AUTH=PLAIN"])
def test_starttls_that_is_not_offered_is_an_error_and_no_login_follows(capabilities: bytes) -> None:
    def play(peer: Peer) -> None:
        greet(peer, capabilities)
        assert peer.read() == b""

    with pytest.raises(PlaintextRefused, match="does not offer STARTTLS"):
        enter(play, Tls.STARTTLS)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"@ NO not now", MigratorError),
        (b"@ OK go on\r\n* CAPABILITY IMAP4rev1 AUTH=PLAIN", PlaintextRefused),
        (b"@ OK go on", MigratorError),
    ],
)
def test_starttls_that_fails_or_is_tampered_with_ends_before_the_login(answer: bytes, error: type[Exception]) -> None:
    def play(peer: Peer) -> None:
        greet(peer, b"IMAP4rev1 STARTTLS")
        assert peer.read() == b"STARTTLS"
        peer.send(answer)
        assert SECRET.encode() not in peer.input.read()

    with pytest.raises(error):
        enter(play, Tls.STARTTLS)


def flood(data: bytes) -> Play:
    def play(peer: Peer) -> None:
        while True:
            peer.raw(data)

    return play


def after_greeting(play: Play) -> Play:
    def played(peer: Peer) -> None:
        greet(peer)
        peer.read()
        play(peer)

    return played


@pytest.mark.parametrize("wrap", [lambda play: play, after_greeting])
@pytest.mark.parametrize(
    "data",
    [
        b"x" * 100_000,
        b"* OK hello\r\n" * 1000,
        b"* OK hello\r\n* LIST () NIL {99999999999}\r\n",
        b"* OK hello\r\n* LIST () NIL {500000}\r\n" + b"x" * 500_000 + b"\r\n",
    ],
)
def test_a_flood_before_the_login_is_cut_off_with_little_memory(data: bytes, wrap: Callable[[Play], Play]) -> None:
    tracemalloc.start()
    with pytest.raises(MigratorError):
        enter(wrap(flood(data)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20_000_000


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (b"", MigratorError),
        (b"220 smtp.example.test ESMTP\r\n", ProtocolViolation),
        (b"* BYE too many connections\r\n", Throttled),
        (b"* OK", ConnectionLost),
        (b"\xff\xfe\r\n", MigratorError),
        (b"* OK hello\r\n* CAPABILITY\r\nX OK\r\n", MigratorError),
        (b"* OK \xe3\x81\x82\r\n* CAPABILITY \xff\r\n", MigratorError),
    ],
)
def test_whatever_else_greets_us_ends_in_a_clear_error(said: bytes, error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        enter(lambda peer: peer.raw(said))
    assert "127.0.0.1" in str(caught.value)


def test_a_server_that_drips_is_left_after_twice_the_time_limit() -> None:
    def play(peer: Peer) -> None:
        peer.connection.settimeout(0.05)
        while True:
            peer.raw(b"x")
            try:
                if not peer.connection.recv(100):
                    return
            except TimeoutError:
                pass

    with pytest.raises(Unreachable):
        enter(play)


def test_nobody_listening_names_host_and_port() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        with pytest.raises(Unreachable, match=rf"127\.0\.0\.1:{port} does not answer"):
            connect(Endpoint("127.0.0.1", port), LOGIN)
