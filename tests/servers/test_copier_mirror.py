"""Deletions on the source before the cutover, between two real Dovecot."""

from __future__ import annotations

import pytest

from migrator.copier import DeletionsPolicy, FolderPolicy, preview
from migrator.copier.mirror import judge, removed_row
from migrator.model.wave import PassKind
from migrator.state.records import Direction, IntentKind, NewIntent, Settled
from tests.servers.copier_rig import Rig, item, subjects

MAIL = [item(f"m {number}", *["\\Seen"] * (number % 2)) for number in range(1, 7)]


@pytest.fixture
def rig(pair, tmp_path) -> Rig:
    return Rig(pair.old, pair.new, pair.user(), tmp_path / "state")


def delete(server, user: str, folder: str, uids: str) -> None:
    with server.connect(user) as connection:
        connection.command(b"SELECT", folder.encode())
        connection.command(b"UID STORE", uids.encode(), b"+FLAGS (\\Deleted)")
        connection.command(b"UID EXPUNGE", uids.encode())


def flag(server, user: str, folder: str, uids: str, change: bytes) -> None:
    with server.connect(user) as connection:
        connection.command(b"SELECT", folder.encode())
        connection.command(b"UID STORE", uids.encode(), change)


@pytest.mark.parametrize("kind", [PassKind.INITIAL, PassKind.DELTA, PassKind.FINAL])
def test_what_goes_from_the_source_goes_from_the_target_and_the_ledger_keeps_its_row(rig, kind):
    rig.fill_old({"INBOX": MAIL, "Work": MAIL})
    rig.run()
    delete(rig.old, rig.user, "INBOX", "2,4")
    delete(rig.old, rig.user, "Work", "1:3")
    report = rig.run(kind)
    assert (report.removed, report.copied, report.source_messages, report.unaccounted) == (5, 0, 7, 0)
    verdict = rig.compare()
    assert verdict.clean, str(verdict)
    assert not verdict.extra
    assert (rig.counts().gone, rig.counts().copied) == (5, 7)
    assert rig.run(PassKind.DELTA).removed == 0


def test_it_goes_also_when_its_flags_had_followed_before(rig):
    rig.fill_old({"INBOX": MAIL})
    rig.run()
    flag(rig.old, rig.user, "INBOX", "2", b"+FLAGS (\\Flagged \\Deleted work)")
    assert rig.run(PassKind.DELTA).flags_changed == 1
    delete(rig.old, rig.user, "INBOX", "2")
    assert rig.run(PassKind.DELTA).removed == 1


@pytest.mark.parametrize("kind", [PassKind.CATCH_UP, PassKind.REVERSE])
def test_after_the_cutover_nothing_is_removed(rig, kind):
    rig.fill_old({"INBOX": MAIL})
    rig.run()
    delete(rig.old, rig.user, "INBOX", "2")
    assert rig.run(kind).removed == 0
    assert len(subjects(rig.new, rig.user, "INBOX")) == 6


def test_what_was_there_before_us_and_what_somebody_touched_stays(rig):
    rig.fill_new({"INBOX": [MAIL[0]]})
    rig.fill_old({"INBOX": MAIL})
    assert rig.run().present == 1
    flag(rig.new, rig.user, "INBOX", "2", b"+FLAGS (\\Answered)")
    delete(rig.old, rig.user, "INBOX", "1:4")
    report = rig.run(PassKind.DELTA)
    assert report.removed == 2
    assert subjects(rig.new, rig.user, "INBOX") == ["m 1", "m 2", "m 5", "m 6"]
    assert any("1 messages gone from the source were kept" in warning for warning in report.warnings)
    again = rig.run(PassKind.DELTA)
    assert (again.removed, again.warnings) == (0, ())


def test_what_somebody_touches_between_the_look_and_the_mark_stays(rig, monkeypatch):
    rig.fill_old({"INBOX": MAIL})
    rig.run()
    delete(rig.old, rig.user, "INBOX", "2,3")

    def meanwhile(*arguments):
        flag(rig.new, rig.user, "INBOX", "2", b"+FLAGS (\\Answered)")
        return judge(*arguments)

    monkeypatch.setattr("migrator.copier.take_out.judge", meanwhile)
    report = rig.run(PassKind.DELTA)
    assert report.removed == 1
    assert any("1 messages gone from the source were kept" in warning for warning in report.warnings)
    assert subjects(rig.new, rig.user, "INBOX") == ["m 1", "m 2", "m 4", "m 5", "m 6"]


def test_what_is_on_the_source_again_when_it_is_asked_stays(rig, monkeypatch):
    rig.fill_old({"INBOX": MAIL})
    rig.run()
    with rig.job(PassKind.DELTA) as job:  # the ledger believes it gone, and the source shows it
        (record,) = (one for one in job.ledger.folders(job.mailbox.address) if one.source_name == "INBOX")
        job.ledger.mark_gone(record.id, [2], job.lease)
    assert rig.run(PassKind.DELTA).removed == 0
    assert len(subjects(rig.new, rig.user, "INBOX")) == 6


def test_what_was_removed_and_comes_back_is_copied_again(rig):
    rig.fill_old({"INBOX": MAIL})
    rig.run()
    delete(rig.old, rig.user, "INBOX", "2")
    assert rig.run(PassKind.DELTA).removed == 1
    with rig.job(PassKind.DELTA) as job:  # as if the source had lost sight of message 3 as well, for a while
        (record,) = (one for one in job.ledger.folders(job.mailbox.address) if one.source_name == "INBOX")
        job.ledger.mark_gone(record.id, [3], job.lease)
        (row,) = job.ledger.rows_of(record.id, [3]).values()
        job.ledger.commit(job.lease, rows=[(record.id, removed_row(row))])
    delete(rig.new, rig.user, "INBOX", "3")
    flag(rig.old, rig.user, "INBOX", "4", b"+FLAGS (\\Flagged)")
    report = rig.run(PassKind.DELTA)
    assert (report.copied, report.unaccounted) == (1, 0)
    assert rig.compare().clean
    assert rig.counts().gone == 1


def test_what_somebody_took_from_the_target_and_the_source_shows_again_is_copied_again(rig):
    rig.fill_old({"INBOX": MAIL})
    rig.run()
    delete(rig.new, rig.user, "INBOX", "2")
    with rig.job(PassKind.DELTA) as job:
        (record,) = (one for one in job.ledger.folders(job.mailbox.address) if one.source_name == "INBOX")
        row = job.ledger.rows_of(record.id, [2])[2]
        job.ledger.commit(job.lease, rows=[(record.id, one) for one in judge([row], {}).settled])
        job.ledger.mark_gone(record.id, [2], job.lease)
    flag(rig.old, rig.user, "INBOX", "4", b"+FLAGS (\\Flagged)")
    assert rig.run(PassKind.DELTA).copied == 1
    assert rig.compare().clean


def test_a_message_moved_between_folders_is_copied_there_and_removed_here_however_many_they_are(rig):
    many = [item(f"many {number}") for number in range(15)]
    rig.fill_old({"INBOX": MAIL, "Old": many})
    rig.run()
    with rig.old.connect(rig.user) as connection:
        connection.command(b"RENAME Old New")
        connection.command(b"SELECT INBOX")
        connection.command(b"UID MOVE 1:2 New")
    report = rig.run(PassKind.DELTA)
    assert (report.copied, report.removed, report.unaccounted) == (17, 17, 0)
    verdict = rig.compare()
    assert verdict.clean, str(verdict)
    assert not verdict.extra


def test_a_source_that_lost_most_of_a_folder_takes_nothing_with_it(rig):
    many = [item(f"many {number}") for number in range(20)]
    rig.fill_old({"INBOX": MAIL, "Work": many, "Rest": [item(f"rest {number}") for number in range(20)]})
    rig.run()
    delete(rig.old, rig.user, "Work", "1:12")
    delete(rig.old, rig.user, "INBOX", "1")
    for _ in range(2):
        report = rig.run(PassKind.DELTA)
        assert any("Work: 12 of 20 messages went from the source at once" in warning for warning in report.warnings)
        assert len(subjects(rig.new, rig.user, "Work")) == 20
    assert len(subjects(rig.new, rig.user, "INBOX")) == 5


def test_nothing_is_removed_where_that_is_the_policy(rig):
    rig.fill_old({"INBOX": MAIL})
    rig.run()
    delete(rig.old, rig.user, "INBOX", "1")
    assert rig.run(PassKind.DELTA, folder_policy=FolderPolicy(deletions=DeletionsPolicy.KEEP)).removed == 0
    assert rig.run(PassKind.DELTA).removed == 1  # the operator changed his mind


def test_the_dry_run_tells_what_would_be_removed(rig):
    rig.fill_old({"INBOX": MAIL, "Work": MAIL})
    rig.run()
    delete(rig.old, rig.user, "INBOX", "1:2")
    with rig.old.connect(rig.user) as connection:
        connection.command(b"DELETE Work")
    with rig.job(PassKind.DELTA) as job:
        plan = preview(job)
    assert {one.record.source_name: one.gone for one in plan.mirror.remove} == {"INBOX": 2, "Work": 6}
    assert len(subjects(rig.new, rig.user, "INBOX")) == 6
    assert rig.run(PassKind.DELTA).removed == 8


def test_what_a_rollback_carried_back_is_the_users_own_and_stays(rig):
    rig.fill_old({"INBOX": MAIL})
    rig.run()
    rig.fill_new({"INBOX": [item("written there")], "There": [item("made there")]})
    with rig.new.connect(rig.user) as connection:  # its user files a message away, and back
        connection.command(b"SELECT INBOX")
        connection.command(b"UID MOVE 6 There")
        connection.command(b"SELECT There")
        connection.command(b"UID MOVE 2 INBOX")
    assert rig.run(PassKind.REVERSE).copied == 2
    delete(rig.old, rig.user, "INBOX", "5:7")
    delete(rig.old, rig.user, "There", "1")
    assert rig.run(PassKind.DELTA).removed == 1
    assert subjects(rig.new, rig.user, "INBOX") == ["m 1", "m 2", "m 3", "m 4", "m 6", "written there"]
    assert subjects(rig.new, rig.user, "There") == ["made there"]


def test_a_late_copy_of_what_was_removed_is_swept(rig):
    rig.fill_old({"INBOX": MAIL})
    rig.run()
    with rig.job(PassKind.DELTA) as job:  # a run died with message 2 on its way, and it arrived
        (record,) = (one for one in job.ledger.folders(job.mailbox.address) if one.source_name == "INBOX")
        lost = NewIntent(record.id, IntentKind.DIRECT, Direction.FORWARD, record.target_uidvalidity, 1, (2,))
        (intent,) = job.ledger.commit(job.lease, intents=[lost])
        job.ledger.mark_doubtful([intent], job.lease)
        job.ledger.commit(job.lease, settled=[Settled(intent)])
    delete(rig.old, rig.user, "INBOX", "2")
    assert rig.run(PassKind.DELTA).removed == 1
    rig.fill_new({"INBOX": [MAIL[1]]})  # its twin arrives now
    rig.run(PassKind.DELTA)
    assert subjects(rig.new, rig.user, "INBOX") == ["m 1", "m 3", "m 4", "m 5", "m 6"]


def test_with_qresync_the_source_is_not_asked_for_all_its_uids(rig, make_dovecot):
    user = "watched@company.test"
    rig = Rig(make_dovecot("watched", users=[user]), rig.new, user, rig.directory)
    rig.new.add_user(user)
    rig.fill_old({"INBOX": MAIL, "Work": [item("w 1"), item("w 2"), item("w 3")]})
    rig.run()
    delete(rig.old, user, "INBOX", "2")
    flag(rig.old, user, "INBOX", "3", b"+FLAGS (\\Flagged)")
    delete(rig.old, user, "Work", "2:3")
    rig.old.record_commands()
    report = rig.run(PassKind.DELTA)
    assert (report.removed, report.flags_changed, report.unaccounted) == (3, 1, 0)
    commands = rig.old.commands(user)
    assert commands
    assert not [one for one in commands if "SEARCH" in str(one) or one.writes]


@pytest.mark.parametrize("kind", [PassKind.DELTA, PassKind.CATCH_UP, PassKind.REVERSE])
def test_a_folder_that_is_left_out_after_it_was_copied_has_nothing_to_mirror_and_locks_nothing(rig, kind):
    rig.fill_old({"INBOX": MAIL, "Work": MAIL})
    rig.run()
    delete(rig.old, rig.user, "Work", "2")
    without = FolderPolicy(skip=frozenset({"Work"}))
    assert rig.run(PassKind.DELTA, folder_policy=without).removed == 0
    assert len(subjects(rig.new, rig.user, "Work")) == len(MAIL)
    assert rig.run(kind, folder_policy=without).failed == 0


def test_one_copy_elsewhere_vouches_for_one_that_went_not_for_all_that_are_like_it(rig):
    rig.fill_old({"Work": [item("same")] * 20, "INBOX": [item("same")]})
    rig.run()
    delete(rig.old, rig.user, "Work", "1:20")
    report = rig.run(PassKind.DELTA)
    assert report.removed == 0, "twenty at once look like a broken source"
    assert len(subjects(rig.new, rig.user, "Work")) == 20
