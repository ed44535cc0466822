"""Appending to servers that refuse, misunderstand or misreport."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from migrator.imap import Session
from migrator.imap.errors import (
    CommandRefused,
    ConnectionLost,
    ProtocolViolation,
)
from migrator.model.names import FolderName
from tests.unit.imap_script import FULL, Peer, session

INBOX = FolderName("INBOX")


def append(connected: Session, *messages: bytes) -> None:
    appender = connected.appender(INBOX)
    appender.begin()
    for message in messages:
        appender.message(frozenset(), datetime(2020, 1, 1, tzinfo=UTC), len(message))
        appender.chunk(message)
        appender.message_done()
    appender.end("tag")
    appender.results(wait=True)


def test_a_bad_while_text_is_on_its_way_drops_the_connection() -> None:
    def play(peer: Peer) -> None:
        peer.read()
        peer.send(b"+ go on")
        peer.connection.recv(3)
        peer.send(b"@ BAD I do not understand")
        assert b"z1 CREATE" not in peer.input.read()

    with session(play) as connected:
        with pytest.raises(CommandRefused, match="I do not understand"):
            append(connected, b"abc")
        with pytest.raises((ConnectionLost, OSError)):
            connected.noop()


def test_a_folder_that_is_refused_never_sees_message_text() -> None:
    seen: list[bytes] = []

    def play(peer: Peer) -> None:
        seen.append(peer.read())
        peer.send(b"@ NO [TRYCREATE] no such folder")
        seen.append(peer.read())
        peer.send(b"@ OK done")

    with session(play) as connected:
        append(connected, b"z1 CREATE Pwned\r\n", b"second")
        connected.noop()
    assert seen == [b'APPEND "INBOX" () "01-Jan-2020 00:00:00 +0000" {17}', b"NOOP"]


@pytest.mark.parametrize("size", [2, 4])
def test_a_message_of_another_size_than_announced_drops_the_connection(size: int) -> None:
    received: list[bytes] = []

    def play(peer: Peer) -> None:
        peer.read()
        peer.send(b"+ go on")
        received.append(peer.input.read())

    with session(play) as connected:
        appender = connected.appender(INBOX)
        appender.begin()
        appender.message(frozenset(), None, 3)
        if size < 3:
            appender.chunk(b"x" * size)
        with pytest.raises(ValueError, match="octets than announced"):
            appender.message_done() if size < 3 else appender.chunk(b"x" * size)
    assert received == [b""]


def _send(appender: object, data: bytes) -> None:
    appender.chunk(data)  # type: ignore[attr-defined]
    appender.message_done()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "answer",
    [
        b"@ OK done",
        b"@ OK [APPENDUID 5 7:9] done",
        b"@ OK [APPENDUID 5 7] done",
        b"@ OK [APPENDUID x 7] done",
        b"@ OK [APPENDUID 5] done",
    ],
)
def test_uids_that_do_not_match_what_was_sent_are_not_believed(answer: bytes) -> None:
    def play(peer: Peer) -> None:
        peer.read()
        peer.send(b"+ go on")
        peer.input.readline()
        peer.input.readline()
        peer.send(answer)
        peer.read()

    with session(play) as connected:
        appender = connected.appender(INBOX)
        appender.begin()
        for _ in range(2):
            appender.message(frozenset(), None, 3)
            _send(appender, b"abc")
        appender.end(1)
        if b"7:9" in answer:
            with pytest.raises(ProtocolViolation, match="more than 2 UIDs"):
                appender.results(wait=True)
        else:
            assert [(result.uids, result.refusal) for result in appender.results(wait=True)] == [(None, None)]


def test_one_by_one_appends_tell_each_messages_fate() -> None:
    def play(peer: Peer) -> None:
        answers = [b"@ OK [APPENDUID 5 70] done", b"@ NO [LIMIT] too large", b"@ OK done"]
        for number, answer in enumerate(answers):
            command = peer.read()
            if number == 0:
                assert command.endswith(b"{3}")
                peer.send(b"+ go on")
            peer.input.read(3)
            peer.input.readline()
            peer.send(answer)
        peer.read()

    with session(play, FULL.replace(b"MULTIAPPEND", b"X")) as connected:
        appender = connected.appender(INBOX)
        appender.begin()
        for message in (b"abc", b"def", b"ghi"):
            appender.message(frozenset(), None, 3)
            _send(appender, message)
        appender.end("batch")
        (result,) = appender.results(wait=True)
    assert (result.tag, result.uids, result.uidvalidity) == ("batch", (70, None, None), 5)
    assert [refusal and refusal.code for refusal in result.refusals] == [None, "LIMIT", None]
