"""What a server's NO to an APPEND leads to."""

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator.copier.plan import Batch
from migrator.copier.refusals import Meaning, judge, meaning
from migrator.model.message import MessageMeta, Outcome


@dataclass(frozen=True)
class No:
    code: str = ""
    text: str = "Message contains NUL characters"


def batch(count: int, *flags: str) -> Batch:
    date = datetime(2026, 1, 2, tzinfo=UTC)
    return Batch(tuple(MessageMeta(uid, 10, frozenset(flags), date) for uid in range(1, count + 1)))


@pytest.mark.parametrize(
    ("code", "expected"),
    [("OVERQUOTA", Meaning.MAILBOX_FULL), ("trycreate", Meaning.FOLDER_GONE), ("INUSE", Meaning.BACK_OFF),
     ("LIMIT", Meaning.MESSAGE), ("", Meaning.MESSAGE), ("SOMETHING-NEW", Meaning.MESSAGE)],
)  # fmt: skip
def test_response_codes_tell_whose_fault_it_is(code, expected):
    assert meaning(No(code)) is expected


def test_a_message_refused_alone_is_skipped_with_the_servers_own_words():
    (off,) = judge(No("CANNOT"), batch(1)).written_off
    assert off.outcome is Outcome.SKIPPED
    assert "[CANNOT] Message contains NUL characters" in off.reason


def test_a_fault_of_the_server_is_a_failure_that_is_tried_again():
    (off,) = judge(No("SERVERBUG", "Internal error"), batch(1)).written_off
    assert (off.outcome, off.reason) == (Outcome.FAILED, "server-fault: [SERVERBUG] Internal error")


def test_a_folder_that_takes_nothing_fails_all_at_once():
    found = judge(No("NOPERM"), batch(100))
    assert (len(found.written_off), found.again) == (100, ())
    assert all(off.reason.startswith("folder-refused") for off in found.written_off)


def test_a_message_alone_is_tried_once_more_without_its_keywords():
    found = judge(No(), batch(1, "\\Seen", "work"))
    assert found.without_keywords
    assert [message.flags for one in found.again for message in one.messages] == [frozenset({"\\Seen"})]
    assert judge(No(), found.again[0]).written_off


@given(st.sets(st.integers(1, 60)), st.integers(1, 60))
def test_halving_finds_exactly_the_messages_at_fault(guilty, count):
    todo = [batch(count, "work")]
    stored: set[int] = set()
    skipped: set[int] = set()
    while todo:
        one = todo.pop()
        if guilty.isdisjoint(one.uids):
            stored.update(one.uids)
        else:
            found = judge(No(), one)
            todo.extend(found.again)
            skipped.update(off.message.uid for off in found.written_off)
    everybody = set(range(1, count + 1))
    assert (stored, skipped) == (everybody - guilty, everybody & guilty)
