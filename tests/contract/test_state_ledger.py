"""The ledger, on SQLite and on PostgreSQL."""

from __future__ import annotations

from dataclasses import replace

import pytest

from migrator.model.message import Grade, Mirrored, Outcome
from migrator.model.names import Address, FolderName
from migrator.state import (
    Counts,
    Direction,
    FolderRecord,
    IntentKind,
    Lease,
    NewIntent,
    NotCarried,
    Settled,
    Staged,
    Store,
)
from migrator.state.errors import IntentUnknown, LeaseLost
from migrator.state.records import GoneCounts
from tests.contract.state_stores import ME, SAKURA, TTL, row


def intent(folder: FolderRecord, *uids: int, kind: IntentKind = IntentKind.DIRECT) -> NewIntent:
    return NewIntent(folder.id, kind, Direction.FORWARD, uidvalidity=7, uidnext=1001, uids=uids)


def test_a_folder_gets_an_id_and_keeps_it(store: Store, lease: Lease, folder: FolderRecord) -> None:
    assert folder.id > 0
    known = replace(folder, source_uidnext=2**32 - 1, source_modseq=2**62, source_messages=5, gone=True)
    store.ledger.put_folder(known, lease)
    assert store.ledger.folders(SAKURA) == (known,)


def test_a_folder_put_twice_without_an_id_is_one_folder(store: Store, lease: Lease, folder: FolderRecord) -> None:
    again = store.ledger.put_folder(replace(folder, id=0, target_name=FolderName("Posteingang")), lease)
    assert again.id == folder.id
    assert store.ledger.folders(SAKURA) == (again,)


def test_many_folders_are_put_at_once_in_their_order(store: Store, lease: Lease, folder: FolderRecord) -> None:
    sent, drafts = (replace(folder, id=0, source_name=FolderName(name)) for name in ("Sent", "Drafts"))
    known = store.ledger.put_folder(drafts, lease)
    put = store.ledger.put_folders([sent, replace(folder, source_uidnext=9), replace(drafts, gone=True)], lease)
    assert [(one.source_name, one.source_uidnext, one.gone) for one in put] == [
        ("Sent", 0, False),
        ("INBOX", 9, False),
        ("Drafts", 0, True),
    ]
    assert (put[1].id, put[2].id) == (folder.id, known.id)
    assert store.ledger.folders(SAKURA) == (put[2], put[1], put[0])
    assert store.ledger.put_folders([], lease) == ()


def test_a_folder_with_an_id_can_take_another_name(store: Store, lease: Lease, folder: FolderRecord) -> None:
    renamed = replace(folder, source_name=FolderName("Archive"))
    assert store.ledger.put_folder(renamed, lease) == renamed
    assert store.ledger.folders(SAKURA) == (renamed,)


def test_folder_names_that_differ_in_case_or_composition_are_different(store: Store, lease: Lease) -> None:
    names = ["Foo", "foo", "caf\u00e9", "cafe\u0301", "下書き"]
    for name in names:
        store.ledger.put_folder(FolderRecord(0, SAKURA, FolderName(name), FolderName(name)), lease)
    assert {found.source_name for found in store.ledger.folders(SAKURA)} == set(names)


def test_rows_come_back_as_they_went_in_by_uid(store: Store, lease: Lease, folder: FolderRecord) -> None:
    rows = [
        row(2**32 - 1, flags=frozenset({"\\Seen", "\\Answered", "$Forwarded", "仕事"}), grade=Grade.L2),
        row(1, Outcome.SKIPPED, digest=b"", reason="refused: 不正なヘッダー", size=2**33),
        row(2, Outcome.FAILED, flags=frozenset(), reason="truncated", gone=True),
        row(3, Outcome.PRESENT, grade=Grade.L0),
    ]
    store.ledger.commit(lease, rows=[(folder.id, one) for one in rows])
    assert store.ledger.rows(folder.id) == sorted(rows, key=lambda one: one.source_uid)


def test_a_row_replaces_the_earlier_one_of_its_message(store: Store, lease: Lease, folder: FolderRecord) -> None:
    store.ledger.commit(lease, rows=[(folder.id, row(5, Outcome.FAILED, reason="over quota"))])
    store.ledger.commit(lease, rows=[(folder.id, row(5))])
    assert store.ledger.rows(folder.id) == [row(5)]


def test_a_part_of_a_folder_s_rows_is_read_by_uid(store: Store, lease: Lease, folder: FolderRecord) -> None:
    other = store.ledger.put_folder(replace(folder, id=0, source_name=FolderName("Sent")), lease)
    uids = [*range(1, 2500, 2), 2**32 - 1]
    rows = [(folder.id, row(uid, gone=uid == 7)) for uid in uids]
    store.ledger.commit(lease, rows=[*rows, (other.id, row(6))])
    assert store.ledger.rows_of(folder.id, [9, 6, 7]) == {7: row(7, gone=True), 9: row(9)}
    assert list(store.ledger.rows_of(folder.id, range(2600))) == uids[:-1], "more UIDs than one statement takes"
    assert store.ledger.rows_of(folder.id, []) == {}


def test_the_uids_in_use_on_the_target_are_read_without_their_rows(
    store: Store, lease: Lease, folder: FolderRecord
) -> None:
    other = store.ledger.put_folder(replace(folder, id=0, source_name=FolderName("Sent")), lease)
    rows = [row(9, target_uid=3), row(2, target_uid=2**32 - 1, gone=True), row(3, Outcome.FAILED, reason="over quota")]
    store.ledger.commit(lease, rows=[*((folder.id, one) for one in rows), (other.id, row(1, target_uid=7))])
    assert list(store.ledger.target_uids(folder.id)) == [3, 2**32 - 1]


def test_an_intent_is_open_until_its_rows_are_in(store: Store, lease: Lease, folder: FolderRecord) -> None:
    first, second = store.ledger.commit(lease, intents=[intent(folder, 9, 1, 2, 3), intent(folder, 4)])
    opened = store.ledger.open_intents(SAKURA)
    assert [(one.id, one.uids, one.open, one.doubtful) for one in opened] == [
        (first, (9, 1, 2, 3), True, False),
        (second, (4,), True, False),
    ]
    assert (opened[0].folder_id, opened[0].uidvalidity, opened[0].uidnext) == (folder.id, 7, 1001)

    store.ledger.commit(lease, settled=[Settled(first, (row(1), row(9)))], intents=[intent(folder, 5)])
    assert [one.uids for one in store.ledger.open_intents(SAKURA)] == [(4,), (5,)]
    assert [one.source_uid for one in store.ledger.rows(folder.id)] == [1, 9]


def test_an_intent_id_is_never_used_again(store: Store, lease: Lease, folder: FolderRecord) -> None:
    (first,) = store.ledger.commit(lease, intents=[intent(folder, 1)])
    (second,) = store.ledger.commit(lease, settled=[Settled(first)], intents=[intent(folder, 2)])
    assert second > first


def test_settling_an_intent_twice_is_refused_and_writes_nothing(
    store: Store, lease: Lease, folder: FolderRecord
) -> None:
    (done,) = store.ledger.commit(lease, intents=[intent(folder, 1)])
    store.ledger.commit(lease, settled=[Settled(done)])
    with pytest.raises(IntentUnknown):
        store.ledger.commit(lease, settled=[Settled(done, (row(1),))], rows=[(folder.id, row(2))])
    assert store.ledger.rows(folder.id) == []


def test_a_doubtful_intent_is_remembered_after_it_is_settled(store: Store, lease: Lease, folder: FolderRecord) -> None:
    sure, doubtful = store.ledger.commit(lease, intents=[intent(folder, 1), intent(folder, 2, 3)])
    store.ledger.mark_doubtful([doubtful], lease)
    assert [one.open for one in store.ledger.doubtful_intents(SAKURA)] == [True]
    store.ledger.commit(lease, settled=[Settled(sure), Settled(doubtful, (row(2),))])
    assert store.ledger.open_intents(SAKURA) == ()
    (kept,) = store.ledger.doubtful_intents(SAKURA)
    assert (kept.id, kept.uids, kept.open) == (doubtful, (2, 3), False)
    with pytest.raises(IntentUnknown):
        store.ledger.commit(lease, settled=[Settled(doubtful)])


def test_what_is_staged_is_journalled_until_the_intent_is_settled(
    store: Store, lease: Lease, folder: FolderRecord
) -> None:
    plain, doubtful = store.ledger.commit(
        lease, intents=[intent(folder, 1, kind=IntentKind.STAGED), intent(folder, 2, kind=IntentKind.STAGED)]
    )
    store.ledger.stage(plain, [Staged(1, 31, b"a" * 16), Staged(2, 30, b"b" * 16)], lease)
    store.ledger.stage(plain, [Staged(1, 32, b"a" * 16)], lease)
    store.ledger.stage(doubtful, [Staged(2, 33, b"c" * 16)], lease)
    store.ledger.mark_doubtful([doubtful], lease)
    assert store.ledger.staged(plain) == (Staged(2, 30, b"b" * 16), Staged(1, 32, b"a" * 16))

    store.ledger.commit(lease, settled=[Settled(plain), Settled(doubtful)])
    assert store.ledger.staged(plain) == store.ledger.staged(doubtful) == ()


def test_a_dropped_folder_takes_its_rows_and_intents_with_it(store: Store, lease: Lease, folder: FolderRecord) -> None:
    (opened,) = store.ledger.commit(lease, intents=[intent(folder, 1)], rows=[(folder.id, row(2))])
    store.ledger.stage(opened, [Staged(1, 31, b"a" * 16)], lease)
    store.ledger.drop_folder(folder.id, lease)
    assert (store.ledger.folders(SAKURA), store.ledger.open_intents(SAKURA)) == ((), ())
    assert (store.ledger.rows(folder.id), store.ledger.staged(opened)) == ([], ())
    again = store.ledger.put_folder(replace(folder, id=0), lease)
    assert again.id > folder.id, "an old id must not name the new folder"


def test_flags_and_disappearance_are_noted_by_source_uid(store: Store, lease: Lease, folder: FolderRecord) -> None:
    store.ledger.commit(lease, rows=[(folder.id, row(uid)) for uid in (1, 2, 3)])
    store.ledger.update_flags([(folder.id, 1, frozenset({"\\Flagged"})), (folder.id, 99, frozenset())], lease)
    store.ledger.mark_gone(folder.id, [2], lease)
    assert store.ledger.rows(folder.id) == [row(1, flags=frozenset({"\\Flagged"})), row(2, gone=True), row(3)]


def test_counts_are_of_messages_still_on_the_source(store: Store, lease: Lease, folder: FolderRecord) -> None:
    sent = store.ledger.put_folder(replace(folder, id=0, source_name=FolderName("Sent")), lease)
    outcomes = [Outcome.COPIED, Outcome.COPIED, Outcome.PRESENT, Outcome.SKIPPED, Outcome.FAILED]
    rows = [(folder.id, row(uid, outcome, size=10)) for uid, outcome in enumerate(outcomes, 1)]
    removed = row(3, gone=True, target_uid=None, reason=Mirrored.REMOVED)
    store.ledger.commit(
        lease, rows=[*rows, (sent.id, row(1, size=5)), (sent.id, row(2, gone=True)), (sent.id, removed)]
    )
    expected = Counts(copied=3, present=1, skipped=1, failed=1, octets=35, gone=2, removed=1)
    assert store.ledger.counts(SAKURA) == expected
    assert store.ledger.counts(Address("nobody@example.co.jp")) == Counts()
    assert store.ledger.counts_all() == {SAKURA: expected}


def test_what_was_not_carried_over_unaltered_is_listed(store: Store, lease: Lease, folder: FolderRecord) -> None:
    bad = [
        row(4, Outcome.SKIPPED, reason="canary"),
        row(2, Outcome.FAILED, reason="over quota"),
        row(3, grade=Grade.L3),
    ]
    fine = [row(1, grade=Grade.L2), row(5, Outcome.FAILED, gone=True)]
    store.ledger.commit(lease, rows=[(folder.id, one) for one in [*bad, *fine]])
    inbox = FolderName("INBOX")
    assert store.ledger.failures([SAKURA, Address("nobody@example.co.jp")]) == (
        NotCarried(SAKURA, inbox, 2, Outcome.FAILED, "over quota"),
        NotCarried(SAKURA, inbox, 3, Outcome.COPIED, "", Grade.L3),
        NotCarried(SAKURA, inbox, 4, Outcome.SKIPPED, "canary"),
    )
    assert store.ledger.failures([]) == ()


def test_every_write_with_a_stale_fence_is_refused(store: Store, lease: Lease, folder: FolderRecord) -> None:
    (opened,) = store.ledger.commit(lease, intents=[intent(folder, 1)], rows=[(folder.id, row(9))])
    store.leases.release(lease)
    store.leases.acquire(lease.key, ME, TTL)
    writes = [
        lambda: store.ledger.commit(lease, settled=[Settled(opened, (row(1),))]),
        lambda: store.ledger.put_folder(replace(folder, gone=True), lease),
        lambda: store.ledger.drop_folder(folder.id, lease),
        lambda: store.ledger.mark_doubtful([opened], lease),
        lambda: store.ledger.stage(opened, [Staged(1, 2, b"a" * 16)], lease),
        lambda: store.ledger.update_flags([(folder.id, 9, frozenset())], lease),
        lambda: store.ledger.mark_gone(folder.id, [9], lease),
    ]
    for write in writes:
        with pytest.raises(LeaseLost):
            write()
    assert store.ledger.folders(SAKURA) == (folder,)
    assert store.ledger.rows(folder.id) == [row(9)]
    assert [(one.id, one.doubtful) for one in store.ledger.open_intents(SAKURA)] == [(opened, False)]
    assert store.ledger.staged(opened) == ()


def test_what_may_be_mirrored_is_ours_gone_and_not_settled(store: Store, lease: Lease, folder: FolderRecord) -> None:
    sent = store.ledger.put_folder(replace(folder, id=0, source_name=FolderName("Sent")), lease)
    others = [
        row(1),
        row(2, Outcome.PRESENT, gone=True),
        row(3, gone=True, target_uid=None),
        row(4, gone=True, reason=Mirrored.TOUCHED),
        row(5, Outcome.SKIPPED, gone=True),
    ]
    ours = [row(uid, gone=True, digest=bytes([uid]) * 16) for uid in (6, 7, 8)]
    elsewhere = [row(1, digest=b"\x06" * 16), row(2, digest=b"\x07" * 16, gone=True)]
    store.ledger.commit(lease, rows=[(folder.id, one) for one in [*others, *ours]])
    store.ledger.commit(lease, rows=[(sent.id, one) for one in elsewhere])
    assert store.ledger.gone_counts(SAKURA) == (GoneCounts(folder.id, 1, 3), GoneCounts(sent.id, 1, 1))
    assert store.ledger.gone_counts(Address("nobody@example.co.jp")) == ()
    assert store.ledger.moved(SAKURA) == {folder.id: 1}
    assert store.ledger.removable(folder.id, 0, 2) == ours[:2]
    assert store.ledger.removable(folder.id, 7, 9) == ours[2:]


def test_a_folder_that_is_renumbered_keeps_its_doubtful_intents(
    store: Store, lease: Lease, folder: FolderRecord
) -> None:
    (doubtful, plain) = store.ledger.commit(
        lease, intents=[intent(folder, 1, 2, 3), intent(folder, 4)], rows=[(folder.id, row(uid)) for uid in (1, 2, 3)]
    )
    store.ledger.mark_doubtful([doubtful], lease)
    store.ledger.commit(lease, settled=[Settled(doubtful), Settled(plain)])
    now = replace(folder, source_uidvalidity=9, source_uidnext=0)
    store.ledger.renumber(now, [row(11), row(13)], {1: 11, 3: 13}, lease)
    assert store.ledger.folders(SAKURA) == (now,)
    assert store.ledger.rows(folder.id) == [row(11), row(13)]
    assert [one.uids for one in store.ledger.doubtful_intents(SAKURA)] == [(11, 13)]
