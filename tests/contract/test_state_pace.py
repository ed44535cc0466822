"""What is spent of a day, what runs are doing, how fast servers were: kept, and the same on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from migrator import state
from migrator.model.doing import Doing, HeldBy, Hold
from migrator.model.estimate import Stretch
from migrator.model.names import Address, ServerName, WaveName
from migrator.model.wave import PassKind
from migrator.state import Store
from migrator.state.throughput import KEPT
from tests.contract.state_stores import SAKURA

OLD, NEW, SALES = ServerName("old"), ServerName("new"), WaveName("sales")
AT = datetime(2026, 12, 5, 13, 30, tzinfo=UTC)


def doing(address: Address = SAKURA, **more: object) -> Doing:
    given: dict[str, object] = {"kind": PassKind.INITIAL, "hold": Hold(HeldBy.NOTHING, ""), "since": AT, **more}
    return Doing(address, SALES, **given)  # type: ignore[arg-type]


def test_a_day_s_sum_grows_and_outlives_its_run(store: Store, url: str) -> None:
    store.spent.add("2026-12-05", {OLD: (100, 2), NEW: (110, 2)})
    store.spent.add("2026-12-05", {OLD: (50, 1)})
    store.spent.add("2026-12-06", {OLD: (7, 1)})
    store.close()
    with state.open(url) as again:
        assert again.spent.on("2026-12-05") == {OLD: 150, NEW: 110}
        assert again.spent.on("2026-12-06") == {OLD: 7}
        assert again.spent.on("2026-12-07") == {}


def test_runs_that_count_at_once_lose_nothing(store: Store) -> None:
    with ThreadPoolExecutor(8) as threads:
        for _ in range(80):
            threads.submit(store.spent.add, "2026-12-05", {OLD: (1000, 1), NEW: (1, 1)})
    assert store.spent.on("2026-12-05") == {OLD: 80_000, NEW: 80}


def test_what_a_mailbox_is_doing_is_replaced_and_dropped(store: Store) -> None:
    other = Address("b@example.co.jp")
    until = AT + timedelta(hours=2)
    held = doing(hold=Hold(HeldBy.WINDOW, "at rest", until=until), started=AT, planned_octets=5_000_000_000)
    store.doings.put([doing(), doing(other)])
    store.doings.put([held])
    assert store.doings.of(SALES) == {SAKURA: held, other: doing(other)}
    store.doings.put([], over=[SAKURA])
    assert store.doings.of(SALES) == {other: doing(other)}
    assert store.doings.of(WaveName("hr")) == {}


def test_the_last_stretches_of_each_pair_are_kept(store: Store) -> None:
    for second in range(KEPT + 5):
        store.throughput.add(OLD, NEW, AT, Stretch(30.0, second, 1))
    store.throughput.add(NEW, OLD, AT, Stretch(30.5, 7, 1))
    assert [one.octets for one in store.throughput.last(OLD, NEW)] == list(range(5, KEPT + 5))
    assert store.throughput.last(NEW, OLD) == (Stretch(30.5, 7, 1),)
    assert store.throughput.last(OLD, OLD) == ()
