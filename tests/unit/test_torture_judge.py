"""The judge of the crash tests sees each kind of damage, and none where there is none."""

from dataclasses import replace

import pytest

from tests.lab.snapshot import Message, Snapshot, make_message
from tests.torture.judge import Evidence, Tally, Work, judge
from tests.torture.points import chosen

USER = "u0001@company.test"
TOKEN = "lab-token-" + "1" * 32
CANARY = b"Subject: test\r\nX-Migrator-Canary: abc\r\n\r\nbody\r\n"


def mail(text: str, uid: int, **more) -> Message:
    return make_message(f"Subject: {text}\r\n\r\n{text}\r\n".encode(), uid=uid, **more)


OLD_MAIL = (mail("one", 1), mail("two", 2, flags=["\\seen"]))
CAME = mail(TOKEN, 3)


def snap(*messages: Message, **folders: tuple[Message, ...]) -> Snapshot:
    return Snapshot(USER, {"INBOX": messages, **folders})


def evidence(old: Snapshot, new: Snapshot, place: str = "old") -> Evidence:
    return Evidence(old, new, {"gateway": place, "old-mta": place}, {"gateway": {USER: place, "other": "old"}}, (USER,))


BEFORE = evidence(snap(*OLD_MAIL), snap())
DONE = evidence(snap(*OLD_MAIL, CAME), snap(*OLD_MAIL, CAME), "new")
BACK_BEFORE = evidence(snap(*OLD_MAIL), snap(*OLD_MAIL), "new")
BACK_DONE = evidence(snap(*OLD_MAIL, CAME), snap(*OLD_MAIL, CAME))


def faults(now: Evidence, work: Work = "cutover", before: Evidence = BEFORE) -> set[str]:
    tally = Tally()
    judge(tally, "", work, before, now, [TOKEN])
    return {fault for fault in Tally.FAULTS if getattr(tally, fault)}


def test_a_cutover_and_a_rollback_without_damage_are_clean():
    assert faults(DONE) == set()
    assert faults(BACK_DONE, "rollback", BACK_BEFORE) == set()


DAMAGE = {
    "a message is missing on the target": ("lost", snap(OLD_MAIL[0], CAME)),
    "mail that was accepted is nowhere": ("lost", snap(*OLD_MAIL)),
    "a message is there twice": ("doubled", snap(*OLD_MAIL, CAME, mail("one", 4))),
    "a delivery is there twice": ("doubled", snap(*OLD_MAIL, CAME, mail(TOKEN, 4))),
    "a flag is not the same": ("altered", snap(OLD_MAIL[0], mail("two", 2), CAME)),
    "a canary lies on the target": ("left", snap(*OLD_MAIL, CAME, make_message(CANARY, uid=5))),
    "the staging mailbox is there": ("left", snap(*OLD_MAIL, CAME, **{"migrator-staging": ()})),
}


@pytest.mark.parametrize(("fault", "new"), DAMAGE.values(), ids=DAMAGE)
def test_damage_on_the_target_is_seen(fault: str, new: Snapshot):
    assert fault in faults(replace(DONE, new=new))


def test_a_source_that_lost_a_message_or_gained_one_is_seen():
    assert "touched" in faults(replace(DONE, old=snap(OLD_MAIL[0], CAME)))
    assert "touched" in faults(replace(DONE, old=snap(*OLD_MAIL, CAME, mail("from nowhere", 9))))


def test_routes_that_differ_or_are_frozen_and_other_mailboxes_routes_are_seen():
    assert faults(replace(DONE, routes={"gateway": "new", "old-mta": "old"})) == {"split"}
    assert faults(replace(DONE, routes={"gateway": "retry:4.7.0", "old-mta": "retry:4.7.0"})) == {"split"}
    assert faults(replace(DONE, maps={"gateway": {USER: "new", "other": "new"}})) == {"split"}


def test_a_rollback_that_deletes_on_the_target_or_leaves_its_canaries_is_seen():
    assert "touched" in faults(replace(BACK_DONE, new=snap(OLD_MAIL[0], CAME)), "rollback", BACK_BEFORE)
    left = snap(*OLD_MAIL, CAME, make_message(CANARY, uid=7))
    assert faults(replace(BACK_DONE, old=left), "rollback", BACK_BEFORE) == {"left"}


def test_the_points_of_a_short_trial_are_the_first_of_each_step():
    labels = ["before commit", "before smtp", "before commit", "before smtp", "before commit", "before run postfix"]
    assert chosen(labels, 10) == [1, 2, 3, 6]
    assert chosen(labels, 2) == [1, 3]
    assert chosen(labels, 10, after="before smtp") == [2, 3, 6]
