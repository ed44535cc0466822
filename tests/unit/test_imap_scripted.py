"""Servers that lie, flood, stammer or vanish: always a clear error, never a hang, never much memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from migrator.imap import Session, channel
from migrator.imap.errors import (
    BodyTruncated,
    CommandRefused,
    ConnectionLost,
    FolderNameChanged,
    OverQuota,
    ProtocolViolation,
    Throttled,
)
from migrator.imap.records import Body
from migrator.model.names import FolderName
from tests.unit.imap_script import FULL, Peer, session

INBOX = FolderName("INBOX")


def say(*lines: bytes) -> Callable[[Peer], None]:
    """Answer every command with these lines."""

    def play(peer: Peer) -> None:
        while peer.read():
            peer.send(*lines)

    return play


def content(body: Body) -> bytes:
    return b"".join(map(bytes, body.chunks))


def bodies(connected: Session, *uids: int) -> list[tuple[int, bytes]]:
    return [(body.uid, content(body)) for body in connected.bodies(uids)]


# bodies


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ([b"* 1 FETCH (UID 7 BODY[] {3}", b"abc)"], [(7, b"abc")]),
        ([b"* 1 FETCH (UID 7 BODY[] {0}", b")"], [(7, b"")]),
        ([b'* 1 FETCH (UID 7 BODY[] "a\\"c")'], [(7, b'a"c')]),
        ([b"* 1 FETCH (BODY[] {3}", b"abc UID 7)"], [(7, b"abc")]),
        ([b"* 1 FETCH (BODY[] {3}", b"abc FLAGS (\\Seen) UID 7 MODSEQ (5))"], [(7, b"abc")]),
        ([b"* 1 FETCH (FLAGS (\\Seen) UID 7 BODY[] {3}", b"abc MODSEQ (5))"], [(7, b"abc")]),
        ([b"* 1 FETCH (UID 7 FLAGS (\\Seen))", b"* 1 FETCH (UID 7 BODY[] {3}", b"abc)"], [(7, b"abc")]),
        ([b"* 1 fetch (uid 7 body[] {3}", b"abc)"], [(7, b"abc")]),
        ([b"* 5 EXISTS", b"* OK still here", b"* 1 FETCH (UID 7 BODY[] {3}", b"abc)"], [(7, b"abc")]),
        ([b"* 1 FETCH (UID 7 BODY[] NIL)"], []),
        ([b"* 1 FETCH (UID 7 FLAGS (\\Seen))"], []),
        ([], []),
    ],
)
def test_a_body_arrives_in_whatever_form_the_server_chooses(lines: list[bytes], found: list[tuple[int, bytes]]) -> None:
    with session(say(*lines, b"@ OK done")) as connected:
        assert bodies(connected, 7) == found


@pytest.mark.parametrize(
    "lines",
    [
        [b"* 1 FETCH (UID 8 BODY[] {3}", b"abc)"],
        [b"* 1 FETCH (UID 7 BODY[] {3}", b"abc)", b"* 1 FETCH (UID 7 BODY[] {3}", b"abc)"],
        [b"* 1 FETCH (BODY[] {3}", b"abc)"],
        [b"* 1 FETCH (UID 7 BODY[] {99999999999}"],
        [b"* 1 FETCH (UID 7 BODY[] {3}", b"abc UID {70000000}"],
        [b"M99 OK done"],
        [b"* BAD what was that"],
    ],
)
def test_a_body_that_was_not_asked_for_or_breaks_the_rules_ends_the_session(lines: list[bytes]) -> None:
    with session(say(*lines, b"@ OK done")) as connected, pytest.raises(ProtocolViolation, match=r"scripted|literal"):
        bodies(connected, 7)


def test_bodies_of_a_later_request_may_come_before_the_ok_of_the_earlier_one() -> None:
    def play(peer: Peer) -> None:
        tags = []
        for _ in range(2):
            peer.read()
            tags.append(peer.tag)
        for uid in (1, 2, 4):
            peer.send(b"* 1 FETCH (UID %d BODY[] {3}" % uid, b"m0%d)" % uid)
        peer.send(*(tag + b" OK done" for tag in tags))

    with session(play) as connected:
        fetcher = connected.fetcher()
        fetcher.request([1, 2, 3])
        fetcher.request([4, 5])
        assert [(body.uid, content(body)) for body in fetcher.replies()] == [(1, b"m01"), (2, b"m02")]
        assert [(body.uid, content(body)) for body in fetcher.replies()] == [(4, b"m04")]


@pytest.mark.parametrize("size", [3, 700_000])
def test_bodies_of_several_requests_may_alternate_and_each_goes_to_its_own_request(size: int) -> None:
    """As Dovecot does when its output waits for us; large ones wait on the disk."""

    def play(peer: Peer) -> None:
        tags = []
        for _ in range(3):
            peer.read()
            tags.append(peer.tag)
        for uid in (3, 1, 5, 4, 6, 2):
            peer.send(b"* 1 FETCH (UID %d BODY[] {%d}" % (uid, size), b"%d" % uid * size + b")")
        peer.send(*(tag + b" OK done" for tag in reversed(tags)))

    with session(play) as connected:
        fetcher = connected.fetcher()
        for uids in ([1, 2], [3, 4, 7], [5, 6]):
            fetcher.request(uids)
        found = [[(body.uid, content(body)) for body in fetcher.replies()] for _ in range(3)]
    assert found == [[(uid, b"%d" % uid * size) for uid in uids] for uids in ([1, 2], [3, 4], [5, 6])]


def test_a_body_that_no_request_wants_or_a_second_time_is_refused_when_requests_are_sent_ahead() -> None:
    def play(peer: Peer) -> None:
        peer.read()
        peer.read()
        for uid in (3, 3, 1):
            peer.send(b"* 1 FETCH (UID %d BODY[] {3}" % uid, b"abc)")

    with session(play) as connected:
        fetcher = connected.fetcher()
        fetcher.request([1, 2])
        fetcher.request([3, 4])
        with pytest.raises(ProtocolViolation, match="message 3, which was not asked for or had come before"):
            list(fetcher.replies())


def test_the_unread_rest_of_a_body_is_skipped() -> None:
    messages = [b"* 1 FETCH (UID 1 BODY[] {300000}", b"x\r\n" * 100000 + b")", b"* 2 FETCH (UID 2 BODY[] {3}", b"abc)"]
    with session(say(*messages, b"@ OK done")) as connected:
        assert [(body.uid, content(body) if body.uid == 2 else b"") for body in connected.bodies([1, 2])] == [
            (1, b""),
            (2, b"abc"),
        ]


def test_a_connection_that_ends_inside_a_body_says_how_much_is_missing() -> None:
    def play(peer: Peer) -> None:
        peer.read()
        peer.send(b"* 1 FETCH (UID 7 BODY[] {100}", b"half of it")

    with session(play) as connected, pytest.raises(BodyTruncated, match="88 octets short during UID FETCH"):
        bodies(connected, 7)


def test_a_no_at_the_end_is_an_error_unless_every_message_has_come() -> None:
    with session(say(b"* 1 FETCH (UID 7 BODY[] {3}", b"abc)", b"@ NO some messages are gone")) as connected:
        assert bodies(connected, 7) == [(7, b"abc")]
        with pytest.raises(CommandRefused, match="some messages are gone"):
            bodies(connected, 7, 8)


# floods and silence


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


# folders


def test_a_folder_that_the_server_renames_at_creation_is_an_error_with_both_names() -> None:
    def play(peer: Peer) -> None:
        for answer in ([], [], [b'* LIST () "/" "a"', b'* LIST () "/" INBOX', b'* LIST () "/" "inbox/a b"']):
            peer.read()
            peer.send(*answer, b"@ OK done")

    with session(play) as connected, pytest.raises(FolderNameChanged) as caught:
        connected.create(FolderName("A b"))
    assert (caught.value.wanted, "inbox/a b" in caught.value.found) == ("A b", True)
    assert "'A b'" in str(caught.value)


def test_a_folder_named_like_a_pattern_is_not_mistaken_for_what_it_matches() -> None:
    def play(peer: Peer) -> None:
        for answer in ([], [b'* LIST () "/" "abc"'], []):
            peer.read()
            peer.send(*answer, b"@ OK done")

    with session(play) as connected, pytest.raises(FolderNameChanged):
        connected.create(FolderName("a*"))


def test_the_same_name_in_two_spellings_gives_two_folders() -> None:
    listed = [
        b'* LIST (\\HasNoChildren) "/" "&AOk-"',
        b'* LIST () "/" "\xc3\xa9"',
        b'* LIST () "/" {4}',
        b'a"\\b',
        b"* LIST () NIL x[y",
    ]
    with session(say(*listed, b"@ OK done"), b"IMAP4rev1") as connected:
        found = connected.folders()
    assert [(folder.name, folder.raw) for folder in found] == [
        ("é", b"&AOk-"),
        ("Ã©", b"\xc3\xa9"),
        ('a"\\b', b'a"\\b'),
        ("x[y", b"x[y"),
    ]
    assert [folder.separator for folder in found] == ["/", "/", "/", None]


def test_a_folder_keeps_the_spelling_that_the_server_gave_it() -> None:
    seen: list[bytes] = []

    def play(peer: Peer) -> None:
        while command := peer.read():
            seen.append(command)
            listed = [b'* LIST () "/" "\xc3\xa9"'] if command.startswith(b"LIST") else []
            peer.send(*listed, b"* OK [UIDVALIDITY 1] x", b"* OK [UIDNEXT 1] x", b"@ OK done")

    with session(play, b"IMAP4rev1") as connected:
        connected.folders()
        connected.examine(FolderName("é"))
    assert seen[-1] == b"EXAMINE {2}"


# appending


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
