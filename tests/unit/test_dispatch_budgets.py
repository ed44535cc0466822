"""Budgets: what servers bear is never exceeded, and what waits is told why and until when."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator.dispatch import ConnectionBudget
from migrator.dispatch.bucket import BURST, Bucket
from migrator.dispatch.budget import FEWEST, RECOVERY
from migrator.dispatch.budgets import ALL, UNSAID, Budget, Budgets
from migrator.dispatch.daybook import DayBook
from migrator.dispatch.pacer import PATIENCE, HeldBack, Pacer, WindowTooShort
from migrator.model.doing import WORKING, HeldBy, Hold
from migrator.model.errors import Stopped
from migrator.model.mailbox import Mailbox
from migrator.model.names import Address, ServerName
from migrator.model.rates import STOP, Rate, RateWindow, Timetable
from migrator.model.wave import PassKind

OLD, NEW = ServerName("old"), ServerName("new")
BOX = Mailbox(Address("u1@example.co.jp"), "sales", OLD, NEW, "u1", "u1")
NOON = datetime(2026, 12, 5, 3, 0, tzinfo=UTC)  # 12:00 in Tokyo
TOKYO = ZoneInfo("Asia/Tokyo")


@dataclass
class FakeClock:
    """Time goes on only while somebody sleeps."""

    at: float = 0.0
    slept: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.at)

    def monotonic(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += seconds


class FakeSums:
    """The state's sums, and how often they were written."""

    def __init__(self) -> None:
        self.sums: dict[tuple[str, ServerName], int] = {}
        self.broken = False

    def add(self, day: str, moved: Mapping[ServerName, tuple[int, int]]) -> None:
        if self.broken:
            raise OSError("the disk is full")
        for server, (octets, _) in moved.items():
            self.sums[day, server] = self.sums.get((day, server), 0) + octets

    def on(self, day: str) -> Mapping[ServerName, int]:
        return {server: octets for (its, server), octets in self.sums.items() if its == day}


@dataclass
class Stop:
    """A StopSignal that says what it is told to."""

    drain: Callable[[], bool] = lambda: False
    at_once: Callable[[], bool] = lambda: False

    def draining(self) -> bool:
        return self.drain() or self.at_once()

    def now(self) -> bool:
        return self.at_once()


class World:
    """Budgets of two servers with a clock of their own, and a pacer that remembers what it told."""

    def __init__(self, kind: PassKind = PassKind.INITIAL, plan: Timetable | None = None, **budgets: Budget) -> None:
        self.clock, self.sums, self.told, self.stop = FakeClock(), FakeSums(), list[Hold](), Stop()
        plan = plan or Timetable(TOKYO)
        self.daybook = DayBook(self.sums, plan, self.clock)
        given: dict[str, Budget] = {OLD: Budget(), NEW: Budget(), **budgets}
        of = {ALL if name == "all" else ServerName(name): one for name, one in given.items()}
        self.budgets = Budgets(of, plan, self.daybook, self.clock)
        self.pacer = Pacer(self.budgets, self.clock, kind, self.stop, lambda _, hold: self.told.append(hold))


@pytest.fixture
def hours_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer looks at the operator's wish, where a test waits for hours."""
    monkeypatch.setattr("migrator.dispatch.pacer.SLICE", 30.0)


@given(
    st.floats(0.5, 1e9),
    st.lists(st.tuples(st.floats(0, 100), st.floats(0, 1e9)), min_size=1, max_size=40),
)
def test_a_bucket_lets_no_more_through_than_its_rate_its_burst_and_one_piece(
    rate: float, asks: list[tuple[float, float]]
) -> None:
    bucket, now, taken, last = Bucket(), 0.0, 0.0, 0.0
    for pause, amount in asks:
        now += pause + bucket.wait(now + pause, rate)
        assert bucket.wait(now, rate) <= 1e-6 * now + 1e-9, "what it asked for was not enough"
        bucket.take(amount)
        taken, last = taken + amount, amount
        assert taken - last <= (rate * (now + BURST)) * (1 + 1e-9)


def test_a_piece_larger_than_the_burst_is_let_through_and_paid_afterwards() -> None:
    bucket = Bucket()
    assert bucket.wait(0.0, 100.0) == 0
    bucket.take(10_000)
    assert bucket.wait(0.0, 100.0) == pytest.approx(100)
    assert bucket.wait(99.0, 100.0) == pytest.approx(1)


def test_without_a_rate_nothing_is_owed() -> None:
    bucket = Bucket()
    bucket.wait(0.0, 1.0)
    bucket.take(10**9)
    assert bucket.wait(1.0, None) == 0
    assert bucket.wait(1.0, 1.0) == 0


def test_what_is_asked_for_takes_as_long_as_the_slower_server_needs() -> None:
    world = World(old=Budget(Rate(1000)), new=Budget(Rate(500)))
    for _ in range(11):
        world.pacer.spend(BOX, 1, 1000)
    assert sum(world.clock.slept) == pytest.approx(20, rel=0.01)  # ten are paid, the last one is owed
    assert {hold.by for hold in world.told} == {HeldBy.BUDGET, HeldBy.NOTHING}
    assert "new: bytes_per_second 500" in {hold.detail for hold in world.told}
    assert world.told[-1] == WORKING


def test_messages_a_second_and_all_servers_together_have_limits_of_their_own() -> None:
    few = World(new=Budget(Rate(messages_per_second=10)))
    for _ in range(6):
        few.pacer.spend(BOX, 20, 1)
    assert sum(few.clock.slept) == pytest.approx(10, rel=0.01)
    together = World(all=Budget(Rate(1000)))
    for _ in range(6):
        together.pacer.spend(BOX, 1, 2000)
    assert sum(together.clock.slept) == pytest.approx(10, rel=0.01)  # each message once, not once a server


def test_without_limits_nothing_waits_and_nothing_is_told() -> None:
    world = World()
    for _ in range(1000):
        world.pacer.spend(BOX, 100, 10**9)
    assert (world.clock.slept, world.told) == ([], [])


def test_a_long_wait_is_none_for_open_connections() -> None:
    world = World(new=Budget(Rate(1000)))
    world.pacer.spend(BOX, 1, 1000 * int(PATIENCE + 5))
    with pytest.raises(HeldBack, match="new: bytes_per_second 1,000"):
        world.pacer.spend(BOX, 1, 1)
    assert sum(world.clock.slept) <= PATIENCE
    world.pacer.admit(BOX, None)
    assert sum(world.clock.slept) == pytest.approx(PATIENCE + 5, rel=0.01)
    world.pacer.spend(BOX, 1, 1)


@pytest.mark.usefixtures("hours_pass")
def test_a_day_s_budget_is_kept_over_restarts_and_ends_at_midnight_of_the_zone() -> None:
    world = World(new=Budget(bytes_per_day=10_000))
    world.pacer.spend(BOX, 2, 9_999)
    world.daybook.write()
    again = World(new=Budget(bytes_per_day=10_000))
    again.sums.sums = world.sums.sums
    again.daybook.write()
    again.pacer.spend(BOX, 1, 1)
    with pytest.raises(HeldBack, match="new: bytes_per_day 10,000 used up"):
        again.pacer.spend(BOX, 1, 1)
    again.pacer.admit(BOX, None)
    assert again.clock.now() >= datetime(2026, 12, 5, 15, 0, tzinfo=UTC)  # midnight in Tokyo
    again.pacer.spend(BOX, 1, 1)
    assert again.daybook.used(NEW) == 1


def test_sums_that_could_not_be_written_are_written_later() -> None:
    world = World()
    world.pacer.spend(BOX, 1, 5)
    world.sums.broken = True
    with pytest.raises(OSError, match="full"):
        world.daybook.write()
    assert world.daybook.used(OLD) == 5
    world.sums.broken = False
    world.daybook.write()
    world.daybook.write()
    assert world.sums.on("2026-12-05") == {OLD: 5, NEW: 5, ALL: 5}
    assert world.daybook.used(OLD) == 5


def test_another_run_s_spending_counts() -> None:
    world = World(old=Budget(bytes_per_day=100))
    world.sums.add("2026-12-05", {OLD: (100, 1)})
    world.pacer.spend(BOX, 1, 1)  # not known yet
    world.daybook.write()
    with pytest.raises(HeldBack):
        world.pacer.spend(BOX, 1, 1)


REST = Timetable(TOKYO, (RateWindow(8 * 60, 20 * 60, STOP),))


@pytest.mark.usefixtures("hours_pass")
def test_an_hour_of_rest_holds_a_start_until_it_ends() -> None:
    world = World(plan=REST)
    world.pacer.admit(BOX, None)
    assert world.clock.now().astimezone(TOKYO).hour == 20
    assert world.told[0].by is HeldBy.WINDOW
    assert world.told[0].until == datetime(2026, 12, 5, 11, 0, tzinfo=UTC)


@pytest.mark.parametrize("kind", [PassKind.FINAL, PassKind.CATCH_UP, PassKind.REVERSE])
def test_rest_and_a_spent_day_do_not_hold_what_mail_waits_for_but_rates_do(kind: PassKind) -> None:
    world = World(kind, REST, new=Budget(Rate(1000), bytes_per_day=1))
    for _ in range(3):
        world.pacer.admit(BOX, None)
        world.pacer.spend(BOX, 1, 1000)
    assert sum(world.clock.slept) == pytest.approx(3 - 1, rel=0.01)


@pytest.mark.usefixtures("hours_pass")
def test_a_rest_beyond_the_wave_s_window_ends_the_run_with_a_word() -> None:
    world = World(plan=REST)
    with pytest.raises(WindowTooShort, match="nothing more before 2026-12-05 11:00 UTC") as refused:
        world.pacer.admit(BOX, NOON + timedelta(hours=7))
    assert refused.value.remedy
    world.pacer.admit(BOX, NOON + timedelta(hours=8, seconds=1))


def test_the_longest_of_several_waits_is_told() -> None:
    world = World(plan=REST, old=Budget(Rate(1000)))
    world.budgets.spend(frozenset({OLD}), 1, 5000, may_rest=False)
    hold = world.budgets.hold(frozenset({OLD, NEW}), may_rest=True)
    assert hold is not None
    assert hold.by is HeldBy.WINDOW
    assert (world.budgets.hold(frozenset({OLD, NEW}), may_rest=False) or hold).by is HeldBy.BUDGET


def test_a_window_s_own_rate_holds_while_it_lasts() -> None:
    plan = Timetable(TOKYO, (RateWindow(12 * 60, 12 * 60 + 1, Rate(100)),))
    world = World(plan=plan)
    for _ in range(5):
        world.pacer.spend(BOX, 1, 1000)
    assert sum(world.clock.slept) == pytest.approx(40, rel=0.01)
    world.clock.at = 61.0
    for _ in range(100):
        world.pacer.spend(BOX, 1, 10**6)
    assert sum(world.clock.slept) == pytest.approx(40, rel=0.01)


def test_the_operator_s_stop_ends_a_wait() -> None:
    world = World(new=Budget(Rate(10)))
    world.stop.at_once = lambda: world.clock.at > 3
    world.pacer.spend(BOX, 1, 1000)
    with pytest.raises(Stopped):
        world.pacer.spend(BOX, 1, 1)
    assert world.clock.at < 4
    resting = World(plan=REST)
    resting.stop.drain = lambda: resting.clock.at > 3
    with pytest.raises(Stopped, match="stops all copying"):
        resting.pacer.admit(BOX, None)
    assert resting.clock.at < 4


def test_a_server_that_asks_for_patience_gets_it_from_all_its_mailboxes() -> None:
    other = Mailbox(Address("u2@example.co.jp"), "sales", OLD, ServerName("third"), "u2", "u2")
    world = World(third=Budget())
    assert world.budgets.be_patient(NEW, 30.0, "[THROTTLED] slow down") == 30
    assert world.budgets.be_patient(NEW, 40.0, "again") is None, "no news"
    world.pacer.admit(other, None)
    assert world.clock.slept == []
    world.pacer.spend(BOX, 1, 1)
    assert world.clock.at == pytest.approx(40, rel=0.01)
    assert world.told[0].by is HeldBy.SERVER
    assert world.told[0].detail == "new asks for patience: again"
    assert world.budgets.be_patient(NEW, None, "later") == UNSAID
    assert world.budgets.be_patient(OLD, 10_000.0, "much later") == 300


def test_a_server_that_asked_for_patience_gets_half_the_connections_and_slowly_more_again() -> None:
    clock = FakeClock()
    budget = ConnectionBudget({OLD: 20, NEW: 3}, clock=clock)
    assert budget.ease(OLD, rest=300.0) == 10
    assert (budget.limit(OLD), budget.limit(NEW)) == (10, 3), "while it rests, too"
    clock.at = 300 + RECOVERY * 2
    assert budget.limit(OLD) == 12
    clock.at += RECOVERY * 100
    assert budget.limit(OLD) == 20
    for _ in range(9):
        budget.ease(OLD)
        budget.ease(NEW)
    assert (budget.limit(OLD), budget.limit(NEW)) == (FEWEST, 3), "a mailbox can always be worked"


def test_all_servers_together_never_get_more_than_their_limit() -> None:
    budget = ConnectionBudget({OLD: 20, NEW: 20}, together=6)
    assert not budget.fits({OLD: 4, NEW: 5})
    assert budget.fits({OLD: 2, NEW: 3})
    waited = list[str]()
    with budget.slots({OLD: 2, NEW: 3}) as granted:
        assert sum(granted.values()) == 5
        with budget.slots({OLD: 1}):
            assert budget._grant({NEW: 1}) is None
    with budget.slots({OLD: 9, NEW: 9}, lambda: waited.append("")):
        assert budget._grant({OLD: 1}) is None, "what is more than all may have is alone"
    assert waited == []
