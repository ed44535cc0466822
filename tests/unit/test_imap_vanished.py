"""VANISHED: ranges of UIDs that are never spelled out, from whatever a server sends; and what goes with it."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator.imap import scanning
from migrator.imap.errors import ProtocolViolation
from migrator.imap.scanning import Since
from migrator.imap.vanished import UidRanges, vanished
from migrator.model.message import MessageMeta
from migrator.model.names import FolderName
from tests.unit.imap_script import FULL, Peer, session

PAIRS = st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)).map(lambda pair: (min(pair), max(pair))))


@given(PAIRS)
def test_ranges_hold_just_the_uids_in_them_and_are_disjoint(pairs):
    found, plain = UidRanges(pairs), {uid for low, high in pairs for uid in range(low, high + 1)}
    assert list(found.among(range(50))) == sorted(plain)
    ranges = list(found)
    assert all(later[0] > earlier[1] + 1 for earlier, later in itertools.pairwise(ranges))
    assert bool(found) == bool(plain)


def test_a_million_that_went_are_one_range():
    assert list(vanished([b"VANISHED (EARLIER) 1:999999,1000000"])) == [(1, 1_000_000)]


def test_answers_of_both_kinds_are_read_and_others_are_not():
    lines = [b"VANISHED 7", b"3 EXISTS", b"vanished (earlier) 5:3,9", b"OK [VANISHED 77] no"]
    assert list(vanished(lines)) == [(3, 5), (7, 7), (9, 9)]


@pytest.mark.parametrize("bad", [b"1,,2", b"1:", b":2", b"1:2:3", b"12345678901"])
def test_a_bad_set_is_refused(bad):
    with pytest.raises(ProtocolViolation):
        vanished([b"VANISHED " + bad])


def test_changes_ask_all_ranges_at_once_and_tell_what_changed_from_what_went():
    def play(peer: Peer) -> None:
        assert peer.read() == b"UID FETCH 1:9 (UID FLAGS INTERNALDATE RFC822.SIZE MODSEQ) (CHANGEDSINCE 5 VANISHED)"
        first = peer.tag
        assert peer.read().startswith(b"UID FETCH 10:20 ")  # before anything was answered
        second = peer.tag
        assert peer.read() == b"UID FETCH 21:* (UID FLAGS INTERNALDATE RFC822.SIZE)"
        peer.send(b"* VANISHED (EARLIER) 2:3")
        date = b'INTERNALDATE "01-Jan-2020 00:00:00 +0000" RFC822.SIZE 7'
        peer.send(b"* 9 FETCH (UID 22 FLAGS () " + date + b")")  # Dovecot mixes the answers of FETCHes in one folder
        peer.send(b"* 4 FETCH (UID 8 MODSEQ (6) FLAGS (\\Seen) " + date + b")", first + b" OK")
        peer.send(b"* VANISHED 15", second + b" OK", b"@ OK")

    with session(play) as connected:
        found = scanning.changes(connected._channel, Since(5, ["1:9", "10:20"], qresync=True, new="21:*"), 100)
    assert [(one.uid, one.modseq, one.flags) for one in found.messages] == [
        (8, 6, frozenset({"\\Seen"})),
        (22, 0, frozenset()),
    ]
    assert list(found.vanished) == [(2, 3), (15, 15)]


def test_a_glance_goes_on_where_a_folder_cannot_be_opened():
    def play(peer: Peer) -> None:
        tags = []
        for _ in range(5):
            peer.read()
            tags.append(peer.tag)
        peer.send(tags[0] + b" NO gone", b"* OK [UIDVALIDITY 4] .", tags[1] + b" OK", tags[2] + b" OK")
        peer.send(b"* OK [UIDVALIDITY 5] .", tags[3] + b" OK")
        peer.send(
            b'* 1 FETCH (UID 7 FLAGS () INTERNALDATE "01-Jan-2020 00:00:00 +0000" RFC822.SIZE 7)', tags[4] + b" OK"
        )

    asks = [((b"EXAMINE", b'"A"'), []), ((b"EXAMINE", b'"B"'), [1]), ((b"EXAMINE", b'"C"'), [7, 8])]
    with session(play) as connected:
        found = scanning.glance(connected._channel, asks, modseq=False)
    assert [(one.uidvalidity, list(one.messages)) for one in found] == [(0, []), (4, []), (5, [7])]
    assert isinstance(found[2].messages[7], MessageMeta)


def test_a_look_that_the_server_refuses_is_no_word_that_the_messages_are_gone() -> None:
    def play(peer: Peer) -> None:
        peer.read()
        peer.read()
        peer.raw(b"* OK [UIDVALIDITY 5] it\r\n* OK [UIDNEXT 9] it\r\nM2 OK open\r\nM3 NO [SERVERBUG] not now\r\n")

    with session(play, FULL) as connected:
        (seen,) = connected.glance([(FolderName("Work"), [1, 2])])
    assert (seen.uidvalidity, seen.messages) == (0, {})


@given(PAIRS, PAIRS, st.integers(1, 42), st.integers(1, 9))
def test_ranges_behave_as_the_sets_that_they_stand_for(pairs, others, since, most):
    ranges, uids = UidRanges(pairs), {uid for first, last in pairs for uid in range(first, last + 1)}
    known = {uid for first, last in others for uid in range(first, last + 1)}
    assert len(ranges) == len(uids)
    assert list(ranges.without(sorted(known))) == sorted(uids - known)
    assert list(ranges.since(since).without(())) == sorted(uid for uid in uids if uid >= since)
    cuts = list(ranges.cuts(most))
    assert cuts == sorted(uids)[most - 1 :: most]
