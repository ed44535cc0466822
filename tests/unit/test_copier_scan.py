"""What changed in a source folder, found with as few questions as the server allows."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator.copier.plan import CopyPolicy
from migrator.copier.scan import first_look, listed, to_list
from migrator.imap import Selected, Session
from migrator.imap.scanning import Changes
from migrator.imap.vanished import UidRanges
from migrator.model.message import ON_NEITHER, MessageMeta, Outcome
from migrator.model.names import Address, FolderName
from migrator.state.ledger import Ledger
from migrator.state.records import FolderRecord, LedgerRow, Standing, Uids

DATE = datetime(2026, 1, 2, tzinfo=UTC)


class Folder:
    """A selected folder: UID to (flags, modseq). Counts the questions."""

    def __init__(self, messages: dict[int, tuple[str, int]], uidnext: int, qresync: bool = False) -> None:
        self.messages, self.uidnext, self.qresync = messages, uidnext, qresync
        self.asked: list[str] = []

    def selected(self) -> Selected:
        modseq = max([1, *(modseq for _, modseq in self.messages.values())])
        return Selected(1, self.uidnext, len(self.messages), modseq, frozenset(), True, True)

    def present(self) -> UidRanges:
        self.asked.append("uids")
        return UidRanges((uid, uid) for uid in self.messages)

    def scan(self, uids) -> list[MessageMeta]:
        self.asked.append(f"scan {uids}")
        return self._metas(self._named(uids))

    def changes(self, ranges: list[str], since: int, new: str = "") -> Changes:
        self.asked.append(f"changes {' '.join(ranges)}" + (f" new {new}" if new else ""))
        wanted = set[int]().union(*(self._named(one) for one in ranges))
        messages = [one for one in self._metas(wanted) if one.modseq > since]
        gone = wanted - self.messages.keys() if self.qresync else ()
        more = self._metas(self._named(new)) if new else []
        return Changes([*more, *messages], UidRanges((uid, uid) for uid in gone))

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


class Rows:
    """Stands where the ledger stands, with the rows of one folder."""

    def __init__(self, rows: list[LedgerRow]) -> None:
        self.all = {row.source_uid: row for row in rows}

    def standing(self, folder_id: int, below: int) -> Standing:
        live = [row for uid, row in self.all.items() if uid < below and not row.gone]
        return Standing(len(live), max((row.target_uid or 0 for row in self.all.values()), default=0))

    def failed(self, folder_id: int, below: int) -> list[int]:
        rows = self.all.items()
        return sorted(uid for uid, row in rows if uid < below and not row.gone and row.outcome is Outcome.FAILED)

    def rows_of(self, folder_id: int, uids) -> dict[int, LedgerRow]:
        return {uid: self.all[uid] for uid in uids if uid in self.all}

    def rows_between(self, folder_id: int, first: int, last: int) -> list[LedgerRow]:
        return [row for uid, row in sorted(self.all.items()) if first <= uid <= last]

    def uids(self, folder_id: int, below: int) -> Uids:
        there = [row for uid, row in sorted(self.all.items()) if uid < below]
        return Uids(
            array("Q", (row.source_uid for row in there if not row.gone)),
            array("Q", (row.source_uid for row in there if row.gone and row.reason not in ON_NEITHER)),
        )


@dataclass
class Seen:
    """All looks at a folder together."""

    messages: list[MessageMeta]
    fresh: set[int]
    gone: set[int]
    back: set[int]
    live: int


def looked_at(
    folder: Folder, rows: list[LedgerRow], uidnext: int, modseq: int = 0, most: int = 100, newest: bool = False
) -> Seen:
    record = FolderRecord(1, Address("u@x.test"), FolderName("A"), FolderName("A"), 1, 1, uidnext, modseq, len(rows))
    source, ledger = cast(Session, folder), cast(Ledger, Rows(rows))
    wanted = CopyPolicy(newest_first=newest)
    listing = to_list(source, folder.selected(), record, wanted, most)
    looks = list(first_look(source, ledger, folder.selected(), record, listing, wanted))
    looks += [listed(source, ledger, record, part) for part in listing.parts[1:]]
    together = Seen(
        [message for look in looks for message in look.messages],
        {uid for look in looks for uid in look.fresh},
        {uid for look in looks for uid in look.gone},
        {uid for look in looks for uid in look.back},
        sum(look.live for look in looks),
    )
    assert len(together.messages) == len({message.uid for message in together.messages})  # none comes twice
    return together


def row(uid: int, outcome: Outcome = Outcome.COPIED, gone: bool = False) -> LedgerRow:
    return LedgerRow(uid, uid + 100, outcome, frozenset({"\\Seen"}), b"d" * 16, gone=gone)


def test_a_folder_in_step_is_asked_nothing():
    folder = Folder({1: ("\\Seen", 5), 2: ("\\Seen", 6)}, 3)
    found = looked_at(folder, [row(1), row(2)], 3, modseq=6)
    assert not found.messages
    assert not folder.asked
    assert found.live == 2


def test_new_mail_and_changed_flags_cost_one_question():
    folder = Folder({1: ("\\Seen", 9), 2: ("\\Seen", 6), 5: ("\\Seen", 7)}, 6)
    found = looked_at(folder, [row(1), row(2)], 3, modseq=6)
    assert {message.uid for message in found.messages} == {1, 5}
    assert (found.fresh, folder.asked) == ({5}, ["changes 1:2 new 3:*"])


def test_the_last_message_named_by_a_star_is_not_taken_for_new():
    folder = Folder({1: ("\\Seen", 5)}, 4)
    assert looked_at(folder, [row(1)], 3, modseq=4).fresh == set()


def test_what_was_gone_and_is_there_again_is_live_again_and_not_copied_again():
    folder = Folder({1: ("\\Seen", 5), 2: ("\\Seen", 6)}, 3)
    found = looked_at(folder, [row(1, gone=True), row(2, gone=True)], 3, modseq=6)
    assert found.back == {1, 2}
    assert found.live == 2
    assert not found.fresh


def test_with_qresync_what_went_costs_no_list_of_all_uids():
    folder = Folder({1: ("\\Seen", 9), 3: ("\\Seen", 6)}, 4, qresync=True)
    found = looked_at(folder, [row(1), row(2), row(3)], 4, modseq=6)
    assert (found.gone, found.live, folder.asked) == ({2}, 2, ["changes 1:3"])
    assert [message.uid for message in found.messages] == [1]


def test_a_huge_folder_is_asked_in_ranges_of_so_many_messages(monkeypatch):
    monkeypatch.setattr("migrator.copier.scan.RANGE", 2)
    folder = Folder(dict.fromkeys((2, 4, 6, 8, 10), ("\\Seen", 7)), 20, qresync=True)
    looked_at(folder, [row(uid) for uid in (2, 4, 6, 8, 10)], 20, modseq=6)
    assert folder.asked == ["changes 1:4", "changes 5:8", "changes 9:19"]


@pytest.mark.parametrize("reason", sorted(ON_NEITHER))
@pytest.mark.parametrize("qresync", [True, False])
def test_what_was_removed_from_the_target_and_is_back_is_new_mail(qresync, reason):
    folder = Folder({1: ("\\Seen", 5), 2: ("\\Seen", 6)}, 3, qresync)
    removed = replace(row(2, gone=True), target_uid=None, reason=reason)
    found = looked_at(folder, [row(1), removed], 3, modseq=5)
    assert (found.fresh, found.live) == ({2}, 1)
    assert not found.back
    assert not found.gone


MESSAGES = st.dictionaries(st.integers(1, 12), st.tuples(st.sampled_from(["\\Seen", "work"]), st.integers(1, 9)))


@given(
    MESSAGES,
    st.dictionaries(st.integers(1, 12), st.sampled_from(Outcome)),
    st.integers(0, 13),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.integers(1, 12),
    st.booleans(),
)
def test_whatever_happened_each_message_is_live_or_fresh(
    messages, known, uidnext, lost_sight, condstore, qresync, most, newest
):
    known |= {uid: Outcome.COPIED for uid in messages if uid < uidnext}  # as the watermark promises
    folder = Folder(messages, 13, qresync)
    rows = [row(uid, outcome, lost_sight) for uid, outcome in known.items()]
    found = looked_at(folder, rows, uidnext, modseq=3 * condstore, most=most, newest=newest)
    assert found.live + len(found.fresh) == len(messages)
    assert found.fresh == messages.keys() - known.keys()
    assert found.gone == ({uid for uid in known if uid not in messages} if not lost_sight else set())
    assert found.back == ({uid for uid in messages if uid in known} if lost_sight else set())
    if not lost_sight:
        changed = {uid for uid, (_, modseq) in messages.items() if uid in known and modseq > 3 and uid < uidnext}
        assert changed <= {message.uid for message in found.messages}
