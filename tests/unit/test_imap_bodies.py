"""Message bodies in every form that servers send them, and what no server may send."""

from __future__ import annotations

import pytest

from migrator.imap.errors import (
    BodyTruncated,
    CommandRefused,
    ProtocolViolation,
)
from tests.unit.imap_script import Peer, bodies, content, say, session


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
