"""Waves and their audit log, on SQLite and on PostgreSQL."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from migrator.model.names import Address, WaveName
from migrator.model.wave import WaveEvent, WaveState
from migrator.state import Store, WaveRecord
from migrator.state.engine import parse
from migrator.state.errors import WaveFixed, WaveMoved
from tests.contract.state_stores import ME, SAKURA, other

SALES = WaveName("sales")
TARO = Address("taro@example.co.jp")


@pytest.fixture
def wave(store: Store) -> WaveRecord:
    return store.waves.ensure(SALES, [TARO, SAKURA], ME)


def advance(store: Store, was: WaveState, to: WaveState, **more) -> WaveRecord:
    return store.waves.advance(SALES, was, to, WaveEvent.START, ME, "the operator asked", **more)


def test_a_new_wave_is_planned_with_its_mailboxes_in_order(store: Store, wave: WaveRecord) -> None:
    assert (wave.name, wave.state, wave.mailboxes) == (SALES, WaveState.PLANNED, (TARO, SAKURA))
    assert abs(datetime.now(UTC) - wave.since) < timedelta(minutes=5)
    assert store.waves.get(SALES) == wave
    assert store.waves.all() == (wave,)
    assert store.waves.get(WaveName("other")) is None


def test_ensuring_a_wave_again_changes_nothing(store: Store, wave: WaveRecord) -> None:
    before = store.audit.rows()
    assert store.waves.ensure(SALES, [SAKURA, TARO], ME) == wave
    assert store.audit.rows() == before


def test_before_the_cutover_a_wave_takes_its_file_s_mailboxes(store: Store, wave: WaveRecord) -> None:
    advance(store, WaveState.PLANNED, WaveState.SYNCING)
    changed = store.waves.ensure(SALES, [SAKURA], ME)
    assert (changed.mailboxes, changed.state) == ((SAKURA,), WaveState.SYNCING)
    assert store.audit.rows()[-1].detail == {"added": [], "removed": [TARO]}


@pytest.mark.parametrize("state", [WaveState.FREEZING, WaveState.CATCHING_UP, WaveState.COMPLETED])
def test_in_its_cutover_a_wave_s_mailboxes_are_fixed(store: Store, wave: WaveRecord, state: WaveState) -> None:
    advance(store, WaveState.PLANNED, state)
    with pytest.raises(WaveFixed, match=SAKURA):
        store.waves.ensure(SALES, [TARO], ME)
    found = store.waves.get(SALES)
    assert found is not None
    assert found.mailboxes == (TARO, SAKURA)


def test_a_step_and_its_audit_row_are_made_together(store: Store, wave: WaveRecord) -> None:
    moved = advance(store, WaveState.PLANNED, WaveState.SYNCING)
    assert (moved.state, store.waves.get(SALES)) == (WaveState.SYNCING, moved)
    row = store.audit.rows(SALES)[-1]
    assert (row.actor, row.what, row.at) == (ME, "wave advanced", moved.since)
    assert row.detail == {"was": "planned", "to": "syncing", "event": "start", "why": "the operator asked"}


def test_a_step_from_a_state_that_has_passed_is_refused(store: Store, wave: WaveRecord) -> None:
    advance(store, WaveState.PLANNED, WaveState.SYNCING)
    before = store.audit.rows()
    with pytest.raises(WaveMoved, match="syncing since"):
        advance(store, WaveState.PLANNED, WaveState.SYNCING)
    with pytest.raises(WaveMoved, match="not known"):
        store.waves.advance(WaveName("none"), WaveState.PLANNED, WaveState.SYNCING, WaveEvent.START, ME, "because")
    assert store.audit.rows() == before


def test_of_many_that_make_the_same_step_one_succeeds(store: Store, wave: WaveRecord) -> None:
    def step(_: int) -> bool:
        try:
            advance(store, WaveState.PLANNED, WaveState.SYNCING)
        except WaveMoved:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(step, range(8))) == 1


def test_a_deadline_stays_until_it_is_set_anew_or_cleared(store: Store, wave: WaveRecord) -> None:
    tokyo = timezone(timedelta(hours=9))
    deadline = datetime(2026, 12, 5, 22, 30, 0, 123456, tokyo)
    frozen = advance(store, WaveState.PLANNED, WaveState.FREEZING, deadline=deadline)
    assert frozen.deadline == deadline
    assert frozen.deadline.tzinfo is UTC
    assert advance(store, WaveState.FREEZING, WaveState.DRAINING).deadline == deadline
    assert advance(store, WaveState.DRAINING, WaveState.FLIPPING, deadline=None).deadline is None


def test_a_time_without_a_zone_is_refused(store: Store, wave: WaveRecord) -> None:
    with pytest.raises(Exception, match="without a zone"):
        advance(store, WaveState.PLANNED, WaveState.FREEZING, deadline=datetime(2026, 12, 5))


def test_what_stopped_a_run_is_kept_until_the_next_step(store: Store, wave: WaveRecord) -> None:
    store.waves.set_error(SALES, "gates are closed")
    assert store.waves.all()[0].error == "gates are closed"
    assert advance(store, WaveState.PLANNED, WaveState.SYNCING).error == ""


def test_the_audit_log_tells_who_did_what_to_what(store: Store) -> None:
    store.audit.record(ME, "gates", wave=SALES, detail={"window": "開いている", "at": datetime(2026, 1, 1, tzinfo=UTC)})
    store.audit.record(other(), "mailbox shown", mailbox=TARO)
    first, second = store.audit.rows()
    assert (first.actor, first.what, first.wave, first.mailbox) == (ME, "gates", SALES, None)
    assert first.detail == {"window": "開いている", "at": "2026-01-01 00:00:00+00:00"}
    assert (second.actor, second.mailbox, second.detail) == (other(), TARO, {})
    assert store.audit.rows(SALES) == (first,)


@pytest.mark.parametrize("change", ["UPDATE audit SET what = 'nothing'", "DELETE FROM audit"])
def test_the_database_refuses_to_change_the_audit_log(store: Store, url: str, change: str) -> None:
    store.audit.record(ME, "gates")
    engine = create_engine(parse(url))
    with pytest.raises(DBAPIError, match="append-only"), engine.begin() as connection:
        connection.execute(text(change))
    engine.dispose()
    assert [row.what for row in store.audit.rows()] == ["gates"]
