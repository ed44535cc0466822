"""Flags and removals of many folders at once: what they cost on the wire, and folders made anew in between."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from migrator.copier import CopyJob, DeletionsPolicy, FolderPolicy
from migrator.copier.flags import set_flags
from migrator.copier.job import FolderChanged
from migrator.copier.lanes import Lane, Lanes
from migrator.copier.looks import Looks
from migrator.copier.mirror import judge
from migrator.copier.plan import SetFlags
from migrator.copier.removal import remove_gone
from migrator.copier.snapshot import list_both
from migrator.copier.tally import Tally
from migrator.copier.work import FolderWork, Pass
from migrator.imap import Session
from migrator.imap.channel import Channel
from migrator.model.message import Flags
from migrator.model.wave import PassKind
from migrator.state.records import Direction
from tests.lab.dovecot import Dovecot
from tests.lab.proxy import DelayProxy
from tests.servers.copier_rig import Rig, item, subjects

MAIL = [item(f"m {number}", *["\\Seen"] * (number % 2)) for number in range(6)]
KEEP = FolderPolicy(deletions=DeletionsPolicy.KEEP)
SEEN, WORK = frozenset({"\\Seen"}), frozenset({"\\Flagged", "work"})
BARE = "imap_capability = IMAP4rev1 LITERAL+ UIDPLUS UNSELECT"


@pytest.fixture
def rig(pair, tmp_path) -> Rig:
    return Rig(pair.old, pair.new, pair.user(), tmp_path / "state")


@contextmanager
def passing(rig: Rig) -> Iterator[Pass]:
    """A delta pass that has listed both sides, and does what the test wants."""
    with rig.job(PassKind.DELTA) as job:
        lanes = Lanes(job)
        try:
            yield Pass(job, lanes, Tally(job), list_both(lanes.first))
        finally:
            lanes.first.close()


def works(job: CopyJob) -> list[FolderWork]:
    records = [one for one in job.ledger.folders(job.mailbox.address) if one.source_messages]
    return [FolderWork(one, Direction.FORWARD, one.target_uidvalidity, 100) for one in records]


def marks(works: list[FolderWork], *flags: Flags) -> list[tuple[FolderWork, list[SetFlags]]]:
    """Message n of each folder gets the n-th of `flags`."""
    return [(work, [SetFlags(uid, uid, each) for uid, each in enumerate(flags, 1)]) for work in works]


def flags_in(server: Dovecot, user: str, folder: str) -> dict[int, Flags]:
    with server.connect(user) as connection:
        connection.examine(folder)
        found: list[Any] = list(connection.fetch("1:*", "UID FLAGS"))
    return {int(one["UID"]): frozenset(flag.decode() for flag in one["FLAGS"]) - {"\\Recent"} for one in found}


def delete(server: Dovecot, user: str, folder: str, uids: bytes) -> None:
    with server.connect(user) as connection:
        connection.command(b"SELECT", folder.encode())
        connection.command(b"UID STORE", uids, b"+FLAGS (\\Deleted)")
        connection.command(b"UID EXPUNGE", uids)


def strangers(rig: Rig, folder: str) -> None:
    """Another folder takes the place of this one on the target, with messages under the same UIDs."""
    with rig.new.connect(rig.user) as connection:
        connection.command(b"DELETE", folder.encode())
    own = [("\\Seen", "theirs"), ("\\Deleted", "\\Flagged"), (), ("\\Answered",)]
    rig.fill_new({folder: [item(f"stranger {number}", *flags) for number, flags in enumerate(own, 1)]})


STRANGERS = {
    1: frozenset({"\\Seen", "theirs"}),
    2: frozenset({"\\Deleted", "\\Flagged"}),
    3: frozenset(),
    4: frozenset({"\\Answered"}),
}


class Before:
    """Does something once, before the first call of a method of Session."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, method: str, do: Callable[[], None]) -> None:
        self.plain, self.todo = getattr(Session, method), [do]
        monkeypatch.setattr(Session, method, lambda *arguments: self(*arguments))

    def __call__(self, *arguments: object) -> object:
        while self.todo:
            self.todo.pop()()
        return self.plain(*arguments)


@pytest.mark.parametrize("folders", [1, 10])
def test_flags_cost_two_round_trips_and_removals_four_however_many_folders_there_are(rig, folders):
    names = ["INBOX", *(f"Folder-{number}" for number in range(1, folders))]
    rig.fill_old(dict.fromkeys(names, MAIL))
    rig.run()
    for name in names:
        delete(rig.old, rig.user, name, b"2,4")
    rig.run(PassKind.DELTA, folder_policy=KEEP)  # the ledger knows what has gone
    with (
        DelayProxy((rig.old.host, rig.old.imap_port)) as source,
        DelayProxy((rig.new.host, rig.new.imap_port)) as target,
    ):
        rig.where = {"source": (source.host, source.port), "target": (target.host, target.port)}

        def cost(work: Callable[[], None]) -> tuple[int, int]:
            before = source.counts(), target.counts()
            work()
            now = source.counts(), target.counts()
            return now[0].since(before[0]).round_trips, now[1].since(before[1]).round_trips

        with passing(rig) as shared:
            changes = marks(works(shared.job), WORK, frozenset(), SEEN)
            assert cost(lambda: set_flags(shared, shared.lanes.first, changes)) == (0, 2)
            assert cost(lambda: remove_gone(shared)) == (1, 3)
            report = shared.tally.report()
    assert (report.flags_changed, report.removed) == (3 * folders, 2 * folders)
    for name in names:
        now = flags_in(rig.new, rig.user, name)
        assert (sorted(now), now[1], now[3]) == ([1, 3, 5, 6], WORK, SEEN)


def test_a_great_many_changes_go_in_several_bursts_and_none_is_forgotten(rig, monkeypatch):
    monkeypatch.setattr("migrator.copier.flags.BURST", 4)
    rig.fill_old(dict.fromkeys(("A", "B", "C"), MAIL))
    rig.run()
    with passing(rig) as shared:
        set_flags(shared, shared.lanes.first, marks(works(shared.job), *[WORK] * 5))
        ids = {str(work.record.source_name): work.record.id for work in works(shared.job)}
        noted = {name: [row.flags for row in shared.job.ledger.rows(ids[name])] for name in "ABC"}
    assert shared.tally.report().flags_changed == 15
    assert noted == dict.fromkeys("ABC", [WORK] * 5 + [SEEN])
    assert [list(flags_in(rig.new, rig.user, name).values()) for name in "ABC"] == [[WORK] * 5 + [SEEN]] * 3


def test_keywords_that_are_refused_in_one_folder_are_left_out_there_alone(rig):
    rig.fill_old({"A": MAIL, "B": MAIL})
    rig.run()
    refused = SEEN | {"k" * 101}  # Dovecot takes 100
    with passing(rig) as shared:
        one, two = works(shared.job)
        parts = [(one, [SetFlags(1, 1, refused), SetFlags(2, 2, WORK)]), (two, [SetFlags(1, 1, WORK)])]
        set_flags(shared, shared.lanes.first, parts)
        assert shared.job.ledger.rows_of(one.record.id, [1])[1].flags == SEEN
    report = shared.tally.report()
    assert report.flags_changed == 3
    assert [text.startswith("A: keywords refused") for text in report.warnings] == [True]
    assert flags_in(rig.new, rig.user, "A")[1] == SEEN
    assert (flags_in(rig.new, rig.user, "A")[2], flags_in(rig.new, rig.user, "B")[1]) == (WORK, WORK)


def test_flags_of_a_folder_made_anew_before_the_look_are_left_alone(rig):
    rig.fill_old({"A": MAIL, "Work": MAIL})
    rig.run()
    with passing(rig) as shared:
        changes = marks(works(shared.job), WORK, SEEN)
        strangers(rig, "Work")
        with pytest.raises(FolderChanged, match="Work"):
            set_flags(shared, shared.lanes.first, changes)
    assert flags_in(rig.new, rig.user, "Work") == STRANGERS
    assert flags_in(rig.new, rig.user, "A")[1] == frozenset()


def test_flags_that_hit_a_folder_made_anew_after_the_look_are_put_back(rig, monkeypatch):
    rig.fill_old({"A": MAIL, "Work": MAIL, "Z": MAIL})
    rig.run()
    with passing(rig) as shared:
        named = {str(work.record.source_name): work for work in works(shared.job)}
        Before(monkeypatch, "store_in", lambda: strangers(rig, "Work"))
        with pytest.raises(FolderChanged, match="Work"):
            set_flags(shared, shared.lanes.first, marks(list(named.values()), WORK, SEEN, frozenset({"\\Deleted"})))
        rows = {name: shared.job.ledger.rows_of(named[name].record.id, [1])[1].flags for name in ("A", "Work", "Z")}
    assert flags_in(rig.new, rig.user, "Work") == STRANGERS
    assert flags_in(rig.new, rig.user, "A")[1] == flags_in(rig.new, rig.user, "Z")[1] == WORK
    assert rows == {"A": WORK, "Work": frozenset(), "Z": WORK}, "the ledger knows what was done"


def test_marks_that_hit_a_folder_made_anew_after_the_look_are_taken_back_and_nothing_of_it_goes(rig, monkeypatch):
    rig.fill_old({"A": MAIL, "Work": MAIL, "Z": MAIL})
    rig.run()
    for name in ("A", "Work", "Z"):
        delete(rig.old, rig.user, name, b"1:3")
    with rig.new.connect(
        rig.user
    ) as connection:  # higher MODSEQs than the strangers', which CONDSTORE would leave alone
        connection.command(b"SELECT Work")
        for sign in [b"+", b"-"] * 20:
            connection.command(b"UID STORE 1:3", sign + b"FLAGS (\\Draft)")
    Before(monkeypatch, "store_in", lambda: strangers(rig, "Work"))
    report = rig.run(PassKind.DELTA)
    assert report.removed == 6
    assert any(text.startswith("Work: made anew") and "nothing was removed" in text for text in report.warnings)
    assert flags_in(rig.new, rig.user, "Work") == STRANGERS
    for name in ("A", "Z"):
        assert subjects(rig.new, rig.user, name) == ["m 3", "m 4", "m 5"]
    again = rig.run(PassKind.DELTA)
    assert (again.removed, again.unaccounted) == (0, 0)
    assert set(subjects(rig.new, rig.user, "Work")) > {"stranger 1", "stranger 2", "stranger 3", "stranger 4"}


def test_a_folder_made_anew_after_the_mark_is_told_and_the_others_are_through(rig, monkeypatch):
    rig.fill_old({"A": MAIL, "Work": MAIL, "Z": MAIL})
    rig.run()
    for name in ("A", "Work", "Z"):
        delete(rig.old, rig.user, name, b"1,3")
    Before(monkeypatch, "expunge_in", lambda: strangers(rig, "Work"))
    report = rig.run(PassKind.DELTA)
    assert report.removed == 4
    assert any(text.startswith("Work: made anew") and "(UIDs 1, 3)" in text for text in report.warnings)
    assert flags_in(rig.new, rig.user, "Work") == STRANGERS
    assert rig.run(PassKind.DELTA).removed == 0


def test_without_condstore_what_somebody_touches_between_the_look_and_the_mark_stays_too(
    make_dovecot, pair, tmp_path, monkeypatch
):
    user = pair.user()
    rig = Rig(pair.old, make_dovecot("bare", users=[user], extra=BARE), user, tmp_path / "state")
    rig.fill_old({"INBOX": MAIL, "Work": MAIL})
    rig.run()
    delete(rig.old, user, "INBOX", b"1:3")
    delete(rig.old, user, "Work", b"1")

    def meanwhile(*arguments):
        with rig.new.connect(user) as connection:
            connection.command(b"SELECT INBOX")
            connection.command(b"UID STORE 1 +FLAGS (\\Answered)")
            connection.command(b"UID STORE 3 +FLAGS (\\Deleted)")
        return judge(*arguments)

    monkeypatch.setattr("migrator.copier.take_out.judge", meanwhile)
    report = rig.run(PassKind.DELTA)
    assert report.removed == 2
    assert any(text.startswith("INBOX: 2 messages gone") for text in report.warnings)
    now = flags_in(rig.new, user, "INBOX")
    assert now[1] == {"\\Answered"}, "our mark is gone"
    assert now[3] == {"\\Deleted"}, "theirs is there"
    assert sorted(now) == [1, 3, 4, 5, 6]


def test_a_folder_that_lets_nothing_be_removed_holds_nothing_up_and_keeps_its_own_marks(rig, monkeypatch):
    """UID 2 was marked \\Deleted by its user before it was copied, and went from the source."""
    rig.fill_old({"A": MAIL, "Work": [MAIL[0], item("marked", "\\Deleted"), *MAIL[2:]], "Z": MAIL})
    rig.run()
    for name in ("A", "Work", "Z"):
        delete(rig.old, rig.user, name, b"1:2")
    plain, folder = Channel.start, [b""]

    def refused(channel: Channel, *words: bytes):
        """The server refuses EXPUNGE in Work, as far as we can make it."""
        folder[:] = [words[1]] if words[0] == b"SELECT" else folder
        if words[0] == b"UID EXPUNGE" and folder == [b'"Work"']:
            words = (b"UID EXPUNGE", b"no-uids")
        return plain(channel, *words)

    with monkeypatch.context() as patched:
        patched.setattr(Channel, "start", refused)
        report = rig.run(PassKind.DELTA)
    assert report.removed == 4
    assert [text.startswith("Work: messages gone from the source stay") for text in report.warnings] == [True]
    now = flags_in(rig.new, rig.user, "Work")
    assert not now[1]
    assert now[2] == {"\\Deleted"}
    assert rig.run(PassKind.DELTA).removed == 2, "when it lets us again"


def test_new_mail_that_comes_between_the_list_and_the_looks_takes_no_changed_flags_along(rig, monkeypatch):
    rig.fill_old({"INBOX": MAIL, "One": MAIL, "Two": MAIL})
    rig.run()
    for name in ("One", "Two"):
        with rig.old.connect(rig.user) as connection:
            connection.command(b"SELECT", name.encode())
            connection.command(b"UID STORE 2,4 +FLAGS (\\Flagged)")
    plain, todo = Looks.ask_source, [lambda: rig.fill_old({"One": [item("late")]})]

    def late(looks: Looks, lane: Lane) -> None:
        while todo:
            todo.pop()()
        plain(looks, lane)

    monkeypatch.setattr(Looks, "ask_source", late)
    rig.run(PassKind.DELTA)
    assert rig.compare().clean, str(rig.compare())
