"""Two workspaces on one mailbox: the lease mailbox on the target lets one of them work at a time."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest

from migrator.copier import TargetLeaseLost, TargetTaken
from migrator.copier.job import FolderChanged
from migrator.copier.lease import TargetLease
from migrator.model.errors import Transient
from migrator.model.names import FolderName
from migrator.model.wave import PassKind
from tests.servers.copier_rig import Rig, item

FOLDER = FolderName("migrator-lease")
ROUNDS = 25


@pytest.fixture
def rig(pair, tmp_path) -> Rig:
    return Rig(pair.old, pair.new, pair.user(), tmp_path / "one")


def test_of_two_that_race_for_the_lease_one_has_it(rig):
    start = Barrier(2)

    def compete(name: str) -> bool:
        with rig.session("target") as session:
            lease = TargetLease(name, FOLDER, timedelta(seconds=60))
            start.wait()
            try:
                lease.acquire(session)
            except TargetTaken:
                return False
            finally:
                start.wait()  # nobody gives it back before both have tried
            lease.release(session)
            return True

    with ThreadPoolExecutor(2) as threads:
        for _ in range(ROUNDS):
            assert sorted(threads.map(compete, ("one", "two"))) == [False, True]


def test_two_workspaces_that_copy_the_same_mailbox_double_nothing(pair, tmp_path):
    taken = 0
    for number in range(ROUNDS):
        user = pair.user()
        rigs = [Rig(pair.old, pair.new, user, tmp_path / f"{number}-{name}") for name in ("one", "two")]
        rigs[0].fill_old({"INBOX": [item(f"m {n}") for n in range(20)], "Work": [item("twin"), item("twin")]})

        def work(rig: Rig) -> bool:
            try:
                rig.run(PassKind.INITIAL)
            except TargetTaken:
                return False
            except Transient:  # its holder gave the lease mailbox back while it was read: passes are tried again
                return work(rig)
            return True

        with ThreadPoolExecutor(2) as threads:
            won = list(threads.map(work, rigs))
        taken += not all(won)
        assert any(won)
        verdict = rigs[0].compare()
        assert verdict.clean, str(verdict)
        assert not verdict.extra
    assert taken > 0


def test_the_lease_of_a_dead_workspace_ends_by_itself_and_what_it_left_is_not_doubled(rig, tmp_path):
    rig.fill_old({"INBOX": [item("one"), item("two")]})
    rig.run()
    with rig.session("target") as session:
        TargetLease("dead", FOLDER, timedelta(seconds=1.5)).acquire(session)
    other = Rig(rig.old, rig.new, rig.user, tmp_path / "two")
    with pytest.raises(TargetTaken):
        other.run()
    time.sleep(1.6)
    report = other.run()
    assert (report.present, report.copied) == (2, 0)


def test_a_holder_that_was_overtaken_is_told_when_it_renews(rig):
    with rig.session("target") as one, rig.session("target") as two:
        slow = TargetLease("slow", FOLDER, timedelta(seconds=0.2))
        slow.acquire(one)
        slow.renew(one)
        time.sleep(0.3)
        quick = TargetLease("quick", FOLDER, timedelta(seconds=60))
        quick.acquire(two)
        with pytest.raises(TargetLeaseLost):
            slow.renew(one)
        slow.release(one)  # too late to delete what is another's
        quick.renew(two)
        one.unselect()
        quick.release(two)


def test_a_candidate_whose_holder_lets_go_while_it_gives_way_may_try_again(rig, monkeypatch):
    with rig.session("target") as one, rig.session("target") as two:
        holder = TargetLease("holder", FOLDER, timedelta(seconds=60))
        holder.acquire(one)
        store = two.store

        def let_go_first(*arguments):
            holder.release(one)
            store(*arguments)

        monkeypatch.setattr(two, "store", let_go_first)
        with pytest.raises(FolderChanged):
            TargetLease("candidate", FOLDER, timedelta(seconds=60)).acquire(two)
    with rig.session("target") as again:
        TargetLease("candidate", FOLDER, timedelta(seconds=60)).acquire(again)


def test_the_folders_that_come_with_the_lease_are_those_that_its_last_holder_left(rig):
    with rig.session("target") as one, rig.session("target") as two:
        two.folders()  # as a pass does that first looks without the lease
        for number in range(5):
            holder, next_one = (TargetLease(name, FOLDER, timedelta(seconds=60)) for name in ("holder", "next"))
            holder.acquire(one)
            one.create(FolderName(f"made {number}"))
            holder.release(one)
            next_one.acquire(two)
            assert f"made {number}" in [folder.name for folder in two.folders()]
            next_one.release(two)


def test_what_another_workspace_copied_while_we_waited_for_the_lease_is_not_doubled(rig, tmp_path, monkeypatch):
    rig.fill_old({"Work": [item("one"), item("two")]})
    other, acquire = Rig(rig.old, rig.new, rig.user, tmp_path / "two"), TargetLease.acquire

    def acquire_late(lease, session):
        monkeypatch.setattr(TargetLease, "acquire", acquire)
        other.run()
        acquire(lease, session)

    monkeypatch.setattr(TargetLease, "acquire", acquire_late)
    report = rig.run()
    assert (report.present, report.copied) == (2, 0)


def test_two_workspaces_that_carry_new_mail_in_turn_double_nothing(rig, tmp_path):
    other = Rig(rig.old, rig.new, rig.user, tmp_path / "two")
    for number in range(3):
        rig.fill_old({"INBOX": [item(f"m {number}")]})
        for one in (rig, other):
            one.run(PassKind.DELTA)
    verdict = rig.compare()
    assert verdict.clean, str(verdict)
    assert other.counts().present == 3


def test_a_lease_survives_the_late_delete_of_a_dead_run_of_ours(rig):
    with rig.session("target") as session:
        lease = TargetLease("ours", FOLDER, timedelta(seconds=60))
        lease.acquire(session)
        session.delete(FOLDER)
        lease.renew(session)
        with rig.session("target") as other, pytest.raises(TargetTaken):
            TargetLease("other", FOLDER, timedelta(seconds=60)).acquire(other)


def test_a_long_pass_keeps_its_lease(rig, make_proxy):
    rig.fill_old({f"folder {n}": [item(f"m {n}")] for n in range(12)})
    proxy = make_proxy((rig.new.host, rig.new.imap_port), delay_up=0.03)
    rig.where["target"] = (proxy.host, proxy.port)
    report = rig.run(target_lease=timedelta(seconds=1.5))
    assert (report.copied, report.unaccounted) == (12, 0)
