"""What changed in a source folder, found with as few questions as the server allows."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import cast

from hypothesis import given
from hypothesis import strategies as st

from migrator.copier.plan import CopyPolicy
from migrator.copier.scan import Scan, scan
from migrator.imap import Selected, Session
from migrator.model.message import MessageMeta, Outcome
from migrator.model.names import Address, FolderName
from migrator.state.records import FolderRecord, LedgerRow

DATE = datetime(2026, 1, 2, tzinfo=UTC)


class Folder:
    """A selected folder: UID to (flags, modseq). Counts the questions."""

    def __init__(self, messages: dict[int, tuple[str, int]], uidnext: int) -> None:
        self.messages, self.uidnext = messages, uidnext
        self.asked: list[str] = []

    def selected(self) -> Selected:
        modseq = max([1, *(modseq for _, modseq in self.messages.values())])
        return Selected(1, self.uidnext, len(self.messages), modseq, frozenset(), True, True)

    def uids(self) -> list[int]:
        self.asked.append("uids")
        return sorted(self.messages)

    def scan(self, uids, changed_since: int = 0) -> list[MessageMeta]:
        self.asked.append(f"scan {uids}")
        wanted = self._named(uids)
        return [
            MessageMeta(uid, 10, frozenset({flag}), DATE, modseq)
            for uid, (flag, modseq) in sorted(self.messages.items())
            if uid in wanted and modseq > changed_since
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


MESSAGES = st.dictionaries(st.integers(1, 12), st.tuples(st.sampled_from(["\\Seen", "work"]), st.integers(1, 9)))


@given(MESSAGES, st.dictionaries(st.integers(1, 12), st.sampled_from(Outcome)), st.integers(0, 13), st.booleans())
def test_whatever_happened_each_message_that_is_there_is_either_live_or_fresh(messages, known, uidnext, lost_sight):
    known |= {uid: Outcome.COPIED for uid in messages if uid < uidnext}  # as the watermark promises
    folder = Folder(messages, 13)
    found = looked_at(folder, [row(uid, outcome, lost_sight) for uid, outcome in known.items()], uidnext)
    assert found.live | set(found.fresh) == set(messages)
    assert not found.live & set(found.fresh)
    assert not set(found.gone) & set(messages)
    assert {uid for uid in messages if uid in known and lost_sight} == set(found.back)
