"""One stream a lane, from folder to folder: what that must not cost, between two real Dovecot."""

from __future__ import annotations

import pytest

from migrator.copier import behind
from migrator.copier.forward import ForwardFolder
from migrator.copier.scan import Found
from migrator.imap.errors import ConnectionLost
from migrator.model.errors import Stopped
from migrator.model.names import FolderName
from migrator.model.wave import PassKind
from tests.servers.copier_rig import Rig, item

POOR = "imap_capability = IMAP4rev1"
FOLDERS = ("INBOX", 'Bob "the" man', "Zeta")


@pytest.fixture
def rig(pair, tmp_path) -> Rig:
    return Rig(pair.old, pair.new, pair.user(), tmp_path / "state")


class StopAt:
    """The operator's wish, from the `number`th question on."""

    def __init__(self, number: int) -> None:
        self.left = number

    def draining(self) -> bool:
        return self.left <= 0

    def now(self) -> bool:
        self.left -= 1
        return self.left <= 0


@pytest.fixture
def late_mail(rig, monkeypatch) -> None:
    """Two messages come into INBOX when a pass has done all its work."""
    ask = behind.ask

    def late(shared) -> bool:
        rig.fill_old({"INBOX": [item("late"), item("later")]})
        return ask(shared)

    monkeypatch.setattr(behind, "ask", late)


def test_what_comes_into_the_folder_that_is_still_open_is_known_to_have_come(rig, late_mail):
    rig.fill_old({"INBOX": [item(f"m {number}") for number in range(30)]})
    assert rig.run(lanes=1).behind == 2


def test_also_when_it_was_opened_to_ask_whether_messages_are_gone(rig, monkeypatch, request):
    rig.fill_old({"INBOX": [item(f"m {number}") for number in range(30)]})
    rig.run()
    with rig.old.connect(rig.user) as connection:
        connection.command(b"SELECT INBOX")
        connection.command(b"UID STORE 4 +FLAGS (\\Deleted)")
        connection.command(b"UID EXPUNGE 4")
    request.getfixturevalue("late_mail")
    report = rig.run(PassKind.DELTA)
    assert (report.removed, report.behind) == (1, 2)


@pytest.mark.parametrize("lanes", [1, 3])
def test_names_that_must_be_asked_for_hold_no_message_back(make_dovecot, tmp_path, monkeypatch, lanes):
    monkeypatch.setattr("migrator.copier.lanes.ENOUGH", 1)
    user = "poor@company.test"
    old, new = (make_dovecot(name, users=[user], extra=POOR) for name in ("oldpoor", "newpoor"))
    rig = Rig(old, new, user, tmp_path / "state")
    rig.fill_old({name: [item(f"{name[0]} {number}") for number in range(30)] for name in FOLDERS})
    report = rig.run(lanes=lanes)
    assert (report.copied, report.failed, report.unaccounted) == (90, 0, 0)
    assert rig.compare().clean


def test_a_look_at_many_folders_is_whole_where_a_name_must_be_asked_for(make_dovecot, tmp_path):
    user = "poor@company.test"
    old = make_dovecot("oldpoor", users=[user], extra=POOR)
    rig = Rig(old, old, user, tmp_path / "state")
    rig.fill_old({name: [item(f"{name[0]} {number}") for number in range(3)] for name in FOLDERS})
    session = rig.session("source")
    found = session.glance([(FolderName(name), [1, 2, 3]) for name in FOLDERS])
    session.close()
    assert [sorted(one.messages) for one in found] == [[1, 2, 3]] * 3


def test_where_the_target_names_no_uids_they_are_learnt_on_the_way(rig, monkeypatch):
    monkeypatch.setattr("migrator.copier.plan.BATCH_MESSAGES", 2)
    monkeypatch.setattr("migrator.imap.appender._append_uid", lambda status, messages: (None, None))
    rig.fill_old({"INBOX": [item(f"m {number}") for number in range(120)], "Zeta": [item("z")]})
    open_at_once: list[int] = []
    told = rig.progress.copied

    def copied(*what) -> None:
        open_at_once.append(what[1])
        told(*what)

    rig.progress.copied = copied
    report = rig.run(lanes=1)
    assert (report.copied, report.failed, report.unaccounted) == (121, 0, 0)
    assert max(open_at_once) < 80, "some are in the ledger before the last is sent"
    assert rig.compare().clean


def test_folders_that_are_through_when_a_pass_is_stopped_are_not_looked_into_again(rig, monkeypatch):
    monkeypatch.setattr("migrator.copier.plan.BATCH_MESSAGES", 5)
    monkeypatch.setattr("migrator.copier.direct.INTENTS_OCTETS", 1)
    rig.fill_old({f"F{number:02}": [item(f"m {n}") for n in range(10)] for number in range(12)})
    with pytest.raises(Stopped):
        rig.run(stop=StopAt(30), lanes=1)
    with rig.job(PassKind.INITIAL) as job:
        through = [record for record in job.ledger.folders(job.mailbox.address) if record.source_messages]
        copied = job.ledger.counts(job.mailbox.address).copied
    assert 20 < copied < 120
    assert copied // 10 - 2 <= len(through) <= copied // 10
    assert rig.run().copied == 120 - copied
    assert rig.compare().clean


def test_a_first_pass_that_was_stopped_goes_on_in_parts(rig, monkeypatch):
    monkeypatch.setattr("migrator.copier.looks.CHUNK", 7)
    monkeypatch.setattr("migrator.copier.forward.CHUNK", 7)
    monkeypatch.setattr("migrator.copier.plan.BATCH_MESSAGES", 5)
    rig.fill_old({"INBOX": [item(f"m {number}") for number in range(60)]})
    with pytest.raises(Stopped):
        rig.run(stop=StopAt(8), lanes=1)
    start, sizes = ForwardFolder._start, list[int]()

    def counted(folder: ForwardFolder, lane, found: Found):
        sizes.append(len(found.messages))
        return start(folder, lane, found)

    monkeypatch.setattr(ForwardFolder, "_start", counted)
    assert rig.run().unaccounted == 0
    assert max(sizes) <= 7
    assert rig.compare().clean


def test_a_pass_that_cannot_tell_how_far_behind_it_is_has_come_to_its_end_all_the_same(rig, monkeypatch):
    def lost(shared) -> None:
        raise ConnectionLost("the source went away", during="LIST")

    monkeypatch.setattr(behind, "tell", lost)
    rig.fill_old({"INBOX": [item("one")]})
    report = rig.run()
    assert (report.copied, report.behind, report.unaccounted) == (1, None, 0)
