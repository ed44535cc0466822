"""Parts of a wave, and what holds a cutover, on SQLite and on PostgreSQL."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from migrator.model.canary import Canary, CanaryState
from migrator.model.names import Address, Ingress, Nexthop, ServerName, WaveName
from migrator.model.wave import PassKind, WaveEvent, WaveState
from migrator.state import Store
from migrator.state.errors import WaveHeld, WaveMoved
from migrator.state.records import Hold
from tests.contract.state_stores import ME, SAKURA

SALES = WaveName("sales")
TARO = Address("taro@example.co.jp")
GATEWAY = Ingress("gateway")
T0 = datetime(2026, 12, 5, 13, 0, tzinfo=UTC)


@pytest.fixture
def sales(store: Store) -> WaveName:
    """A wave of two, cut over, with its journals."""
    store.waves.ensure(SALES, [TARO, SAKURA], ME)
    store.flips.observe(SALES, GATEWAY, {TARO: Nexthop("old"), SAKURA: None})
    for address in (TARO, SAKURA):
        store.mailboxes.note_pass(address, SALES, PassKind.FINAL, T0, T0, None, "")
        canary = Canary(address, address, GATEWAY, ServerName("new"), ServerName("old"), CanaryState.PROVEN)
        store.canaries.put(SALES, "cutover", canary)
    to(store, SALES, WaveState.PLANNED, WaveState.COMPLETED)
    return SALES


def to(store: Store, wave: WaveName, was: WaveState, state: WaveState) -> None:
    store.waves.advance(wave, was, state, WaveEvent.DONE, ME, "test")


def belongings(store: Store, wave: WaveName) -> list[set[Address]]:
    """Whose rows the wave has in each journal."""
    return [
        set(store.flips.original(wave, GATEWAY)),
        {canary.address for canary in store.canaries.all(wave)},
        {record.address for record in store.mailboxes.passes(wave)},
    ]


def test_a_part_takes_its_journals_along_and_brings_them_back(store: Store, sales: WaveName) -> None:
    part = store.parts.split(sales, [TARO], ME)
    found = store.waves.get(part)
    assert found is not None
    assert (found.name, found.state, found.mailboxes) == ("sales~1", WaveState.COMPLETED, (TARO,))
    assert (belongings(store, part), belongings(store, sales)) == ([{TARO}] * 3, [{SAKURA}] * 3)
    store.parts.rejoin(found, sales, ME)
    assert store.waves.get(part) is None
    assert belongings(store, sales) == [{TARO, SAKURA}] * 3


def test_what_splits_off_a_part_is_another_part_of_the_wave(store: Store, sales: WaveName) -> None:
    part = store.parts.split(sales, [TARO, SAKURA], ME)
    assert store.parts.split(part, [TARO], ME) == "sales~2"
    assert [record.name for record in store.parts.of(sales)] == ["sales~1", "sales~2"]


def test_a_part_s_hold_is_not_the_next_one_s(store: Store, sales: WaveName) -> None:
    part = store.parts.split(sales, [TARO], ME)
    to(store, part, WaveState.COMPLETED, WaveState.ROLLED_BACK)
    assert store.holds.change(part, lambda hold: replace(hold, postponed=True), ME)
    found = store.waves.get(part)
    assert found is not None
    store.parts.rejoin(found, sales, ME)
    assert not store.holds.get(store.parts.split(sales, [SAKURA], ME))


def test_a_hold_and_a_beginning_exclude_each_other(store: Store) -> None:
    """Two at once, many times over: never is a cutover both held and begun."""
    for n in range(20):
        wave = WaveName(f"w{n}")
        store.waves.ensure(wave, [TARO], ME)
        to(store, wave, WaveState.PLANNED, WaveState.CUTOVER_READY)
        with ThreadPoolExecutor(2) as threads:
            held = threads.submit(store.holds.change, wave, lambda hold: replace(hold, postponed=True), ME)
            begun = threads.submit(to, store, wave, WaveState.CUTOVER_READY, WaveState.FREEZING)
        assert (held.result() is None) == (begun.exception() is None)
        assert begun.exception() is None or isinstance(begun.exception(), WaveHeld)
        found = store.waves.get(wave)
        assert found is not None
        assert bool(store.holds.get(wave)) == (found.state is WaveState.CUTOVER_READY)


def test_the_beginning_uses_up_a_time_that_has_come_and_respects_one_that_has_not(store: Store) -> None:
    store.waves.ensure(SALES, [TARO], ME)
    to(store, SALES, WaveState.PLANNED, WaveState.CUTOVER_READY)
    store.holds.change(SALES, lambda hold: Hold(datetime.now(UTC) + timedelta(hours=1)), ME)
    with pytest.raises(WaveHeld):
        to(store, SALES, WaveState.CUTOVER_READY, WaveState.FREEZING)
    with pytest.raises(WaveMoved):
        to(store, SALES, WaveState.FREEZING, WaveState.DRAINING)
    store.holds.change(SALES, lambda hold: Hold(datetime.now(UTC) - timedelta(seconds=1)), ME)
    to(store, SALES, WaveState.CUTOVER_READY, WaveState.FREEZING)
    assert store.holds.get(SALES) == Hold()
