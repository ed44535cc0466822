"""What an LMTP server's answers say of an account, and what they do not."""

import socket
import threading
from collections.abc import Mapping

import pytest

from migrator.delivery.callout import knows
from migrator.model.names import Address

SAYS = {"LHLO": "250 here", "MAIL": "250 2.1.0 ok", "RCPT": "250 2.1.5 ok", "QUIT": "221 bye"}


def serve(listener: socket.socket, answers: Mapping[str, str]) -> None:
    connection, _ = listener.accept()
    with connection, connection.makefile("rwb", buffering=0) as stream:
        stream.write(b"220 here LMTP\r\n")
        while line := stream.readline():
            stream.write(answers.get(line[:4].decode().upper(), "500 what?").encode() + b"\r\n")


def asked(**answers: str) -> bool | None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=serve, args=(listener, SAYS | answers), daemon=True)
        server.start()
        found = knows(listener.getsockname()[:2], Address("who@company.test"), "client.test")
        server.join(5)
    return found


@pytest.mark.parametrize(
    "answers",
    [
        {"MAIL": "530 5.7.0 Must issue a STARTTLS command first", "RCPT": "503 5.5.1 Need MAIL command first"},
        {"RCPT": "550 5.7.1 Access denied"},
        {"RCPT": "554 5.7.1 Client host rejected"},
        {"RCPT": "552 5.2.2 Mailbox full"},
        {"RCPT": "451 4.3.0 Later"},
    ],
)
def test_a_server_that_refuses_us_says_nothing_of_the_account(answers: dict[str, str]) -> None:
    assert asked(**answers) is None


@pytest.mark.parametrize(
    "answer", ["550 5.1.1 User doesn't exist", "550-Mailbox unknown.\r\n550 5.1.1 no", "551 moved"]
)
def test_an_unknown_account_is_told(answer: str) -> None:
    assert asked(RCPT=answer) is False


def test_an_account_that_is_taken_mail_for_is_known() -> None:
    assert asked() is True
