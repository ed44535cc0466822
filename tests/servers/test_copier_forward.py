"""Passes before the cutover, between two real Dovecot."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import pytest

from migrator.copier import DeletedPolicy, DeletionsPolicy, FolderPolicy, SourceLooksEmpty, TargetTaken, preview
from migrator.copier.forward import ForwardFolder
from migrator.copier.job import FolderChanged
from migrator.copier.lanes import Lane
from migrator.copier.lease import TargetLease
from migrator.imap.errors import OverQuota
from migrator.model.errors import Stopped, Unreachable
from migrator.model.names import FolderName
from migrator.model.order import CopyOrder
from migrator.model.wave import PassKind
from tests.lab import corpus
from tests.lab.corpus import Item
from tests.servers.copier_rig import Rig, item, subjects


@pytest.fixture
def rig(pair, tmp_path) -> Rig:
    return Rig(pair.old, pair.new, pair.user(), tmp_path / "state")


def test_a_mailbox_arrives_whole_and_a_second_pass_finds_nothing_to_do(rig):
    rig.fill_old(corpus.plan(1, per_folder=10))
    first = rig.run(PassKind.INITIAL)
    verdict = rig.compare()
    assert verdict.clean, str(verdict)
    assert not verdict.extra
    assert not verdict.folders_missing
    assert not verdict.unsubscribed
    assert (first.copied, first.source_messages, first.unaccounted) == (120, 120, 0)
    again = rig.run(PassKind.DELTA)
    assert (again.copied, again.flags_changed, again.source_messages, again.unaccounted) == (0, 0, 120, 0)


def test_a_pass_tells_what_has_arrived_on_the_source_meanwhile(rig):
    rig.fill_old({"INBOX": [item("one")], "Work": [item("two")]})
    assert rig.run().behind == 0
    rig.fill_old({"INBOX": [item("three")]})
    planned = rig.progress.planned

    def mail_arrives(*what) -> None:
        planned(*what)
        rig.fill_old({"INBOX": [item("four")], "Work": [item("five")], "New": [item("six"), item("seven")]})

    rig.progress.planned = mail_arrives
    assert rig.run(PassKind.DELTA).behind == 4
    rig.progress.planned = planned
    assert rig.run(PassKind.DELTA).behind == 0
    assert rig.run(PassKind.FINAL).behind is None


@pytest.mark.parametrize("at_once", [2, 20_000])
@pytest.mark.parametrize(("order", "expected"), [(CopyOrder.OLDEST, "abcdefg"), (CopyOrder.NEWEST, "gfedcba")])
def test_messages_arrive_in_the_order_asked_for(rig, monkeypatch, at_once, order, expected):
    monkeypatch.setattr("migrator.copier.forward.CHUNK", at_once)
    monkeypatch.setattr("migrator.copier.plan.BATCH_MESSAGES", 1)
    rig.fill_old({"INBOX": [item(subject) for subject in "abcdefg"], "Work": [item("z")]})
    report = rig.run(order=order, lanes=1)
    assert (report.copied, report.unaccounted) == (8, 0)
    with rig.new.connect(rig.user) as connection:
        connection.examine("INBOX")
        found = connection.fetch("1:*", "UID BODY.PEEK[HEADER.FIELDS (SUBJECT)]")
        texts = [next(value for key, value in one.items() if key.startswith("BODY[")) for one in found]
    assert "".join(text.decode().split()[1] for text in texts) == expected


def test_a_folder_that_is_looked_at_in_parts_comes_across_and_stays_in_step(rig, monkeypatch):
    monkeypatch.setattr("migrator.copier.forward.CHUNK", 3)
    rig.fill_old(corpus.plan(7, per_folder=10))
    first = rig.run()
    assert (first.copied, first.source_messages, first.unaccounted) == (120, 120, 0)
    with rig.old.connect(rig.user) as connection:
        connection.command(b"SELECT INBOX")
        connection.command(b"UID STORE 2 +FLAGS (\\Flagged)")
        connection.command(b"UID STORE 4:5 +FLAGS (\\Deleted)")
        connection.command(b"UID EXPUNGE 4:5")
    rig.fill_old({"INBOX": [item(f"new {number}") for number in range(8)]})
    delta = rig.run(PassKind.DELTA)
    assert (delta.copied, delta.removed, delta.source_messages, delta.unaccounted) == (8, 2, 126, 0)
    assert rig.compare().clean
    assert rig.run(PassKind.DELTA).copied == 0


def test_a_folder_that_is_taken_away_between_two_parts_is_no_reason_to_give_the_mailbox_up(rig, monkeypatch):
    monkeypatch.setattr("migrator.copier.forward.CHUNK", 2)
    rig.fill_old({"INBOX": [item("a")], "Work": [item(f"m {number}") for number in range(5)]})
    plain = ForwardFolder.look_further

    def taken_away(folder: ForwardFolder, lane: Lane, parts: list[tuple[int, int | None]]) -> None:
        lane.source.examine(FolderName("INBOX"))  # as when other folders' mail was copied in between
        with rig.old.connect(rig.user) as connection:
            connection.command(b"DELETE Work")
        plain(folder, lane, parts)

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(ForwardFolder, "look_further", taken_away)
        with pytest.raises(FolderChanged, match="'Work' cannot be opened any more"):
            rig.run(lanes=1)
    assert rig.run().unaccounted == 0
    assert subjects(rig.new, rig.user, "INBOX") == ["a"]


def test_a_delta_brings_new_mail_and_changed_flags_and_keeps_what_the_source_lost_where_asked(rig):
    rig.fill_old({"INBOX": [item("one"), item("two", "\\Seen", "$Work"), item("three")], "Empty": []})
    rig.run()
    with rig.old.connect(rig.user) as connection:
        connection.command(b"SELECT INBOX")
        connection.command(b"UID STORE 1 +FLAGS (\\Flagged $Later)")
        connection.command(b"UID STORE 2 -FLAGS (\\Seen)")
        connection.command(b"UID STORE 3 +FLAGS (\\Deleted)")
        connection.command(b"UID EXPUNGE 3")
    rig.fill_old({"INBOX": [item("four")], "New/Folder": [item("five")]})
    report = rig.run(PassKind.DELTA, folder_policy=FolderPolicy(deletions=DeletionsPolicy.KEEP))
    assert (report.copied, report.flags_changed, report.source_messages, report.unaccounted) == (2, 2, 4, 0)
    verdict = rig.compare()
    assert verdict.clean, str(verdict)
    assert len(verdict.extra) == 1  # message three stays on the target
    assert rig.counts().gone == 1


def test_the_source_is_never_written(pair, tmp_path, make_dovecot):
    user = "readonly@company.test"
    old = make_dovecot("watched", users=[user])
    pair.new.add_user(user)
    rig = Rig(old, pair.new, user, tmp_path / "state")
    rig.fill_old(corpus.plan(2, per_folder=3))
    old.record_commands()
    for kind in (PassKind.INITIAL, PassKind.DELTA, PassKind.FINAL, PassKind.CATCH_UP):
        rig.run(kind)
    commands = old.commands(user)
    assert commands
    assert not [command for command in commands if command.writes]


def test_a_target_that_is_not_empty_is_matched_by_content_and_not_doubled(rig):
    both = [item("one", "\\Seen"), item("twin"), item("twin"), item("three", "work")]
    rig.fill_old({"INBOX": [*both, item("only on the source")]})
    rig.fill_new({"INBOX": [item("three", "work"), item("twin"), item("one"), item("from elsewhere")]})
    report = rig.run()
    assert (report.present, report.copied, report.unaccounted) == (3, 2, 0)
    verdict = rig.compare()
    assert not (verdict.lost or verdict.doubled or verdict.flag_differs), str(verdict)
    assert len(verdict.extra) == 1
    assert rig.run(PassKind.DELTA).copied == 0


@pytest.mark.parametrize("side", ["old", "new"])
def test_a_folder_made_anew_is_matched_by_content_and_nothing_is_copied_twice(rig, side):
    mail = [item(f"message {number}", "\\Seen") for number in range(5)]
    rig.fill_old({"INBOX": [item("rest")], "Work": mail})
    rig.run()
    server = rig.old if side == "old" else rig.new
    with server.connect(rig.user) as connection:
        connection.command(b"DELETE Work")
    more = [item("new one")] if side == "old" else []
    (rig.fill_old if side == "old" else rig.fill_new)({"Work": [*mail[1:], *more]})
    report = rig.run(PassKind.DELTA)
    assert report.unaccounted == 0
    verdict = rig.compare()
    assert not (verdict.lost or verdict.doubled), str(verdict)
    assert len(verdict.extra) == (1 if side == "old" else 0)
    assert rig.run(PassKind.DELTA).copied == 0


def test_canaries_are_recorded_and_never_copied(rig):
    canary = Item(b"Subject: c\r\nX-Migrator-Canary: token-1\r\n\r\n.\r\n", (), "01-Jan-2020 00:00:00 +0000")
    rig.fill_old({"INBOX": [item("mail"), canary, Item(canary.octets.replace(b"-1", b"-2"), (), canary.internaldate)]})
    report = rig.run(canary_tokens=frozenset({"token-1"}))
    assert (report.copied, report.skipped, report.unaccounted) == (2, 1, 0)
    assert subjects(rig.new, rig.user, "INBOX") == ["c", "mail"]
    assert rig.run(PassKind.DELTA, canary_tokens=frozenset({"token-1"})).skipped == 0


def test_deleted_messages_follow_the_policy(rig):
    rig.fill_old({"INBOX": [item("kept"), item("marked", "\\Deleted")]})
    skip = FolderPolicy(deleted=DeletedPolicy.SKIP)
    assert (rig.run(folder_policy=skip).skipped, subjects(rig.new, rig.user, "INBOX")) == (1, ["kept"])
    with rig.old.connect(rig.user) as connection:
        connection.command(b"SELECT INBOX")
        connection.command(b"UID STORE 2 -FLAGS (\\Deleted)")
    assert rig.run(PassKind.DELTA, folder_policy=skip).copied == 1
    assert rig.compare().clean


def test_a_folder_the_target_refuses_fails_alone_and_heals_when_it_is_mapped_elsewhere(make_dovecot, pair, tmp_path):
    user = "dots@company.test"
    old = make_dovecot("mdbox", users=[user], mail_location="mdbox:~/mdbox")
    new = make_dovecot("maildir", users=[user])
    rig = Rig(old, new, user, tmp_path / "state")
    rig.fill_old({"INBOX": [item("one")], "v1.2": [item("two"), item("three")]})
    report = rig.run()
    assert (report.copied, report.failed, report.source_messages, report.unaccounted) == (1, 2, 3, 0)
    assert any("v1.2" in warning for warning in report.warnings)
    assert rig.run(PassKind.DELTA).failed == 2
    healed = rig.run(PassKind.DELTA, folder_policy=FolderPolicy(map={"v1.2": "v1-2"}))
    assert (healed.copied, healed.failed, healed.unaccounted) == (2, 0, 0)
    assert rig.compare(folder_map={"v1.2": "v1-2"}).clean
    assert rig.counts().failed == 0


def test_skipped_folders_are_counted_and_come_across_when_the_operator_changes_his_mind(rig):
    rig.fill_old({"INBOX": [item("one")], "Scratch": [item("two")]})
    report = rig.run(folder_policy=FolderPolicy(skip=frozenset({"Scratch"})))
    assert (report.copied, report.skipped, report.source_messages, report.unaccounted) == (1, 1, 2, 0)
    again = rig.run(PassKind.DELTA)
    assert (again.copied, again.skipped, again.unaccounted) == (1, 0, 0)
    assert rig.compare().clean


def test_two_folders_merge_where_asked(rig):
    rig.fill_old({"A": [item("a"), item("same")], "B": [item("b"), item("same")]})
    policy = FolderPolicy(map={"A": "Both", "B": "Both"}, merge=frozenset({"Both"}))
    assert rig.run(folder_policy=policy).copied == 4
    assert subjects(rig.new, rig.user, "Both") == ["a", "b", "same", "same"]
    assert rig.run(PassKind.DELTA, folder_policy=policy).copied == 0


def test_separators_prefix_and_special_use_are_translated(make_dovecot, tmp_path):
    user = "spaces@company.test"
    old = make_dovecot("dots", users=[user], separator=".", prefix="INBOX.", special_use={"送信済みアイテム": "\\Sent"})
    new = make_dovecot("slashes", users=[user])
    rig = Rig(old, new, user, tmp_path / "state")
    rig.fill_old({"INBOX": [item("one")], "顧客/東京": [item("two")], "送信済みアイテム": [item("three")]})
    rig.fill_new({"Sent": []})
    rig.run()
    assert subjects(new, user, "Sent") == ["three"]
    assert rig.compare(folder_map={"送信済みアイテム": "Sent"}).clean


def test_a_message_that_the_target_refuses_is_skipped_with_its_words_and_the_others_arrive(
    make_dovecot, pair, tmp_path
):
    user = pair.user()
    new = make_dovecot("small", users=[user], max_message="100k")
    rig = Rig(pair.old, new, user, tmp_path / "state")
    big = [item(f"big {n}", "\\Seen", body="x" * 78 + "\r\n" + "y" * 300_000) for n in range(2)]
    small = [item(f"small {n}") for n in range(20)]
    rig.fill_old({"INBOX": [*small[:7], big[0], *small[7:], big[1]]})
    report = rig.run()
    assert (report.copied, report.skipped, report.failed, report.unaccounted) == (20, 2, 0, 0)
    assert subjects(new, user, "INBOX") == sorted(f"small {n}" for n in range(20))
    assert rig.run(PassKind.DELTA).skipped == 0


def test_a_full_target_stops_the_mailbox_with_a_clear_word_and_resumes(make_dovecot, pair, tmp_path):
    user = pair.user()
    new = make_dovecot("full", users=[user], quota="300k")
    rig = Rig(pair.old, new, user, tmp_path / "state")
    rig.fill_old({"INBOX": [item(f"m {n}", body="z" * 5000) for n in range(100)]})
    with pytest.raises(OverQuota) as caught:
        rig.run()
    assert "quota" in caught.value.remedy
    verdict = rig.compare()
    assert not verdict.doubled


def test_a_keyword_that_the_target_refuses_is_a_warning_and_the_message_arrives(make_dovecot, pair, tmp_path):
    user = "keywords@company.test"
    old = make_dovecot("long", users=[user], extra="mail_max_keyword_length = 200")
    rig = Rig(old, make_dovecot("short", users=[user]), user, tmp_path / "state")
    rig.fill_old({"INBOX": [item("long", "\\Seen", "k" * 120), item("plain", "work"), item("third", "\\Flagged")]})
    report = rig.run()
    assert (report.copied, report.skipped, report.failed) == (3, 0, 0)
    assert any("tried without its keywords" in warning for warning in report.warnings)
    assert rig.compare(ignore_flags=["k" * 120]).clean
    with rig.old.connect(user) as connection:
        connection.command(b"SELECT INBOX")
        connection.command(b"UID STORE 2 +FLAGS (" + b"l" * 120 + b" \\Answered)")
    rig.run(PassKind.DELTA)
    assert rig.compare(ignore_flags=["k" * 120, "l" * 120, "work"]).clean


def test_an_empty_message_is_skipped_with_the_reason(make_dovecot, pair, tmp_path):
    user = pair.user()
    rig = Rig(make_dovecot("holes", users=[user]), pair.new, user, tmp_path / "state")
    rig.fill_old({"INBOX": [item("one"), item("two")]})
    maildir = rig.old.directory / "mail" / user / "Maildir"
    (maildir / "new" / "1600000000.M1P1.host").write_bytes(b"")
    report = rig.run()
    assert (report.copied, report.skipped, report.unaccounted) == (2, 1, 0)


def test_hostile_messages_arrive_or_are_named(rig):
    mail = [
        Item(octets, (), "01-Jan-2020 00:00:00 +0000") for octets in (*corpus.real_messages(), *corpus.messages(7, 60))
    ]
    rig.fill_old({"INBOX": mail})
    report = rig.run()
    assert report.unaccounted == 0
    verdict = rig.compare()
    assert not (verdict.lost or verdict.doubled or verdict.flag_differs or verdict.date_differs), str(verdict)
    assert report.copied == report.source_messages


def test_a_source_that_suddenly_looks_empty_is_refused(rig):
    rig.fill_old({"INBOX": [item(f"m {n}") for n in range(12)]})
    rig.run()
    with rig.old.connect(rig.user) as connection:
        connection.command(b"SELECT INBOX")
        connection.command(b"UID STORE 1:* +FLAGS (\\Deleted)")
        connection.command(b"EXPUNGE")
    with pytest.raises(SourceLooksEmpty):
        rig.run(PassKind.DELTA)
    assert len(subjects(rig.new, rig.user, "INBOX")) == 12


def test_another_workspace_on_the_same_mailbox_is_refused_and_a_dead_one_of_ours_is_not(rig):
    rig.fill_old({"INBOX": [item("one")]})
    folder = FolderName("migrator-lease")
    with rig.session("target") as session:
        TargetLease("another-workspace", folder, timedelta(seconds=60)).acquire(session)
    with pytest.raises(TargetTaken, match="another-workspace"):
        rig.run()
    with rig.session("target") as session:
        session.delete(folder)
    with rig.job(PassKind.INITIAL) as job, rig.session("target") as session:
        TargetLease(job.workspace_id, folder, timedelta(seconds=60)).acquire(session)
    assert rig.run().copied == 1
    assert "migrator-lease" not in rig_folders(rig)


def rig_folders(rig: Rig) -> list[str]:
    with rig.new.connect(rig.user) as connection:
        return [folder.name for folder in connection.folders()]


def test_a_large_message_streams_through(rig):
    rig.fill_old({"INBOX": [Item(corpus.large(1, 12 << 20), (), "01-Jan-2020 00:00:00 +0000"), item("small")]})
    assert rig.run().copied == 2
    assert rig.compare().clean


def test_the_dry_run_tells_what_the_pass_would_copy_and_writes_nothing(rig):
    rig.fill_old({"INBOX": [item("one"), item("two")], "Work": [item("three")], "Scratch": [item("four")]})
    policy = FolderPolicy(skip=frozenset({"Scratch"}))
    before = rig_folders(rig)
    with rig.job(PassKind.INITIAL, folder_policy=policy) as job:
        plan = preview(job).copy
    assert (plan.messages, [name for name, _ in plan.left_out], rig_folders(rig)) == (3, ["Scratch"], before)
    assert rig.run(folder_policy=policy).copied == 3
    rig.fill_old({"INBOX": [item("five")]})
    with rig.job(PassKind.DELTA, folder_policy=policy) as job:
        assert {pair.source: folder.messages for pair, folder in preview(job).copy.folders} == {"INBOX": 1, "Work": 0}


def test_a_source_folder_that_cannot_be_opened_is_unaccounted_for_and_the_others_arrive(make_dovecot, pair, tmp_path):
    user = pair.user()
    acl = "mail_plugins = acl\nprotocol imap {\n  mail_plugins = acl imap_acl\n}\nplugin {\n  acl = vfile\n}"
    rig = Rig(make_dovecot("closed", users=[user], extra=acl), pair.new, user, tmp_path / "state")
    rig.fill_old({"INBOX": [item("one")], "Closed": [item("two"), item("three")]})
    with rig.old.connect(user) as connection:
        connection.command(b"SETACL", b"Closed", user.encode(), b"la")
    report = rig.run()
    assert (report.copied, report.unaccounted) == (1, 1)  # the server does not even tell how many
    assert any("Closed" in warning for warning in report.warnings)
    with rig.old.connect(user) as connection:
        connection.command(b"SETACL", b"Closed", user.encode(), b"lrsa")
    assert rig.run(PassKind.DELTA).unaccounted == 0
    assert rig.compare().clean


def test_special_folders_are_made_with_their_use_where_the_target_lacks_them(make_dovecot, tmp_path):
    user = "uses@company.test"
    old = make_dovecot("uses", users=[user], special_use={"書庫": "\\Archive", "Sent": "\\Sent"})
    rig = Rig(old, make_dovecot("useless", users=[user], special_use={}), user, tmp_path / "state")
    rig.fill_old({"書庫": [item("kept")], "Sent": [item("sent")]})
    assert rig.run().copied == 2
    assert rig.compare().clean


class StopAt:
    """Says "now" at the n-th checkpoint."""

    def __init__(self, checkpoint: int) -> None:
        self.left = checkpoint

    def draining(self) -> bool:
        return False

    def now(self) -> bool:
        self.left -= 1
        return self.left < 0


def test_a_stop_at_any_checkpoint_leaves_nothing_doubtful_and_the_next_run_goes_on(rig):
    rig.fill_old({"INBOX": [item(f"m {n}") for n in range(250)], "Work": [item("w")]})
    stopped = 0
    for checkpoint in range(30):
        try:
            rig.run(stop=StopAt(checkpoint))
            break
        except Stopped:
            stopped += 1
            with rig.job(PassKind.INITIAL) as job:
                assert not job.ledger.open_intents(job.mailbox.address)
            assert "migrator-lease" not in rig_folders(rig)
    assert stopped > 3
    verdict = rig.compare()
    assert verdict.clean, str(verdict)
    assert not verdict.extra


def test_a_connection_cut_in_the_middle_of_a_message_stores_no_half_of_it(rig, make_proxy):
    big = Item(corpus.large(3, 8 << 20), (), "01-Jan-2020 00:00:00 +0000")
    rig.fill_old({"INBOX": [item("before"), big, item("after")]})
    proxy = make_proxy((rig.old.host, rig.old.imap_port))
    rig.where["source"] = (proxy.host, proxy.port)

    def cut() -> None:
        while proxy.octets_down < 3 << 20:
            time.sleep(0.001)
        proxy.cut()

    cutter = threading.Thread(target=cut)
    cutter.start()
    with pytest.raises(Unreachable):
        rig.run()
    cutter.join()
    assert rig.run().unaccounted == 0
    verdict = rig.compare()
    assert verdict.clean, str(verdict)
    assert not verdict.extra
