"""What a look at a mailbox, and the clocks of servers, mean."""

from datetime import UTC, datetime, timedelta

import pytest

from migrator.copier import FolderPolicy
from migrator.imap import Folder, Namespace, Quota, Refusal
from migrator.model.errors import LoginRefused
from migrator.model.mailbox import Mailbox
from migrator.model.message import MessageMeta
from migrator.model.names import Address, FolderName, ServerName
from migrator.waves.doctor.looks import Contents, KeptOut, Look, Message, Room
from migrator.waves.doctor.servers import clocks
from migrator.waves.doctor.verdict import judge, nobody_in
from migrator.workspace import SecretUnavailable

A = Address("a@example.co.jp")
OLD, NEW = ServerName("old"), ServerName("new")
BOX = Mailbox(A, "sales", OLD, NEW, A, A)
SLASH, DOT = Namespace("", "/"), Namespace("", ".")
MB = 1_000_000
LARGE = Message(FolderName("INBOX"), MessageMeta(7, 3 * MB, frozenset(), datetime(2026, 1, 1, tzinfo=UTC)))


def folders(*names):
    return tuple(Folder(FolderName(name), name.encode(), "/", frozenset()) for name in names)


def contents(octets=0, largest=None, names=("INBOX",)):
    return Contents(folders(*names), SLASH, octets, largest)


def room(quota=None, refusal=None, space=SLASH):
    return Room(folders("INBOX"), space, quota, frozenset({"UIDPLUS", "MOVE"}), refusal)


def found(source, target, begun=False):
    return [(one.check, str(one.severity)) for one in judge(Look(BOX, source, target), FolderPolicy(), begun)]


@pytest.mark.parametrize(
    ("octets", "used", "begun", "expected"),
    [
        (5 * MB, 0, False, []),
        (10 * MB + 1, 0, False, [("quota", "error")]),
        (95 * MB // 10, 0, False, [("quota", "warning")]),
        (5 * MB, 6 * MB, False, [("quota", "error")]),  # somebody else's mail is there
        (5 * MB, 6 * MB, True, []),  # what is used there is what was copied
    ],
)
def test_what_will_be_in_a_mailbox_must_fit_into_its_quota(octets, used, begun, expected):
    assert found(contents(octets), room(Quota(used, 10 * MB)), begun) == expected


def test_a_target_without_a_quota_has_room():
    assert found(contents(10**12), room()) == found(contents(10**12), room(Quota(0, 0))) == []


def test_a_message_that_is_refused_for_its_size_is_named_with_its_place():
    look = Look(BOX, contents(3 * MB, LARGE), room(refusal=Refusal("LIMIT", "too large")))
    (one,) = judge(look, FolderPolicy(), False)
    assert (one.check, "'INBOX' UID 7 of 3,000,000 octets" in one.text, "too large" in one.text) == ("size", True, True)


def test_a_full_mailbox_is_told_once():
    assert found(contents(20 * MB, LARGE), room(Quota(0, MB), Refusal("OVERQUOTA", "full"))) == [("quota", "error")]


def test_folders_that_collide_or_cannot_be_copied_are_named():
    look = Look(BOX, contents(names=("INBOX", "a.b", "a_b", "bad\x01")), room(space=DOT))
    assert [(one.severity, "a_b-2" in one.text) for one in judge(look, FolderPolicy(), False)] == [
        ("error", False),
        ("warning", True),
    ]


@pytest.mark.parametrize(("known", "check"), [(None, "login"), (True, "login"), (False, "account")])
def test_a_wrong_password_and_an_unknown_account_are_told_apart_where_that_can_be(known, check):
    out = KeptOut(LoginRefused("no", remedy="look"), known)
    assert found(contents(), out) == [(check, "error")]
    assert found(out, None) == [(check, "error")]


def test_a_server_that_lets_nobody_in_is_told_once():
    out, inside = KeptOut(LoginRefused("no", remedy="look")), contents()
    closed = nobody_in([Look(BOX, inside, out)] * 3)
    assert [one.subject for one in closed.values()] == ["server new"]
    assert not list(judge(Look(BOX, inside, out), FolderPolicy(), False, closed))
    assert not nobody_in([Look(BOX, inside, out)] * 2)
    assert not nobody_in([*[Look(BOX, inside, out)] * 3, Look(BOX, inside, room())])
    assert not nobody_in([Look(BOX, inside, KeptOut(out.error, known=False))] * 3)


def test_a_secret_that_is_missing_is_told_with_the_files_and_not_again():
    assert found(KeptOut(SecretUnavailable("gone")), KeptOut(SecretUnavailable("gone"))) == []


def test_what_could_not_be_tried_is_no_finding():
    assert found(None, None) == []


def told(**offsets):
    seen = {ServerName(name): timedelta(seconds=seconds) for name, seconds in offsets.items()}
    return [(one.subject, one.text) for one in clocks(seen)]


def test_a_clock_that_is_off_is_told_and_where_all_are_it_is_ours():
    assert told() == told(old=29) == told(old=-30, new=30) == []
    assert told(old=0, new=-3725) == [("server new", "its clock is 1 h 2 min 5 s behind that of this machine")]
    assert told(old=90) == [("server old", "its clock is 1 min 30 s ahead of that of this machine")]
    assert told(old=90, new=92) == [("this machine", "the clock of this machine is 1 min 30 s behind the servers'")]
    assert [subject for subject, _ in told(old=90, new=-90)] == ["server old", "server new"]
