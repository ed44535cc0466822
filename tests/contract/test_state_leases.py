"""Leases, on SQLite and on PostgreSQL: one holder, a growing fence, a takeover from the dead."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from migrator import state
from migrator.model.errors import ExitCode, Locked
from migrator.model.names import WaveName
from migrator.state import Actor, Lease, Store
from migrator.state.errors import LeaseLost
from tests.contract.state_stores import ME, TTL, other

NO_TIME = timedelta(0)
TAKE = """
import sys
from datetime import timedelta
from migrator import state
from migrator.model.errors import Locked
stores = {}
print("ready", flush=True)
for line in sys.stdin:
    url, key = line.split()
    if url not in stores:
        stores[url] = state.open(url, create=False)
    try:
        lease = stores[url].leases.acquire(key, state.here(["racer"]), timedelta(minutes=1))
        print("won", lease.fence, flush=True)
    except Locked:
        print("locked", flush=True)
"""


class Racer:
    """A process that tries to take a lease when told to."""

    def __init__(self) -> None:
        command = [sys.executable, "-c", TAKE]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    def tell(self, url: str, key: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{url} {key}\n")

    def answer(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="module")
def racers() -> Iterator[list[Racer]]:
    started = [Racer(), Racer()]
    assert [racer.answer() for racer in started] == ["ready", "ready"]
    yield started
    for racer in started:
        racer.kill()


@pytest.fixture
def mortal() -> Iterator[Racer]:
    racer = Racer()
    assert racer.answer() == "ready"
    yield racer
    racer.kill()


@pytest.fixture
def dead() -> Callable[[], Actor]:
    """Makes processes of this host that have ended."""

    def make() -> Actor:
        process = subprocess.Popen(["true"])
        process.wait()
        return replace(ME, pid=process.pid)

    return make


def test_of_two_processes_that_race_for_a_lease_exactly_one_wins(store: Store, racers: list[Racer], url: str) -> None:
    for number in range(50):
        for racer in racers:
            racer.tell(url, f"wave:{number}")
        assert sorted(racer.answer() for racer in racers) == ["locked", "won 1"]


def test_the_loser_is_told_who_holds_it_and_since_when(store: Store, lease: Lease) -> None:
    with pytest.raises(Locked) as refused:
        store.leases.acquire(lease.key, other(), TTL)
    text = str(refused.value)
    for part in (ME.user, ME.host, str(ME.pid), ME.command, f"{lease.since:%Y-%m-%d %H:%M:%S}", "sakura@example.co.jp"):
        assert part in text
    assert refused.value.exit_code is ExitCode.LOCKED
    assert refused.value.remedy
    assert store.leases.holder(lease.key) == lease


def test_the_same_process_cannot_take_it_twice(store: Store, lease: Lease) -> None:
    with pytest.raises(Locked):
        store.leases.acquire(lease.key, ME, TTL)


def test_a_released_lease_is_free_and_the_fence_grows(store: Store, lease: Lease) -> None:
    store.leases.release(lease)
    assert store.leases.holder(lease.key) is None
    assert store.leases.acquire(lease.key, other(), TTL).fence > lease.fence


def test_an_expired_lease_may_be_taken_and_its_holder_cannot_go_on(store: Store) -> None:
    lost = store.leases.acquire("wave:sales", other(), NO_TIME)
    assert store.leases.holder("wave:sales") is None
    mine = store.leases.acquire("wave:sales", ME, TTL)
    assert mine.fence > lost.fence
    with pytest.raises(LeaseLost, match=ME.host):
        store.leases.renew(lost)
    store.leases.release(lost)
    assert store.leases.holder("wave:sales") == mine
    (taken,) = store.audit.rows(WaveName("sales"))
    assert (taken.what, taken.actor) == ("lease taken over", ME)
    assert "hanako@elsewhere" in str(taken.detail["from"])


def test_renewing_moves_the_end_and_keeps_the_fence(store: Store, lease: Lease) -> None:
    renewed = store.leases.renew(lease)
    assert renewed.expires > lease.expires
    assert renewed == replace(lease, expires=renewed.expires) == store.leases.holder(lease.key)


def test_a_released_lease_cannot_be_renewed(store: Store, lease: Lease) -> None:
    store.leases.release(lease)
    with pytest.raises(LeaseLost):
        store.leases.renew(lease)


def test_a_killed_holder_of_this_host_is_replaced_at_once(store: Store, mortal: Racer, url: str) -> None:
    mortal.tell(url, "wave:sales")
    assert mortal.answer() == "won 1"
    with pytest.raises(Locked):
        store.leases.acquire("wave:sales", ME, TTL)
    mortal.kill()
    assert store.leases.holder("wave:sales") is None
    assert store.leases.acquire("wave:sales", ME, TTL).fence == 2


def test_a_holder_whose_number_went_to_another_process_is_replaced_at_once(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = state.process.identity(ME.pid)
    assert known is not None
    with monkeypatch.context() as earlier:
        earlier.setattr("migrator.state.leases.identity", lambda pid: known + "0")
        store.leases.acquire("wave:sales", ME, TTL)
    assert store.leases.acquire("wave:sales", ME, TTL).fence == 2


def test_a_holder_on_another_host_is_waited_for(store: Store, dead: Callable[[], Actor]) -> None:
    with pytest.MonkeyPatch.context() as elsewhere:
        elsewhere.setattr("migrator.state.leases.identity", lambda pid: f"another-boot/pid:[1]/{pid}")
        store.leases.acquire("wave:sales", replace(dead(), host="elsewhere"), TTL)
    with pytest.raises(Locked):
        store.leases.acquire("wave:sales", ME, TTL)


def test_sixteen_threads_that_race_for_a_lease_have_one_winner(store: Store) -> None:
    def take(number: int) -> bool:
        try:
            store.leases.acquire("wave:sales", other(number), TTL)
        except Locked:
            return False
        return True

    with ThreadPoolExecutor(16) as threads:
        assert sum(threads.map(take, range(16))) == 1
