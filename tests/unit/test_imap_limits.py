"""Servers that flood, fall silent, vanish or refuse: always a clear error, never a hang, never much memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import pytest

from migrator.imap import Session, channel
from migrator.imap.errors import (
    CommandRefused,
    ConnectionLost,
    OverQuota,
    ProtocolViolation,
    Throttled,
)
from migrator.model.names import FolderName
from tests.unit.imap_script import Peer, bodies, say, session

INBOX = FolderName("INBOX")


@pytest.mark.parametrize(
    ("flood", "text"),
    [
        (b"* LIST () \"/\" {1000000}\r\n" + b"x" * 1_000_000 + b"\r\n", "octets of untagged"),
        (b"* SEARCH" + b" 1234567890" * 10_000, "a line of more than"),
        (b"* LIST () \"/\" {2000000000}\r\n" + b"x" * 1000, "an answer of more than"),
    ],
)  # fmt: skip
def test_a_flood_is_cut_off_with_little_memory(flood: bytes, text: str) -> None:
    def play(peer: Peer) -> None:
        peer.read()
        while True:
            peer.raw(flood)

    tracemalloc.start()
    with session(play) as connected, pytest.raises(ProtocolViolation, match=text):
        connected.noop()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200_000_000


def test_patience_with_untagged_answers_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    def play(peer: Peer) -> None:
        peer.read()
        while True:
            peer.raw(b"* OK still working on it, please be patient\r\n" * 1000)

    monkeypatch.setattr(channel, "UNTAGGED_CAP", 5000)
    with session(play) as connected, pytest.raises(ProtocolViolation, match="more than 5000 untagged"):
        connected.noop()


def test_a_scan_is_cut_off_when_more_answers_come_than_there_are_messages() -> None:
    def play(peer: Peer) -> None:
        peer.read()
        for _ in range(1000):
            peer.raw(b'* 1 FETCH (UID 1 FLAGS () INTERNALDATE "01-Jan-2020 00:00:00 +0000" RFC822.SIZE 1)\r\n' * 1000)

    with session(play) as connected, pytest.raises(ProtocolViolation, match="more answers than"):
        connected.scan([1, 2, 3])


@pytest.mark.parametrize("said", [b"", b"* 1 FETCH (UID 7 BO", b"* 1 FETCH (UID 7 BODY[] {5}\r\nab"])
def test_silence_ends_in_an_error_after_the_time_limit(said: bytes) -> None:
    def play(peer: Peer) -> None:
        peer.read()
        peer.raw(said)
        peer.read()  # until the client leaves

    with session(play, timeout=0.2) as connected, pytest.raises(ConnectionLost, match=r"no answer for 0\.2 seconds"):
        bodies(connected, 7)


@pytest.mark.parametrize(
    "call", ["noop", "folders", "uids", "examine", "status", "namespace", "create", "bodies", "scan"]
)
@pytest.mark.parametrize(
    "said", [b"", b"* ", b"* LIST (", b"M2 O", b"* BYE I am going\r\n", b"\r\n", b"+\r\n", b"* 1 FETCH (\r\n"]
)
def test_a_server_that_vanishes_anywhere_gives_a_migrator_error(call: str, said: bytes) -> None:
    def play(peer: Peer) -> None:
        peer.read()
        peer.raw(said)

    calls: dict[str, Callable[[Session], object]] = {
        "examine": lambda connected: connected.examine(INBOX),
        "status": lambda connected: connected.status(INBOX),
        "create": lambda connected: connected.create(FolderName("x")),
        "bodies": lambda connected: bodies(connected, 7),
        "scan": lambda connected: connected.scan("1:*"),
    }
    with session(play) as connected, pytest.raises((ConnectionLost, ProtocolViolation)):
        calls.get(call, lambda connected: getattr(connected, call)())(connected)


def test_the_servers_farewell_is_part_of_the_error() -> None:
    def play(peer: Peer) -> None:
        peer.read()
        peer.send(b"* BYE Shutting down \x1b[31m")

    with session(play) as connected, pytest.raises(ConnectionLost, match=r"Shutting down \\x1b\[31m during NOOP"):
        connected.noop()


# refusals


@pytest.mark.parametrize(
    ("answer", "error", "wait"),
    [
        (b"NO [OVERQUOTA] full", OverQuota, None),
        (b"NO [THROTTLED] Account exceeded. Suggested Backoff Time: 1500 milliseconds", Throttled, 1.5),
        (b"NO Request is throttled. Suggested Backoff Time: 299961 milliseconds", Throttled, 299.961),
        (b"NO [UNAVAILABLE] try later", Throttled, None),
        (b"NO [INUSE] locked", Throttled, None),
        (b"NO [TRYCREATE] no such folder", CommandRefused, None),
        (b"BAD syntax", CommandRefused, None),
        (b"NO", CommandRefused, None),
    ],
)
def test_a_refusal_is_graded_by_its_response_code(answer: bytes, error: type[Exception], wait: float | None) -> None:
    with session(say(b"@ " + answer)) as connected, pytest.raises(error) as caught:
        connected.noop()
    assert type(caught.value) is error
    assert getattr(caught.value, "retry_after", None) == wait


def test_a_session_that_has_ended_holds_no_buffer() -> None:
    """A thousand mailboxes are two thousand sessions, and a session is part of a cycle that is collected late."""
    with session(lambda peer: None) as connected:
        assert connected._channel.parser.space()
    assert not connected._channel.parser.space()
