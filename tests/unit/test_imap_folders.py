"""Folders and their UIDs: names that change, names in two spellings, folders too large for one answer."""

from __future__ import annotations

import pytest

from migrator.imap import scanning
from migrator.imap.errors import (
    FolderNameChanged,
    ProtocolViolation,
)
from migrator.model.names import FolderName
from tests.unit.imap_script import Peer, say, session

INBOX = FolderName("INBOX")


def test_the_uids_of_a_huge_folder_are_asked_for_in_slices_where_ranges_are_not_offered() -> None:
    exists, seen = 120_001, list[bytes]()

    def play(peer: Peer) -> None:
        while command := peer.read():
            seen.append(command)
            if command.startswith(b"UID SEARCH "):
                first, _, last = command.split()[2].partition(b":")
                numbers = range(int(first), exists + 1 if last == b"*" else int(last) + 1)
                peer.send(b"* SEARCH " + b" ".join(b"%d" % (4_000_000_000 + number) for number in numbers))
            else:
                peer.send(b"* %d EXISTS" % exists, b"* OK [UIDVALIDITY 1] x", b"* OK [UIDNEXT 4200000000] x")
            peer.send(b"@ OK done")

    with session(play, b"IMAP4rev1") as connected:
        connected.examine(INBOX)
        assert connected.uids() == list(range(4_000_000_001, 4_000_120_002))
    assert seen[1:] == [b"UID SEARCH 1:50000", b"UID SEARCH 50001:100000", b"UID SEARCH 100001:*"]


@pytest.mark.parametrize(
    "answer", [b'* ESEARCH (TAG "M3") UID', b'* ESEARCH (TAG "M3") UID ALL 1:2,5', b"* esearch all 1:2,5"]
)
def test_the_uids_of_a_folder_are_asked_for_as_ranges_where_offered(answer: bytes) -> None:
    with session(
        say(b"* 3 EXISTS", b"* OK [UIDVALIDITY 1] x", b"* OK [UIDNEXT 9] x", answer, b"@ OK done")
    ) as connected:
        connected.examine(INBOX)
        assert connected.uids() == ([] if answer.endswith(b"UID") else [1, 2, 5])


def test_a_range_that_names_more_messages_than_there_are_is_refused() -> None:
    said = [b"* 3 EXISTS", b"* OK [UIDVALIDITY 1] x", b"* OK [UIDNEXT 9] x", b"* ESEARCH UID ALL 1:4294967295"]
    with session(say(*said, b"@ OK done")) as connected:
        connected.examine(INBOX)
        with pytest.raises(ProtocolViolation, match="named 4294967295 messages in a folder of 3"):
            connected.uids()


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
        assert peer.read().startswith(b"STATUS")
        peer.send(b"@ NO there is none")

    with session(play) as connected, pytest.raises(FolderNameChanged):
        connected.create(FolderName("a*"))


def test_a_folder_that_the_server_made_and_does_not_list_yet_is_there() -> None:
    """Dovecot, when another session changes its list of folders at that moment."""

    def play(peer: Peer) -> None:
        for answer in ([], [], [], [b'* STATUS "late" (UIDVALIDITY 7)']):
            peer.read()
            peer.send(*answer, b"@ OK done")

    with session(play) as connected:
        assert connected.create_all([(FolderName("late"), None)]) == {}


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


def test_a_folder_that_loses_a_message_between_two_slices_is_asked_again(monkeypatch) -> None:
    """The second slice would begin one message too late, and a message that is there would pass for gone."""
    monkeypatch.setattr(scanning, "SLICE", 2)

    def play(peer: Peer) -> None:
        peer.read()
        peer.send(b"* 3 EXISTS", b"* OK [UIDVALIDITY 1] x", b"* OK [UIDNEXT 9] x", b"@ OK done")
        for answers in (((b"5,6",), (b"",)), ((b"6,7",), (b"7",))):
            for (uids,) in answers:
                peer.read()
                gone = [b"* 1 EXPUNGE"] if uids == b"5,6" else []
                peer.send(*([b"* ESEARCH UID ALL " + uids] if uids else [b"* ESEARCH UID"]), *gone, b"@ OK done")

    with session(play) as connected:
        connected.examine(INBOX)
        assert connected.uids() == [6, 7]
