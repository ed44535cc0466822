"""Catch-up and reverse passes, between two real Dovecot: the receiving side belongs to its user (I4)."""

from __future__ import annotations

import pytest

from migrator.copier import FolderPolicy, preview
from migrator.model.wave import PassKind
from tests.lab import corpus
from tests.lab.checker import compare, snapshot
from tests.lab.corpus import Item
from tests.servers.copier_rig import Rig, item, subjects


@pytest.fixture
def rig(pair, tmp_path) -> Rig:
    return Rig(pair.old, pair.new, pair.user(), tmp_path / "state")


def command(server, user: str, folder: str, *lines: str) -> None:
    with server.connect(user) as connection:
        connection.command(b"SELECT", f'"{folder}"'.encode())
        for line in lines:
            connection.command(line.encode())


def folders(server, user: str) -> set[str]:
    with server.connect(user) as connection:
        return {folder.name for folder in connection.folders()}


def test_late_mail_arrives_and_what_the_user_did_is_not_undone(rig):
    rig.fill_old({"INBOX": [item("read"), item("deleted"), item("moved"), item("kept")], "Dropped": [item("x")]})
    rig.run()
    command(
        rig.new, rig.user, "INBOX", "UID STORE 1 +FLAGS (\\Seen)", "UID STORE 2 +FLAGS (\\Deleted)", "UID EXPUNGE 2"
    )
    rig.fill_new({"Mine": []})
    command(rig.new, rig.user, "INBOX", "UID MOVE 3 Mine")
    with rig.new.connect(rig.user) as connection:
        connection.command(b"DELETE Dropped")
    command(rig.old, rig.user, "INBOX", "UID STORE 4 +FLAGS (\\Flagged)")
    rig.fill_old({"INBOX": [item("late", "\\Answered", "work")], "Fresh": [item("late too")], "Still empty": []})
    report = rig.run(PassKind.CATCH_UP)
    assert (report.copied, report.flags_changed, report.unaccounted) == (2, 0, 0)
    assert subjects(rig.new, rig.user, "INBOX") == ["kept", "late", "read"]
    assert subjects(rig.new, rig.user, "Mine") == ["moved"]
    found = {m.folder: m.flags for m in snapshot(rig.new, rig.user).messages() if m.folder != "Mine"}
    assert "Dropped" not in found
    assert folders(rig.new, rig.user) == {"INBOX", "Mine", "Fresh"}
    assert rig.run(PassKind.CATCH_UP).copied == 0


def test_late_mail_for_a_folder_that_its_user_took_away_makes_the_folder_anew_and_brings_only_the_late_mail(rig):
    rig.fill_old({"Work": [item("old")]})
    rig.run()
    with rig.new.connect(rig.user) as connection:
        connection.command(b"DELETE Work")
    rig.fill_old({"Work": [item("late")]})
    assert rig.run(PassKind.CATCH_UP).copied == 1
    assert subjects(rig.new, rig.user, "Work") == ["late"]


def test_a_folder_recreated_by_its_user_does_not_get_its_old_mail_again(rig):
    rig.fill_old({"Work": [item("old")]})
    rig.run()
    with rig.new.connect(rig.user) as connection:
        connection.command(b"DELETE Work")
        connection.command(b"CREATE Work")
    rig.fill_old({"Work": [item("late")]})
    assert rig.run(PassKind.CATCH_UP).copied == 1
    assert subjects(rig.new, rig.user, "Work") == ["late"]


def test_the_way_back_carries_new_mail_flags_and_folders_and_nothing_twice(rig):
    rig.fill_old({"INBOX": [item("one"), item("two", "\\Seen", "old"), item("three")], "Work": [item("moved")]})
    rig.run()
    command(rig.new, rig.user, "INBOX", "UID STORE 1 +FLAGS (\\Seen new)", "UID STORE 2 -FLAGS (\\Seen)")
    command(rig.new, rig.user, "INBOX", "UID STORE 3 +FLAGS (\\Deleted)", "UID EXPUNGE 3")
    command(rig.new, rig.user, "Work", "UID MOVE 1 INBOX")
    rig.fill_new({"INBOX": [item("new mail", "\\Flagged")], "送信済み": [item("sent since")]})
    report = rig.run(PassKind.REVERSE)
    assert (report.copied, report.flags_changed, report.unaccounted) == (2, 2, 0)
    assert any("moved by their user" in warning for warning in report.warnings)
    assert subjects(rig.old, rig.user, "INBOX") == ["new mail", "one", "three", "two"]
    assert subjects(rig.old, rig.user, "Work") == ["moved"]
    with rig.old.connect(rig.user) as connection:
        connection.examine("INBOX")
        flags = {one["UID"]: one["FLAGS"] for one in connection.fetch("1:2", "UID FLAGS")}
    assert {flag for flag in flags[b"1"] if flag != b"\\Recent"} == {b"\\Seen", b"new"}
    assert {flag for flag in flags[b"2"] if flag != b"\\Recent"} == {b"old"}
    assert "migrator-staging" not in folders(rig.old, rig.user)
    again = rig.run(PassKind.REVERSE)
    assert (again.copied, again.flags_changed, again.unaccounted) == (0, 0, 0)
    forward = rig.run(PassKind.DELTA)
    assert (forward.copied, forward.present, forward.unaccounted) == (0, 0, 0)


def test_there_and_back_again_is_the_same_mail(rig):
    rig.fill_old(corpus.plan(5, per_folder=5))
    rig.run()
    rig.fill_new(corpus.plan(6, per_folder=3))
    report = rig.run(PassKind.REVERSE)
    assert (report.copied, report.unaccounted) == (36, 0)
    back = compare(snapshot(rig.new, rig.user), snapshot(rig.old, rig.user))
    assert back.clean, str(back)
    assert not back.extra


def test_canaries_stay_where_they_are_on_the_way_back(rig):
    rig.fill_old({"INBOX": [item("one")]})
    rig.run()
    canary = Item(b"Subject: c\r\nX-Migrator-Canary: token-9\r\n\r\n.\r\n", (), "01-Jan-2020 00:00:00 +0000")
    rig.fill_new({"INBOX": [canary, item("mail")]})
    report = rig.run(PassKind.REVERSE, canary_tokens=frozenset({"token-9"}))
    assert (report.copied, report.unaccounted) == (1, 0)
    assert subjects(rig.old, rig.user, "INBOX") == ["mail", "one"]


def test_a_target_made_anew_is_paired_again_before_anything_goes_back(rig):
    mail = [item(f"m {n}") for n in range(4)]
    rig.fill_old({"Work": mail})
    rig.run()
    with rig.new.connect(rig.user) as connection:
        connection.command(b"DELETE Work")
    rig.fill_new({"Work": [mail[2], mail[0], item("new")]})
    assert rig.run(PassKind.REVERSE).copied == 1
    assert subjects(rig.old, rig.user, "Work") == ["m 0", "m 1", "m 2", "m 3", "new"]


def test_without_move_late_mail_is_appended_directly_and_the_report_says_so(make_dovecot, pair, tmp_path):
    user = pair.user()
    bare = make_dovecot("bare", users=[user], extra="imap_capability = IMAP4rev1 LITERAL+ UIDPLUS")
    rig = Rig(pair.old, bare, user, tmp_path / "state")
    rig.fill_old({"INBOX": [item("one")]})
    rig.run()
    rig.fill_old({"INBOX": [item("late")]})
    report = rig.run(PassKind.CATCH_UP)
    assert report.copied == 1
    assert any("no MOVE" in warning for warning in report.warnings)
    assert rig.compare().clean


@pytest.mark.parametrize("capabilities", ["IMAP4rev1", "IMAP4rev1 MOVE", "IMAP4rev1 MULTIAPPEND LITERAL+"])
def test_a_server_with_hardly_any_extension_is_served_too(make_dovecot, tmp_path, capabilities):
    user = "poor@company.test"
    old = make_dovecot("oldpoor", users=[user], extra="imap_capability = IMAP4rev1")
    new = make_dovecot("newpoor", users=[user], extra=f"imap_capability = {capabilities}")
    rig = Rig(old, new, user, tmp_path / "state")
    rig.fill_old(corpus.plan(8, folders=("INBOX", "下書き"), per_folder=15))
    assert rig.run().unaccounted == 0
    verdict = rig.compare()
    assert verdict.clean, str(verdict)
    assert not verdict.extra
    rig.fill_old({"INBOX": [item("late")]})
    assert rig.run(PassKind.DELTA).copied == 1
    rig.fill_old({"INBOX": [item("later")]})
    assert rig.run(PassKind.CATCH_UP).copied == 1
    assert rig.compare().clean


def test_new_mail_in_a_merged_folder_goes_back_to_one_of_its_folders_and_old_mail_to_none(rig):
    rig.fill_old({"A": [item("a")], "B": [item("b")]})
    rig.run(folder_policy=FolderPolicy(map={"A": "Both", "B": "Both"}, merge=frozenset({"Both"})))
    rig.fill_new({"Both": [item("new")]})
    command(rig.new, rig.user, "Both", "UID STORE 1:2 +FLAGS (\\Flagged)")
    report = rig.run(PassKind.REVERSE)
    assert (report.copied, report.flags_changed, report.unaccounted) == (1, 2, 0)
    assert subjects(rig.old, rig.user, "A") + subjects(rig.old, rig.user, "B") == ["a", "new", "b"]


def test_a_folder_that_is_gone_on_the_source_goes_back_whole(rig):
    rig.fill_old({"Work": [item("one"), item("two")]})
    rig.run()
    with rig.old.connect(rig.user) as connection:
        connection.command(b"DELETE Work")
    rig.fill_new({"Work": [item("three")]})
    assert rig.run(PassKind.REVERSE).copied == 3
    assert subjects(rig.old, rig.user, "Work") == ["one", "three", "two"]
    assert rig.run(PassKind.REVERSE).copied == 0


def test_mail_in_a_folder_that_was_made_anew_for_late_mail_goes_back_too(rig):
    rig.fill_old({"Work": [item("one"), item("two")]})
    rig.run()
    with rig.new.connect(rig.user) as connection:
        connection.command(b"DELETE Work")
    rig.fill_old({"Work": [item("late")]})
    rig.run(PassKind.CATCH_UP)
    rig.fill_new({"Work": [item("new at UID 2")]})
    assert rig.run(PassKind.REVERSE).copied == 1
    assert subjects(rig.old, rig.user, "Work") == ["late", "new at UID 2", "one", "two"]


@pytest.mark.parametrize("kind", [PassKind.INITIAL, PassKind.CATCH_UP, PassKind.REVERSE])
def test_a_server_that_does_not_name_uids_is_read_back_by_content(rig, monkeypatch, kind):
    monkeypatch.setattr("migrator.imap.appender._append_uid", lambda status, messages: (None, None))
    mail = {"INBOX": [item("twin"), item("twin"), item("one", "\\Seen")], "Work": [item("two")]}
    if kind is not PassKind.INITIAL:
        rig.run()
    (rig.fill_new if kind is PassKind.REVERSE else rig.fill_old)(mail)
    report = rig.run(kind)
    assert (report.copied, report.unaccounted) == (4, 0)
    verdict = rig.compare()
    assert verdict.clean, str(verdict)
    assert not verdict.extra
    again = rig.run(kind)
    assert (again.copied, again.flags_changed, again.unaccounted) == (0, 0, 0)


def test_a_source_folder_made_anew_does_not_bring_back_what_the_user_deleted(rig):
    mail = [item("one"), item("two")]
    rig.fill_old({"Work": mail})
    rig.run()
    command(rig.new, rig.user, "Work", "UID STORE 1 +FLAGS (\\Deleted)", "UID EXPUNGE 1")
    with rig.old.connect(rig.user) as connection:
        connection.command(b"DELETE Work")
    rig.fill_old({"Work": [*mail, item("late")]})
    assert rig.run(PassKind.CATCH_UP).copied == 1
    assert subjects(rig.new, rig.user, "Work") == ["late", "two"]


def test_the_final_pass_already_goes_through_staging_and_still_carries_flags(rig):
    rig.fill_old({"INBOX": [item("before")]})
    rig.run()
    rig.fill_old({"INBOX": [item("last")]})
    command(rig.old, rig.user, "INBOX", "UID STORE 1 +FLAGS (\\Flagged)")
    rig.new.record_commands()
    report = rig.run(PassKind.FINAL)
    rig.new.record_commands(on=False)
    assert (report.copied, report.flags_changed, report.unaccounted) == (1, 1, 0)
    assert "MOVE" in {one.verb.upper().removeprefix("UID ") for one in rig.new.commands(rig.user)}
    assert rig.compare().clean
    assert folders(rig.new, rig.user) == {"INBOX"}


def test_the_dry_run_of_the_way_back_lists_what_has_arrived_since(rig):
    rig.fill_old({"INBOX": [item("old")], "Work": [item("old too")]})
    rig.run()
    rig.fill_new({"INBOX": [item("new"), item("newer")], "Mine": [item("own")]})
    with rig.job(PassKind.REVERSE) as job:
        plan = preview(job).copy
    assert {pair.source: folder.messages for pair, folder in plan.folders if folder.messages} == {"INBOX": 2, "Mine": 1}
    assert subjects(rig.old, rig.user, "INBOX") == ["old"]
