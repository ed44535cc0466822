"""Gmail's All Mail, Starred and Important: left out where nothing is lost by it, refused where something would be.

The dialogue is that of Google's documentation of its IMAP extensions; no real Gmail was asked.
"""

from __future__ import annotations

import pytest

from migrator.copier.changes import map_mailbox
from migrator.copier.folders import FolderPolicy, map_folders
from migrator.copier.gmail import NO_VIEWS, Views, alone, views, without_views
from migrator.copier.snapshot import SideView, Snapshot, view
from migrator.imap import Folder, Namespace
from migrator.model.names import FolderName
from tests.unit.imap_script import FULL, Peer, session

SLASH = Namespace("", "/")
ALL, STARRED, IMPORTANT = (FolderName(f"[Gmail]/{name}") for name in ("All Mail", "Starred", "Important"))
LISTED = [
    b'* LIST (\\HasNoChildren) "/" "INBOX"',
    b'* LIST (\\Noselect \\HasChildren) "/" "[Gmail]"',
    b'* LIST (\\HasNoChildren \\All) "/" "[Gmail]/All Mail"',
    b'* LIST (\\HasNoChildren \\Drafts) "/" "[Gmail]/Drafts"',
    b'* LIST (\\HasNoChildren \\Important) "/" "[Gmail]/Important"',
    b'* LIST (\\HasNoChildren \\Sent) "/" "[Gmail]/Sent Mail"',
    b'* LIST (\\HasNoChildren \\Flagged) "/" "[Gmail]/Starred"',
    b'* LIST (\\HasNoChildren) "/" "Muy Importante"',
]


def folder(name, *attributes):
    return Folder(FolderName(name), name.encode(), "/", frozenset(attributes))


PLACES = [
    folder("INBOX"),
    folder("[Gmail]/Sent Mail", "\\sent"),
    folder("[Gmail]/Drafts", "\\drafts"),
    folder("work/a"),
]
GMAIL = [*PLACES, folder(ALL, "\\all"), folder(STARRED, "\\flagged"), folder(IMPORTANT, "\\important")]


def gmail(*labels, exists=None):
    """A Gmail whose All Mail has a message with each of these labels."""

    def play(peer: Peer) -> None:
        while command := peer.read():
            if command.startswith(b"LIST"):
                peer.send(*LISTED)
            elif command.startswith(b"EXAMINE"):
                assert command == b'EXAMINE "[Gmail]/All Mail"'
                peer.send(b"* %d EXISTS" % (len(labels) if exists is None else exists))
                peer.send(b"* OK [UIDVALIDITY 1] ok", b"* OK [UIDNEXT 99] ok")
            elif command.startswith(b"FETCH"):
                peer.send(*(b"* %d FETCH (X-GM-LABELS (%b))" % (n, each) for n, each in enumerate(labels, 1)))
            elif command.startswith(b"STATUS"):
                name = command.removeprefix(b"STATUS ").partition(b" (")[0]
                peer.send(b"* STATUS " + name + b" (MESSAGES 0 UIDNEXT 1 UIDVALIDITY 1)")
            peer.send(b"@ OK done")

    return session(play, FULL.replace(b" CONDSTORE", b"").replace(b" NAMESPACE", b"") + b" X-GM-EXT-1")


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([], 0),
        ([{b"\\Inbox"}, {b"\\Sent"}, {b"\\Draft"}, {b"\\Drafts"}, {b"work/a"}], 0),
        ([set()], 1),  # archived
        ([{b"\\Starred", b"\\Important"}, {b"Important"}], 2),  # views are no place
        ([{b"hidden from IMAP"}], 1),
        ([{b"hidden from IMAP", b"\\Inbox"}], 0),
        ([{b"\\Trash"}], 1),  # that folder is not listed here
    ],
)
def test_a_message_is_alone_when_no_other_folder_shows_it(labels, expected):
    assert alone(len(labels), map(frozenset, labels), PLACES) == expected


def test_a_message_of_which_the_server_tells_no_labels_counts_as_alone():
    assert alone(3, [frozenset({b"\\Inbox"})], PLACES) == 2


def mapped(policy, found):
    places = map_folders(GMAIL, [], without_views(policy, found), (SLASH, SLASH))
    return (
        {pair.source for pair in places.pairs},
        {left.source for left in places.skipped},
        {left.source: left.reason for left in places.refused},
    )


def test_what_only_shows_other_folders_is_left_out_and_nothing_else():
    pairs, skipped, refused = mapped(FolderPolicy(), Views(frozenset({ALL, STARRED, IMPORTANT}), ALL))
    assert (pairs, skipped, refused) == ({one.name for one in PLACES}, {ALL, STARRED, IMPORTANT}, {})


def test_all_mail_is_refused_while_messages_are_in_it_alone_until_somebody_says_what_to_do():
    found = Views(frozenset({ALL, STARRED, IMPORTANT}), ALL, alone=12)
    _, skipped, refused = mapped(FolderPolicy(), found)
    assert skipped == {STARRED, IMPORTANT}
    assert refused[ALL].startswith("12 of its messages are in no other folder")
    pairs, _, refused = mapped(FolderPolicy(map={ALL: "Archive"}), found)
    assert (ALL in pairs, refused) == (True, {})
    _, skipped, refused = mapped(FolderPolicy(skip=frozenset({ALL})), found)
    assert (ALL in skipped, refused) == (True, {})


def test_without_the_extension_the_folders_are_as_they_are():
    with session(lambda peer: None) as connected:
        assert views(connected, GMAIL) == NO_VIEWS
    assert mapped(FolderPolicy(), NO_VIEWS)[0] == {one.name for one in GMAIL}


def test_a_pass_sees_the_views_of_a_gmail_and_what_is_in_all_mail_alone():
    with gmail(b"\\Inbox \\Sent", b'"Muy Importante"', b"", b"\\Starred") as connected:
        side = view(connected)
    assert side.views == Views(frozenset({ALL, STARRED, IMPORTANT}), ALL, alone=2)
    job = type("Job", (), {"folder_policy": FolderPolicy()})()
    places = map_mailbox(job, Snapshot(side, SideView(SLASH, {})), {})
    assert [left.source for left in places.refused] == [ALL]
    assert {left.source for left in places.skipped} == {STARRED, IMPORTANT}


def test_a_gmail_that_answers_for_fewer_messages_than_there_are_loses_none():
    with gmail(b"\\Inbox", exists=5) as connected:
        assert view(connected).views.alone == 4
