"""ManageSieve against servers that are scripted: what ours says, and what it makes of hostile or broken answers."""

from __future__ import annotations

import base64
import logging
import socket
import threading

import pytest

from migrator.copier.belongings_sieve import hint, plain
from migrator.imap.errors import CommandRefused, ConnectionLost, PlaintextRefused, ProtocolViolation
from migrator.imap.sieve import connect_sieve
from migrator.model.errors import LoginRefused, MigratorError
from migrator.model.mailbox import Endpoint, Login, Secret, Tls

GREETING = b'"IMPLEMENTATION" "test"\r\n"SASL" "PLAIN"\r\n"SIEVE" "fileinto vacation"\r\nOK "ready"\r\n'
WITH_TLS = GREETING.replace(b"OK", b'"STARTTLS"\r\nOK')
LOGIN = Login("u0042*migrator", Secret("s3cret"))


class Server:
    """Greets, then gives one answer for each time that it was sent something ending with CRLF; then hangs up."""

    def __init__(self, *answers: bytes) -> None:
        self.answers, self.heard = answers, bytearray()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        connected, _ = self._listening.accept()
        with connected, self._listening:
            for number, answer in enumerate(self.answers):
                while number and not self._complete():
                    if not (data := connected.recv(65536)):
                        return
                    self.heard += data
                self._marks = len(self.heard)
                connected.sendall(answer)

    def _complete(self) -> bool:
        return len(self.heard) > self._marks and self.heard.endswith(b"\r\n") and not self.heard.endswith(b"+}\r\n")

    def connect(self, tls: Tls = Tls.NONE, plaintext: bool = True):
        return connect_sieve(Endpoint("127.0.0.1", self.port, tls), LOGIN, allow_plaintext=plaintext, timeout=5)


def test_login_scripts_and_their_text_byte_for_byte():
    script = b'keep;\r\n# "OK" \\ {3}\n\xe4\xbc\x91\r'
    listed = '"main" ACTIVE\r\n"a \\"b\\" \\\\"\r\n{6}\r\n休暇\r\nOK\r\n'.encode()
    server = Server(GREETING, b"OK\r\n", listed, b"{%d}\r\n%s\r\nOK\r\n" % (len(script), script), b"OK\r\n")
    with server.connect() as sieve:
        assert sieve.extensions == {"fileinto", "vacation"}
        told = sieve.scripts()
        assert told.names == ("main", 'a "b" \\', "休暇") and told.active == "main"
        assert sieve.read('a "b" \\') == script
        sieve.put("休暇", script)
    credentials = base64.b64encode(b"\0u0042*migrator\0s3cret")
    assert b"{%d+}\r\n%s\r\n" % (len(credentials), credentials) in server.heard
    assert b'GETSCRIPT {7+}\r\na "b" \\\r\n' in server.heard
    assert bytes(server.heard).endswith(
        b"PUTSCRIPT {6+}\r\n\xe4\xbc\x91\xe6\x9a\x87 {%d+}\r\n%s\r\n" % (len(script), script)
    )


def test_an_account_that_acts_for_others_says_for_whom():
    server = Server(GREETING, b"OK\r\n")
    with connect_sieve(
        Endpoint("127.0.0.1", server.port, Tls.NONE), Login("cyrus", Secret("s3cret"), "u0042"), allow_plaintext=True
    ):
        assert base64.b64encode(b"u0042\0cyrus\0s3cret") in server.heard


def test_a_refusal_is_told_in_the_servers_words_on_one_line():
    server = Server(GREETING, b"OK\r\n", b"NO {25}\r\nline 1: bad\r\nline 2: \x1bbad\r\n", b'NO (QUOTA) "full"\r\n')
    with server.connect() as sieve:
        with pytest.raises(CommandRefused, match=r"line 1: bad line 2: \\x1bbad"):
            sieve.put("main", b"x")
        with pytest.raises(CommandRefused, match=r"\[QUOTA\] full"):
            sieve.activate("main")


def test_what_no_script_may_be_is_not_sent():
    server = Server(GREETING, b"OK\r\n")
    with server.connect() as sieve:
        before = len(server.heard)
        with pytest.raises(CommandRefused):
            sieve.put("a\r\nDELETESCRIPT b", b"keep;")
        with pytest.raises(CommandRefused, match="UTF-8"):
            sieve.put("main", b"\xff")
        assert len(server.heard) == before


def test_a_script_that_is_not_utf_8_is_read_as_it_is():
    server = Server(GREETING, b"OK\r\n", b"{3}\r\n\xff\r\n\r\nOK\r\n", b'"main"\r\nOK\r\n')
    with server.connect() as sieve:
        assert sieve.read("main") == b"\xff\r\n"
        assert sieve.scripts().names == ("main",)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", ConnectionLost),
        (b'"main"', ConnectionLost),
        (b'BYE "going down"\r\n', ConnectionLost),
        (b"{99999999999}\r\n", ProtocolViolation),
        (b"{9000000}\r\n", ProtocolViolation),
        (b'"main" "x" "y"\r\nOK\r\n', ProtocolViolation),
        (b"x" * (4 << 20) + b"xx", ProtocolViolation),
    ],
)
def test_what_a_broken_server_says_ends_the_session_and_nothing_waits_for_ever(
    answer: bytes, error: type[MigratorError]
):
    server = Server(GREETING, b"OK\r\n", answer)
    with server.connect() as sieve, pytest.raises(error):
        sieve.scripts()


def test_no_password_without_protection():
    with pytest.raises(PlaintextRefused):
        Server(GREETING).connect(plaintext=False)
    server = Server(GREETING)
    with pytest.raises(PlaintextRefused, match="STARTTLS"):
        server.connect(Tls.STARTTLS)
    assert b"AUTHENTICATE" not in server.heard


def test_octets_behind_the_ok_of_starttls_are_an_attack():
    server = Server(WITH_TLS, b'OK "begin"\r\n"SASL" "PLAIN"\r\nOK\r\n')
    with pytest.raises(ProtocolViolation, match="STARTTLS"):
        server.connect(Tls.STARTTLS)


@pytest.mark.parametrize("answer", [b'NO "not s3cret"\r\n', b""])
def test_a_login_that_fails_shows_no_password_anywhere(answer: bytes, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG - 5)
    with pytest.raises((LoginRefused, ConnectionLost)) as refused:
        Server(GREETING, answer).connect()
    told = str(refused.value) + caplog.text
    assert "s3cret" not in told and base64.b64encode(b"\0u0042*migrator\0s3cret").decode() not in told


def test_a_hint_names_what_the_target_lacks():
    script = b'require ["fileinto", "vnd.dovecot.pipe"];\r\n'
    said = hint(script, frozenset({"fileinto"}))
    assert "requires vnd.dovecot.pipe" in said and "Dovecot's own" in said and "fileinto" not in said
    assert "imap4flags" in hint(b'require "imapflags";', frozenset({"fileinto"}))
    assert hint(b"keep", frozenset()).startswith("Put it in order")


def test_names_that_cyrus_lists_as_encoded_words_are_read():
    assert plain("=?UTF-8?Q?=E4=BC=91=E6=9A=87?=") == "休暇"
    assert plain("main =?x") == "main =?x"
