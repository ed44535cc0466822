"""What changed in a source folder, found with as few questions as the server allows."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator.copier.plan import CopyPolicy
from migrator.copier.scan import Scan, scan
from migrator.imap import Selected, Session
from migrator.imap.scanning import Changes
from migrator.imap.vanished import UidRanges
from migrator.model.message import ON_NEITHER, MessageMeta, Outcome
from migrator.model.names import Address, FolderName
from migrator.state.records import FolderRecord, LedgerRow

DATE = datetime(2026, 1, 2, tzinfo=UTC)


class Folder:
    """A selected folder: UID to (flags, modseq). Counts the questions."""

    def __init__(self, messages: dict[int, tuple[str, int]], uidnext: int, qresync: bool = False) -> None:
        self.messages, self.uidnext, self.qresync = messages, uidnext, qresync
        self.asked: list[str] = []

    def selected(self) -> Selected:
        modseq = max([1, *(modseq for _, modseq in self.messages.values())])
        return Selected(1, self.uidnext, len(self.messages), modseq, frozenset(), True, True)

    def uids(self) -> list[int]:
        self.asked.append("uids")
        return sorted(self.messages)

    def scan(self, uids, changed_since: int = 0) -> list[MessageMeta]:
        self.asked.append(f"scan {uids}")
        return [one for one in self._metas(self._named(uids)) if one.modseq > changed_since]

    def changes(self, ranges: list[str], since: int) -> Changes | None:
        if not self.qresync:
            return None
        self.asked.append(f"changes {' '.join(ranges)}")
        wanted = set().union(*(self._named(one) for one in ranges))
        messages = [one for one in self._metas(wanted) if one.modseq > since]
        return Changes(messages, UidRanges((uid, uid) for uid in wanted - self.messages.keys()))

    def _metas(self, wanted: set[int]) -> list[MessageMeta]:
        return [
            MessageMeta(uid, 10, frozenset({flag}), DATE, modseq)
            for uid, (flag, modseq) in sorted(self.messages.items())
            if uid in wanted
        ]

    def _named(self, uids) -> set[int]:
        if not isinstance(uids, str):
            return set(uids)
        first, last = uids.split(":")
        top = max(self.messages, default=0)
        end = top if last == "*" else int(last)
        low, high = sorted((int(first), end))  # "9:*" names the last message even when its UID is lower
        return set(range(low, high + 1))


def looked_at(folder: Folder, rows: list[LedgerRow], uidnext: int, modseq: int = 0) -> Scan:
    record = FolderRecord(1, Address("u@x.test"), FolderName("A"), FolderName("A"), 1, 1, uidnext, modseq, len(rows))
    by_uid = {row.source_uid: row for row in rows}
    return scan(cast(Session, folder), folder.selected(), record, by_uid, CopyPolicy())


def row(uid: int, outcome: Outcome = Outcome.COPIED, gone: bool = False) -> LedgerRow:
    return LedgerRow(uid, uid + 100, outcome, frozenset({"\\Seen"}), b"d" * 16, gone=gone)


def test_a_folder_in_step_is_asked_nothing():
    folder = Folder({1: ("\\Seen", 5), 2: ("\\Seen", 6)}, 3)
    found = looked_at(folder, [row(1), row(2)], 3, modseq=6)
    assert not found.messages
    assert not folder.asked
    assert found.live == {1, 2}


def test_new_mail_costs_one_question_and_changed_flags_another():
    folder = Folder({1: ("\\Seen", 9), 2: ("\\Seen", 6), 5: ("\\Seen", 7)}, 6)
    found = looked_at(folder, [row(1), row(2)], 3, modseq=6)
    assert [message.uid for message in found.messages] == [1, 5]
    assert (found.fresh, folder.asked) == ((5,), ["scan 3:*", "scan 1:2"])


def test_the_last_message_named_by_a_star_is_not_taken_for_new():
    folder = Folder({1: ("\\Seen", 5)}, 4)
    assert looked_at(folder, [row(1)], 3, modseq=5).fresh == ()


def test_what_was_gone_and_is_there_again_is_live_again_and_not_copied_again():
    folder = Folder({1: ("\\Seen", 5), 2: ("\\Seen", 6)}, 3)
    found = looked_at(folder, [row(1, gone=True), row(2, gone=True)], 3, modseq=6)
    assert found.back == (1, 2)
    assert found.live == {1, 2}
    assert not found.fresh


def test_with_qresync_what_went_costs_no_list_of_all_uids():
    folder = Folder({1: ("\\Seen", 9), 3: ("\\Seen", 6)}, 4, qresync=True)
    found = looked_at(folder, [row(1), row(2), row(3)], 4, modseq=6)
    assert (found.gone, sorted(found.live), folder.asked) == ((2,), [1, 3], ["changes 1:3"])
    assert [message.uid for message in found.messages] == [1]


def test_a_huge_folder_is_asked_in_ranges_of_so_many_messages(monkeypatch):
    monkeypatch.setattr("migrator.copier.scan.RANGE", 2)
    folder = Folder(dict.fromkeys((2, 4, 6, 8, 10), ("\\Seen", 7)), 20, qresync=True)
    looked_at(folder, [row(uid) for uid in (2, 4, 6, 8, 10)], 20, modseq=6)
    assert folder.asked == ["changes 1:6 7:10 11:19"]


@pytest.mark.parametrize("reason", sorted(ON_NEITHER))
@pytest.mark.parametrize("qresync", [True, False])
def test_what_was_removed_from_the_target_and_is_back_is_new_mail(qresync, reason):
    folder = Folder({1: ("\\Seen", 5), 2: ("\\Seen", 6)}, 3, qresync)
    removed = replace(row(2, gone=True), target_uid=None, reason=reason)
    found = looked_at(folder, [row(1), removed], 3, modseq=5)
    assert (found.fresh, sorted(found.live)) == ((2,), [1])
    assert not found.back
    assert not found.gone


MESSAGES = st.dictionaries(st.integers(1, 12), st.tuples(st.sampled_from(["\\Seen", "work"]), st.integers(1, 9)))


@given(
    MESSAGES,
    st.dictionaries(st.integers(1, 12), st.sampled_from(Outcome)),
    st.integers(0, 13),
    st.booleans(),
    st.booleans(),
)
def test_whatever_happened_each_message_is_live_or_fresh(messages, known, uidnext, lost_sight, qresync):
    known |= {uid: Outcome.COPIED for uid in messages if uid < uidnext}  # as the watermark promises
    folder = Folder(messages, 13, qresync)
    rows = [row(uid, outcome, lost_sight) for uid, outcome in known.items()]
    found = looked_at(folder, rows, uidnext, modseq=3 * qresync)
    assert found.live | set(found.fresh) == set(messages)
    assert not found.live & set(found.fresh)
    assert not set(found.gone) & set(messages)
    assert {uid for uid in messages if uid in known and lost_sight} == set(found.back)
