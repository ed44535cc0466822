"""The last audit of a mailbox: kept, replaced by the next, and the same on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from migrator import state
from migrator.model.audit import AuditGrade, AuditRecord
from migrator.model.names import Address
from migrator.state import Store
from tests.contract.state_stores import SAKURA

AT = datetime(2026, 12, 5, 13, 30, tzinfo=UTC)
BAD = AuditRecord(SAKURA, AT, AuditGrade.F, "full", 2040, {"lost": 3, "flags": 1})


def test_the_last_audit_of_a_mailbox_is_kept_and_the_next_one_replaces_it(store: Store, url: str) -> None:
    other = replace(BAD, address=Address("hanako@example.co.jp"))
    store.audits.put([BAD, other])
    good = replace(BAD, grade=AuditGrade.NONE, mode="sample of 5% (seed 1)", counts={})
    store.audits.put([good])
    store.close()
    with state.open(url) as again:
        assert again.audits.of([SAKURA, Address("nobody@example.co.jp")]) == {SAKURA: good}
        assert again.audits.of([SAKURA, other.address])[other.address] == other
