"""Where work runs: connection slots that are never exceeded, and leases that live as long as their work."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migrator import state
from migrator.dispatch import ConnectionBudget, LeaseKeeper
from migrator.dispatch.budget import connections
from migrator.model.errors import Locked
from migrator.model.mailbox import Mailbox
from migrator.model.names import Address, ServerName
from migrator.model.wave import PassKind

OLD, NEW = ServerName("old"), ServerName("new")


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 5), st.integers(1, 5), st.lists(st.tuples(st.integers(1, 7), st.integers(1, 7)), max_size=12))
def test_no_server_ever_has_more_connections_than_its_limit(old: int, new: int, jobs: list[tuple[int, int]]) -> None:
    budget, limits = ConnectionBudget({OLD: old, NEW: new}), {OLD: old, NEW: new}
    open_now, most, lock = dict.fromkeys(limits, 0), dict.fromkeys(limits, 0), threading.Lock()

    def work(wanted: dict[ServerName, int]) -> None:
        with budget.slots(wanted) as granted:
            assert all(1 <= granted[server] <= wanted[server] for server in wanted)
            for sign in (+1, -1):
                with lock:
                    for server, count in granted.items():
                        open_now[server] += sign * count
                        most[server] = max(most[server], open_now[server])
                time.sleep(0.002)  # or the next thread would not have begun

    threads = [threading.Thread(target=work, args=({OLD: a, NEW: b},)) for a, b in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not any(thread.is_alive() for thread in threads), "two jobs wait for each other"
    assert all(most[server] <= limits[server] for server in limits)
    assert set(open_now.values()) == {0}


@pytest.mark.parametrize(
    ("kind", "lanes", "counted"),
    [
        (PassKind.INITIAL, 2, {OLD: 2, NEW: 3}),
        (PassKind.FINAL, 1, {OLD: 1, NEW: 3}),
        (PassKind.CATCH_UP, 2, {OLD: 2, NEW: 3}),
        (PassKind.REVERSE, 1, {OLD: 2, NEW: 2}),
    ],
)
def test_a_pass_counts_its_lanes_its_mover_and_its_lease(
    kind: PassKind, lanes: int, counted: dict[ServerName, int]
) -> None:
    at = Address("u1@example.co.jp")
    assert connections(Mailbox(at, "sales", OLD, NEW, at, at), kind, lanes) == counted
    assert connections(Mailbox(at, "sales", OLD, OLD, at, at), kind, lanes) == {OLD: sum(counted.values())}


def test_a_lease_outlives_its_lifetime_while_it_is_held_and_is_free_afterwards(tmp_path: Path) -> None:
    with state.open(f"sqlite:///{tmp_path}/state/m.db") as store:
        me = state.here(["migrator", "wave", "run", "sales"])
        with LeaseKeeper(store, me, timedelta(seconds=0.6)) as keeper:
            with keeper.hold("wave:sales") as lease:
                first = store.leases.holder("wave:sales")
                assert first is not None
                deadline = time.monotonic() + 20
                while (now := store.leases.holder("wave:sales")) is None or now.expires == first.expires:
                    assert time.monotonic() < deadline, "never renewed"
                    time.sleep(0.05)
                assert now.fence == lease.fence
                with pytest.raises(Locked), keeper.hold("wave:sales"):
                    pass
            assert store.leases.holder("wave:sales") is None
