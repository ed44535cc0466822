"""What a look at a mailbox, and the clocks of servers, mean."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from migrator.copier import FolderPolicy
from migrator.copier.gmail import Views
from migrator.imap import Folder, Namespace, Quota, Refusal
from migrator.model.errors import LoginRefused
from migrator.model.mailbox import Mailbox
from migrator.model.message import MessageMeta
from migrator.model.names import Address, FolderName, ServerName
from migrator.model.profiles import CYRUS, DOVECOT, EXCHANGE, GMAIL, UNKNOWN, Figure, Profile
from migrator.waves.doctor.kinds import days, kinds
from migrator.waves.doctor.kinds import told as told_kinds
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


def contents(octets=0, largest=None, names=("INBOX",), profile=UNKNOWN):
    return Contents(folders(*names), SLASH, octets, largest, profile)


def room(quota=None, refusal=None, space=SLASH, profile=UNKNOWN, names=("INBOX",), offers=()):
    return Room(folders(*names), space, quota, frozenset({"UIDPLUS", "MOVE", *offers}), refusal, profile)


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


def warned(source, target):
    return [one.text for one in judge(Look(BOX, source, target), FolderPolicy(), False)]


def test_names_that_the_kind_of_target_refuses_are_told_unless_they_are_there():
    (one,) = warned(contents(names=("INBOX", "50%", "plain")), room(profile=CYRUS))
    assert ("'50%'" in one, "Cyrus" in one, "refused" in one) == (True, True, True)
    assert warned(contents(names=("INBOX", "50%")), room(profile=CYRUS, names=("INBOX", "50%"))) == []
    assert warned(contents(names=("INBOX", "50%")), room()) == []


def test_names_that_differ_in_case_only_collide_where_the_target_knows_no_case():
    (one,) = warned(contents(names=("INBOX", "Plans", "plans")), room(profile=EXCHANGE))
    assert "'plans' would become 'plans'" in one
    assert "the same as 'Plans'" in one
    assert len(warned(contents(names=("INBOX", "Plans")), room(profile=GMAIL, names=("INBOX", "PLANS")))) == 1
    assert warned(contents(names=("INBOX", "Plans", "plans")), room(profile=DOVECOT)) == []


@pytest.mark.parametrize(("limit", "told"), [(3 * MB, 0), (3 * MB - 1, 1)])
def test_a_message_beyond_what_the_target_says_or_is_known_to_take_is_told(limit, told):
    assert len(warned(contents(3 * MB, LARGE), room(offers=(f"APPENDLIMIT={limit}",)))) == told
    kind = Profile("Other", message_octets=Figure(limit, "its maker"))
    assert len(warned(contents(3 * MB, LARGE), room(profile=kind))) == told
    refused = room(profile=kind, refusal=Refusal("LIMIT", "too large"))
    assert found(contents(3 * MB, LARGE), refused) == [("size", "error")]  # once, however it was found out


def test_a_gmail_that_hides_all_mail_or_holds_mail_there_alone_is_told():
    everything = FolderName("[Gmail]/All Mail")
    hidden = Contents(folders("INBOX"), SLASH, 0, None, GMAIL)
    assert ["hides All Mail" in text for text in warned(hidden, room())] == [True]
    shown = Contents(folders("INBOX", everything), SLASH, 0, None, GMAIL, Views(frozenset({everything}), everything))
    assert warned(shown, room()) == []
    (one,) = warned(replace(shown, views=Views(frozenset({everything}), everything, alone=7)), room())
    assert "7 of its messages are in no other folder" in one


def over(source, target, limited=()):
    return [one.text for one in days([Look(BOX, source, target)], limited)]


def test_mailboxes_that_take_days_by_what_the_vendor_allows_are_told_with_how_many():
    (one,) = over(contents(5_001 * MB, profile=GMAIL), room())
    assert ("2,500 MB" in one, "read" in one, f"{A} takes 3 days" in one) == (True, True, True)
    (one,) = over(contents(501 * MB), room(profile=GMAIL))
    assert ("500 MB" in one, "written" in one, f"{A} takes 2 days" in one) == (True, True, True)
    assert over(contents(500 * MB), room(profile=GMAIL)) == over(contents(10**12), room(profile=DOVECOT)) == []


def test_a_budget_of_days_that_the_operator_set_is_enough():
    assert over(contents(10**12, profile=GMAIL), room(), {OLD}) == []
    assert len(over(contents(10**12, profile=GMAIL), room(), {NEW})) == 1


def test_servers_are_told_by_what_they_are():
    looks = [Look(BOX, KeptOut(LoginRefused("no", remedy="look")), room(profile=CYRUS)), Look(BOX, contents(), None)]
    assert told_kinds(kinds(looks)) == "new is Cyrus; old is a server that is not recognised"


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
