"""Journals of routes, canaries and passes, and the operator's decisions, on SQLite and on PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from migrator.model.canary import Canary, CanaryState
from migrator.model.message import Grade, Outcome
from migrator.model.names import Address, Ingress, Nexthop, ServerName, WaveName
from migrator.model.progress import PassReport
from migrator.model.route import Flip, Flips
from migrator.model.wave import PassKind, WaveEvent, WaveState
from migrator.state import FolderRecord, Lease, PassRecord, Store
from tests.contract.state_stores import ME, SAKURA, row

SALES, GATEWAY, OLD_MTA = WaveName("sales"), Ingress("gateway"), Ingress("old-mta")
TARO = Address("taro@example.co.jp")
OLD, FREEZE, NEW = Nexthop("smtp:[old]"), Nexthop("retry:4.7.0 wait"), Nexthop("lmtp:inet:[new]:24")
BEGAN = datetime(2026, 12, 5, 22, 0, 0, 5, UTC)


def move(store: Store, was: WaveState, to: WaveState) -> None:
    store.waves.advance(SALES, was, to, WaveEvent.START, ME, "test")


def test_the_value_found_before_the_first_flip_stays_during_the_cutover(store: Store) -> None:
    store.waves.ensure(SALES, [SAKURA, TARO], ME)
    store.flips.observe(SALES, GATEWAY, {SAKURA: OLD, TARO: None})
    move(store, WaveState.PLANNED, WaveState.FREEZING)
    store.flips.observe(SALES, GATEWAY, {SAKURA: FREEZE, TARO: FREEZE})
    assert store.flips.original(SALES, GATEWAY) == {SAKURA: OLD, TARO: None}
    assert store.flips.original(SALES, OLD_MTA) == {}


def test_after_a_rollback_the_routes_are_observed_anew(store: Store) -> None:
    store.waves.ensure(SALES, [SAKURA, TARO], ME)
    store.flips.observe(SALES, GATEWAY, {SAKURA: OLD, TARO: None})
    move(store, WaveState.PLANNED, WaveState.ROLLED_BACK)
    store.flips.observe(SALES, GATEWAY, {SAKURA: Nexthop("smtp:[older]")})
    assert store.flips.original(SALES, GATEWAY) == {SAKURA: "smtp:[older]", TARO: None}


def test_every_value_ever_intended_is_ours(store: Store) -> None:
    store.flips.intend(SALES, GATEWAY, "freeze", Flips((Flip(SAKURA, OLD, FREEZE), Flip(TARO, None, FREEZE))))
    store.flips.intend(SALES, GATEWAY, "flip", Flips((Flip(SAKURA, FREEZE, NEW),)))
    store.flips.intend(SALES, GATEWAY, "flip", Flips((Flip(SAKURA, FREEZE, NEW),)))
    store.flips.intend(SALES, GATEWAY, "thaw", Flips((Flip(TARO, FREEZE, None),)))
    store.flips.intend(WaveName("other"), GATEWAY, "flip", Flips((Flip(SAKURA, OLD, Nexthop("smtp:[else]")),)))
    store.flips.intend(SALES, OLD_MTA, "flip", Flips())
    assert store.flips.written(SALES, GATEWAY) == {SAKURA: {FREEZE, NEW}, TARO: {FREEZE, None}}
    assert store.flips.written(SALES, OLD_MTA) == {}


def test_a_step_is_unconfirmed_until_it_was_read_back(store: Store) -> None:
    store.flips.intend(SALES, GATEWAY, "freeze", Flips((Flip(SAKURA, OLD, FREEZE),)))
    store.flips.intend(SALES, GATEWAY, "flip", Flips((Flip(SAKURA, FREEZE, NEW),)))
    assert store.flips.unconfirmed(SALES, GATEWAY) == ("freeze", "flip")
    store.flips.confirm(SALES, GATEWAY, "freeze")
    assert store.flips.unconfirmed(SALES, GATEWAY) == ("flip",)


def canary(token: str, address: Address = SAKURA) -> Canary:
    return Canary(token, address, GATEWAY, ServerName("new"), ServerName("old"), CanaryState.INTENDED)


def test_a_canary_is_one_row_whatever_becomes_of_it(store: Store) -> None:
    store.canaries.put(SALES, "proof", canary("b"))
    store.canaries.put(SALES, "proof", canary("a"))
    store.canaries.put(SALES, "gate", canary("c", TARO))
    sent = replace(canary("b"), state=CanaryState.SENT, sent_at=BEGAN, detail="250 ok")
    store.canaries.put(SALES, "proof", sent)
    assert store.canaries.all(SALES, "proof") == (sent, canary("a"))
    assert store.canaries.all(SALES) == (sent, canary("a"), canary("c", TARO))
    assert store.canaries.all(WaveName("other")) == ()


def test_a_mailbox_s_canaries_are_known_by_their_tokens(store: Store) -> None:
    store.canaries.put(SALES, "proof", canary("a"))
    store.canaries.put(WaveName("other"), "gate", canary("b"))
    store.canaries.put(SALES, "gate", canary("c", TARO))
    assert store.canaries.tokens(SAKURA) == {"a", "b"}
    assert store.canaries.tokens(Address("nobody@example.co.jp")) == frozenset()


def test_a_pass_is_noted_when_it_begins_and_when_it_ends(store: Store) -> None:
    report = PassReport(PassKind.DELTA, copied=3, octets=2**40, source_messages=9, warnings=("キーワード $X refused",))
    store.mailboxes.note_pass(SAKURA, SALES, PassKind.DELTA, BEGAN)
    running = PassRecord(SAKURA, SALES, PassKind.DELTA, BEGAN, None, None)
    assert store.mailboxes.last(SAKURA) == running
    ended = BEGAN + timedelta(seconds=3)
    store.mailboxes.note_pass(SAKURA, SALES, PassKind.DELTA, BEGAN, finished=ended, report=report)
    assert store.mailboxes.last(SAKURA) == replace(running, finished=ended, report=report)
    assert store.mailboxes.last(TARO) is None


def test_the_last_pass_is_the_one_noted_last(store: Store) -> None:
    for minute, kind in enumerate((PassKind.INITIAL, PassKind.DELTA, PassKind.FINAL)):
        store.mailboxes.note_pass(SAKURA, SALES, kind, BEGAN + timedelta(minutes=minute))
    store.mailboxes.note_pass(TARO, SALES, PassKind.INITIAL, BEGAN, BEGAN, error="login refused. Correct it.")
    last = store.mailboxes.all_last()
    assert {address: record.kind for address, record in last.items()} == {
        SAKURA: PassKind.FINAL,
        TARO: PassKind.INITIAL,
    }
    assert last[TARO].error == "login refused. Correct it."
    assert last[SAKURA] == store.mailboxes.last(SAKURA)


def test_accepting_covers_what_has_failed_so_far_and_nothing_later(
    store: Store, lease: Lease, folder: FolderRecord
) -> None:
    bad = [row(1, Outcome.FAILED, reason="truncated"), row(2, grade=Grade.L4)]
    store.ledger.commit(lease, rows=[(folder.id, one) for one in bad])
    assert store.mailboxes.accepted(SAKURA) is None
    store.mailboxes.accept_failure(SAKURA, "the owner knows", ME)
    assert store.mailboxes.accepted(SAKURA) == "the owner knows"

    store.ledger.commit(lease, rows=[(folder.id, row(1)), (folder.id, row(3, Outcome.SKIPPED, reason="canary"))])
    assert store.mailboxes.accepted(SAKURA) == "the owner knows", (
        "fewer failures, and skipped ones, need no new consent"
    )
    store.ledger.commit(lease, rows=[(folder.id, row(4, Outcome.FAILED, reason="over quota"))])
    assert store.mailboxes.accepted(SAKURA) is None

    (audited,) = store.audit.rows()
    assert (audited.actor, audited.mailbox, audited.detail["reason"]) == (ME, SAKURA, "the owner knows")
    assert audited.detail["messages"] == [["INBOX", 1, "truncated"], ["INBOX", 2, "L4"]]


def test_leaving_a_mailbox_out_is_remembered_with_its_reason(store: Store) -> None:
    store.mailboxes.accept_failure(SAKURA, "known", ME)
    store.mailboxes.skip(SAKURA, "left the company", ME)
    assert store.mailboxes.skipped(SAKURA) == "left the company"
    assert store.mailboxes.accepted(SAKURA) == "known"
    assert store.mailboxes.skipped(TARO) is None
    assert store.mailboxes.all_skipped() == {SAKURA: "left the company"}
    assert [audited.what for audited in store.audit.rows()] == ["failures accepted", "mailbox skipped"]


def test_the_passes_of_a_wave_are_kept_in_their_order(store: Store) -> None:
    for minute, (address, wave) in enumerate([(SAKURA, SALES), (TARO, SALES), (SAKURA, WaveName("other"))]):
        store.mailboxes.note_pass(address, wave, PassKind.DELTA, BEGAN + timedelta(minutes=minute))
    assert [record.address for record in store.mailboxes.passes(SALES)] == [SAKURA, TARO]


def test_a_mailbox_can_be_taken_up_again_after_any_decision(store: Store) -> None:
    store.mailboxes.accept_failure(SAKURA, "known", ME)
    store.mailboxes.skip(SAKURA, "left the company", ME)
    store.mailboxes.skip(TARO, "left the company", ME)
    store.mailboxes.retry(SAKURA, ME)
    assert (store.mailboxes.skipped(SAKURA), store.mailboxes.accepted(SAKURA)) == (None, None)
    assert store.mailboxes.skipped(TARO) == "left the company"
    assert store.audit.rows()[-1].mailbox == SAKURA


def test_a_workspace_has_an_id_of_its_own(store: Store) -> None:
    assert len(store.workspace_id) == 36
