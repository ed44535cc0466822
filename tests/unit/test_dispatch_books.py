"""The books on a run: what mailboxes do, what was moved of a day, how fast; and waiting that heeds the operator."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import UTC
from typing import Any, cast

import pytest

from migrator.dispatch.budget import ConnectionBudget
from migrator.dispatch.clerk import Clerk
from migrator.dispatch.daybook import DayBook
from migrator.model.doing import WORKING, Doing, HeldBy, Hold
from migrator.model.errors import Locked, MigratorError, Stopped
from migrator.model.mailbox import Mailbox
from migrator.model.names import Address, ServerName, WaveName
from migrator.model.rates import Timetable
from migrator.model.wave import PassKind
from tests.unit.test_dispatch_budgets import BOX, NEW, OLD, FakeClock, FakeSums

OTHERS = Hold(HeldBy.CONNECTIONS, "others have them")


class State:
    """What the clerk wrote: doings by address, mailboxes that are over, stretches of copying."""

    def __init__(self) -> None:
        self.put_calls: list[tuple[list[Doing], set[Address]]] = []
        self.stretches: list[Any] = []
        self.doings = self.throughput = self

    def put(self, changed: list[Doing], over: set[Address]) -> None:
        self.put_calls.append((changed, over))

    def add(self, source: ServerName, target: ServerName, at: object, stretch: object) -> None:
        self.stretches.append(stretch)


class Deaf:
    """A Progress that does nothing."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def state() -> State:
    return State()


@pytest.fixture
def clerk(state: State, clock: FakeClock) -> Clerk:
    book = DayBook(FakeSums(), Timetable(), clock)
    return Clerk(cast(Any, state), book, clock, cast(Any, Deaf()), WaveName("sales"), lambda: None)


def test_what_has_not_changed_is_not_written_again(clerk: Clerk, state: State) -> None:
    for _ in range(5):
        clerk.held(BOX, PassKind.DELTA, OTHERS)
        clerk.write()
    assert [len(changed) for changed, _ in state.put_calls] == [1]


def test_a_look_that_waits_for_nothing_leaves_no_trace(clerk: Clerk, state: State) -> None:
    clerk.held(BOX, PassKind.DELTA, WORKING)
    clerk.write()
    assert state.put_calls == []


@pytest.mark.parametrize(
    ("error", "over"), [(MigratorError("it broke"), {BOX.address}), (Locked("another run has it"), set())]
)
def test_a_mailbox_whose_pass_failed_is_not_said_to_be_copying(
    clerk: Clerk, state: State, error: MigratorError, over: set[Address]
) -> None:
    clerk.started(BOX, PassKind.DELTA)
    clerk.failed(BOX, error)
    clerk.write()
    assert state.put_calls[-1][1] == over


@pytest.mark.parametrize(("kind", "begun", "told"), [
    (PassKind.INITIAL, True, 1), (PassKind.REVERSE, True, 0), (PassKind.DELTA, False, 0),
])  # fmt: skip
def test_only_what_goes_from_the_source_to_the_target_says_how_fast_that_is(
    clerk: Clerk, state: State, clock: FakeClock, kind: PassKind, begun: bool, told: int
) -> None:
    """An audit only reads (no pass has begun), a reverse pass goes the other way."""
    if begun:
        clerk.started(BOX, kind)
    clerk.planned(BOX, 10, 1000)
    clock.at += 50
    clerk.copied(BOX, 10, 1000)
    clerk.write(last=True)
    assert len(state.stretches) == told


class Unreadable(FakeSums):
    """Takes what is written, and cannot be read again."""

    def on(self, day: str) -> Mapping[ServerName, int]:
        if self.broken:
            raise OSError("the disk is gone")
        return super().on(day)

    def add(self, day: str, moved: Mapping[ServerName, tuple[int, int]]) -> None:
        was, self.broken = self.broken, False
        super().add(day, moved)
        self.broken = was


def test_a_day_s_sum_is_not_forgotten_when_it_can_be_written_but_not_read(clock: FakeClock) -> None:
    sums = Unreadable()
    book = DayBook(sums, Timetable(UTC), clock)
    book.add([NEW], 1, 500)
    sums.broken = True
    with pytest.raises(OSError, match="gone"):
        book.write()
    assert book.used(NEW) == 500
    sums.broken = False
    book.write()
    assert book.used(NEW) == 500


def test_who_counts_does_not_wait_for_the_state(clock: FakeClock) -> None:
    counted = threading.Event()

    class Slow(FakeSums):
        def add(self, day: str, moved: Mapping[ServerName, tuple[int, int]]) -> None:
            assert counted.wait(10), "the count waits for the state, and the state for the count"
            super().add(day, moved)

    book = DayBook(Slow(), Timetable(UTC), clock)
    book.add([NEW], 1, 500)
    writing = threading.Thread(target=book.write)
    writing.start()
    book.add([NEW], 1, 20)
    assert book.used(NEW) == 520
    counted.set()
    writing.join(10)
    assert book.used(NEW) == 520


def test_who_waits_for_connections_heeds_the_operator() -> None:
    budget = ConnectionBudget({OLD: 1})
    other = Mailbox(Address("u2@example.co.jp"), "sales", OLD, NEW, "u2", "u2")

    def stop() -> None:
        raise Stopped(f"{other.address} was not begun")

    with budget.slots({OLD: 1}), pytest.raises(Stopped), budget.slots({OLD: 1}, stop):
        pytest.fail("there is none")
    with budget.slots({OLD: 1}):
        pass  # and nothing was lost
