"""Grades: by thresholds that the report prints; worst of all wins; no evidence is no grade."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator.model.audit import (
    LIMITS,
    Aside,
    AuditGrade,
    Dispute,
    Disputed,
    Finding,
    FolderAudit,
    Kind,
    MailboxAudit,
    Mode,
    grade,
    thresholds,
    worst,
)
from migrator.model.names import Address, FolderName

INBOX = FolderName("INBOX")
A, B, C, NONE, F = AuditGrade
NAMES = [*(kind.value for kind in Kind), "normalised", "ledger"]


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({}, A),
        ({"normalised": 1000}, B),
        ({"extra": 5000}, B),
        ({"flags": 10, "date": 10}, B),
        ({"flags": 11}, C),
        ({"date": 1000}, C),
        ({"moved": 1}, C),
        ({"ledger": 1}, C),
        ({"unread": 1}, F),
        *(({kind: 1}, F) for kind in ("lost", "doubled", "altered", "truncated")),
    ],
)
def test_the_grade_of_a_thousand_messages(counts, expected):
    assert grade(counts, 1000) is expected


@given(st.dictionaries(st.sampled_from(NAMES), st.integers(0, 50)), st.integers(0, 100), st.sampled_from(NAMES))
def test_one_fault_more_never_makes_a_grade_better(counts, compared, more):
    worse = {**counts, more: counts.get(more, 0) + 1}
    assert worst([grade(counts, compared), grade(worse, compared)]) is grade(worse, compared)


def test_a_wave_is_as_good_as_its_worst_mailbox_and_one_without_is_not_graded():
    assert [worst(some) for some in ([A, B], [A, NONE, C], [F, NONE, A], [])] == [B, NONE, F, NONE]


def test_where_nothing_could_be_compared_there_is_no_grade():
    at = datetime(2026, 1, 1, tzinfo=UTC)
    box = Address("a@b.test")
    pending = {(Aside.PENDING, "new"): 3}
    assert MailboxAudit(box, at, Mode(), asides=pending).grade is NONE
    assert MailboxAudit(box, at, Mode(), error="unreachable").grade is NONE
    assert MailboxAudit(box, at, Mode()).grade is A  # empty on both sides
    assert MailboxAudit(box, at, Mode(), (FolderAudit(INBOX, INBOX, 4, 1, same=1),), asides=pending).grade is A


def test_a_dispute_over_a_message_that_has_a_finding_does_not_count_twice():
    lost = Finding(Kind.LOST, INBOX, 1, None, None)
    told, other = Disputed(Dispute.NOT_THERE, INBOX, 1, 7), Disputed(Dispute.NOT_THERE, INBOX, 2, 8)
    audit = MailboxAudit(Address("a@b.test"), datetime(2026, 1, 1, tzinfo=UTC), Mode(), (), (lost,), (told, other))
    assert (audit.counts["lost"], audit.counts["ledger"]) == (1, 1)


def test_the_printed_thresholds_name_every_limit():
    text = dict(line.split(": ", 1) for line in thresholds())
    assert text.keys() == {grade.value for grade in AuditGrade}
    assert "flags 1%" in text["B"]
    for best, limits in LIMITS.items():
        assert all(f"{name} {limit:.0%}" in text[best] for name, limit in limits.items())
