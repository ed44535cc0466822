"""Driving a wave over real map files, with mailboxes that need no work: what stops it, and what it leaves behind."""

import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from migrator.dispatch import PassResults
from migrator.model.errors import GateRefused, Locked, MigratorError, Stopped, Unreachable
from migrator.model.names import Nexthop, WaveName
from migrator.model.route import Flip, Flips, Queue
from migrator.model.wave import PassKind, WaveEvent, WaveState
from migrator.routing import RouteConflict
from migrator.state.errors import LeaseLost
from migrator.waves import cutover, flips, rollback
from migrator.waves.decisions import refuse_in_cutover
from migrator.waves.flips import NotObserved, originals, set_routes, to_server
from migrator.waves.gates import check_quietly
from migrator.waves.operation import Operation
from migrator.waves.passes import MAX_ROUNDS, MailboxesFailed, until_in_step
from migrator.waves.run import BACK, FORWARD, Step, let_no_mail_wait, roll_back, run
from tests.unit.wave_world import HELD, NEW, OLD, A, B, agree, crew_of, op, put, routes

__all__ = ["op"]  # a fixture


@pytest.mark.parametrize("reached", [WaveState.FREEZING, WaveState.FINAL_PASS, WaveState.FLIPPING, WaveState.VERIFYING])
def test_a_wave_in_its_cutover_does_not_run_on_when_it_is_asked_to_stop_at_synced(
    op: Operation, reached: WaveState
) -> None:
    put(op, reached)
    with pytest.raises(GateRefused, match="cannot stop at synced"):
        run(op, agree, WaveState.SYNCED)
    assert op.record().state is reached
    assert routes(op) == [{OLD}, {None}]


def test_a_mailbox_that_another_wave_has_moved_is_not_worked(op: Operation) -> None:
    late = WaveName("late")
    op.store.waves.ensure(late, [B], op.actor)
    op.store.waves.advance(late, WaveState.PLANNED, WaveState.COMPLETED, WaveEvent.DONE, op.actor, "test")
    with pytest.raises(GateRefused, match=r"b@example\.co\.jp of wave sales belongs to wave late"):
        run(op, agree)
    assert crew_of(op).done == []


def test_an_address_that_left_the_wave_after_a_rollback_is_not_flipped_back_with_it(op: Operation) -> None:
    put(op, WaveState.FLIPPING)
    cutover.flip(op)
    rollback.flip_back(op)
    fewer = replace(op.wave, mailboxes=(A,))
    op.store.waves.advance(op.wave.name, WaveState.FLIPPING, WaveState.ROLLED_BACK, WaveEvent.DONE, op.actor, "test")
    left = replace(op, wave=fewer, workspace=replace(op.workspace, waves={op.wave.name: fewer}))
    gateway = op.places[0]
    gateway.routing.apply(Flips((Flip(B, OLD, NEW),)))  # type: ignore[arg-type]  # as another wave does
    assert B not in originals(left, gateway)
    put(left, WaveState.THAWING)
    cutover.thaw(left)
    assert gateway.routing.read([A, B]) == {A: OLD, B: NEW}


def test_the_gates_are_not_looked_at_again_once_the_target_has_a_user(op: Operation) -> None:
    put(op, WaveState.COMPLETED)
    with pytest.raises(GateRefused, match="its gates are behind it"):
        check_quietly(op)


def test_the_final_pass_is_stopped_at_the_freezes_deadline_and_the_freeze_taken_back(op: Operation) -> None:
    put(op, WaveState.FREEZING, datetime.now(UTC) + timedelta(seconds=0.5))
    late = datetime.now(UTC) + timedelta(seconds=10)

    def endless(kind: PassKind, stop: Any) -> None:
        while not stop.now() and datetime.now(UTC) < late:
            pass

    crew_of(op).during = endless
    with pytest.raises(cutover.FreezeExpired):
        run(op, agree)
    assert datetime.now(UTC) < late
    assert op.record().state is WaveState.SYNCED
    assert routes(op) == [{OLD}, {None}]
    assert "deadline" in op.record().error


def test_a_queue_that_does_not_empty_holds_no_mail_beyond_the_freezes_deadline(op: Operation, monkeypatch: Any) -> None:
    put(op, WaveState.FREEZING, datetime.now(UTC) + timedelta(seconds=0.5))
    late = datetime.now(UTC) + timedelta(seconds=20)
    for place in op.places:
        monkeypatch.setattr(place.routing, "queue", lambda addresses: Queue(active=1))
    with pytest.raises(cutover.FreezeExpired):
        run(op, agree)
    assert datetime.now(UTC) < late
    assert crew_of(op).done == []
    assert op.record().state is WaveState.SYNCED
    assert routes(op) == [{OLD}, {None}]


def test_a_run_that_slept_beyond_the_deadline_and_was_replaced_says_so(op: Operation) -> None:
    """Its signal to stop came from a deadline that is gone by now; nobody pressed Ctrl-C."""
    put(op, WaveState.FINAL_PASS, datetime.now(UTC) + timedelta(seconds=0.3))
    late = datetime.now(UTC) + timedelta(seconds=10)

    def sleep(kind: PassKind, stop: Any) -> None:
        while not stop.now() and datetime.now(UTC) < late:
            pass
        op.store.leases.release(op.lease)  # what the guard does
        op.store.leases.acquire(op.lease.key, op.actor, timedelta(minutes=1))
        op.store.waves.advance(
            op.wave.name, WaveState.FINAL_PASS, WaveState.SYNCED, WaveEvent.ABORT, op.actor, "guard", deadline=None
        )

    crew_of(op).during = sleep
    with pytest.raises(LeaseLost):
        run(op, agree)
    assert op.record().error == ""


def test_a_freeze_that_a_dead_run_left_beyond_its_deadline_is_not_made_anew(op: Operation) -> None:
    put(op, WaveState.DRAINING, datetime.now(UTC) - timedelta(hours=1))
    for place in op.places:
        set_routes(op, place, "freeze", dict.fromkeys(op.addresses, place.routing.freeze_value))
    with pytest.raises(cutover.FreezeExpired):
        run(op, agree)
    assert crew_of(op).done == []
    assert routes(op) == [{OLD}, {None}]


def test_the_freeze_of_a_rollback_has_a_deadline_too_and_mail_goes_on_to_the_target(op: Operation) -> None:
    put(op, WaveState.COMPLETED)
    cutover.flip(op)
    none = op.workspace.config.cutover.model_copy(update={"freeze_deadline": timedelta(0)})
    config = op.workspace.config.model_copy(update={"cutover": none})
    with pytest.raises(cutover.FreezeExpired, match="before the flip"):
        roll_back(replace(op, workspace=replace(op.workspace, config=config)))
    assert routes(op) == [{NEW}, {NEW}]
    assert op.record().state is WaveState.ROLLING_BACK


def test_a_conflict_in_the_flip_takes_the_wave_back_though_the_operator_asked_to_stop(op: Operation) -> None:
    put(op, WaveState.FLIPPING)
    elsewhere = "smtp:[elsewhere.example]"
    op.places[1].routing.apply(Flips((Flip(A, None, elsewhere),)))  # type: ignore[arg-type]
    op.stop.pressed = 1  # type: ignore[attr-defined]
    with pytest.raises(RouteConflict, match=r"elsewhere\.example"):
        run(op, agree)
    assert op.places[0].routing.read([A, B]) == {A: OLD, B: OLD}
    assert op.places[1].routing.read([A, B]) == {A: elsewhere, B: None}


def test_an_entry_that_changes_between_look_and_write_is_a_conflict(op: Operation, monkeypatch: Any) -> None:
    put(op, WaveState.FLIPPING)
    gateway = op.places[0]
    renew = op.store.leases.renew

    def meanwhile(lease: Any) -> Any:
        path = op.workspace.root / "gateway"
        path.write_text(path.read_text().replace(f"{A} {OLD}", f"{A} smtp:[hand.example]"))
        return renew(lease)

    monkeypatch.setattr(op.store.leases, "renew", meanwhile)
    with pytest.raises(RouteConflict, match=r"hand\.example"):
        set_routes(op, gateway, "flip", to_server(op, gateway))
    assert gateway.routing.read([A, B]) == {A: "smtp:[hand.example]", B: OLD}


def test_an_entry_that_changes_after_the_write_does_not_read_as_if_nothing_was_written(
    op: Operation, monkeypatch: Any
) -> None:
    put(op, WaveState.FLIPPING)
    gateway, path = op.places[0], op.workspace.root / "gateway"

    def by_hand(*given: Any) -> None:
        path.write_text(path.read_text().replace(f"{A} {NEW}", f"{A} smtp:[hand.example]"))

    monkeypatch.setattr(flips, "_take_back_if_stale", by_hand)  # what is done between the write and the last look
    with pytest.raises(RouteConflict, match=r"hand\.example") as refused:
        set_routes(op, gateway, "flip", to_server(op, gateway))
    assert "they were as wanted when they had been written" in str(refused.value)
    assert "nothing was written" not in str(refused.value)
    assert gateway.routing.read([B]) == {B: NEW}


def test_what_was_left_alone_in_a_restore_is_not_told_as_if_nothing_was_written(op: Operation) -> None:
    put(op, WaveState.FLIPPING)
    cutover.flip(op)
    gateway = op.places[0]
    gateway.routing.apply(Flips((Flip(A, NEW, "smtp:[hand.example]"),)))  # type: ignore[arg-type]
    (conflict,) = flips.restore(op, "flip back", originals, op.places)
    assert "these were left alone, all others are as wanted" in str(conflict)
    assert gateway.routing.read([A, B]) == {A: "smtp:[hand.example]", B: OLD}


@pytest.mark.parametrize("step", [cutover.freeze, cutover.final_pass, cutover.flip])
def test_nothing_is_written_where_nobody_noted_what_was_there(op: Operation, step: Any) -> None:
    """The gate could not look at the second place, and was let pass: a rollback could put nothing back there."""
    op.record()
    put(replace(op, places=op.places[:1]), WaveState.FREEZING)
    op.skips["accounted"] = "these passes leave no record"  # type: ignore[index]
    with pytest.raises(NotObserved, match="old-mta: 2 entries, first a@example"):
        step(op)
    assert routes(op)[1] == {None}


def test_a_place_that_was_added_after_the_cutover_holds_no_mail_back_for_ever(op: Operation) -> None:
    put(replace(op, places=op.places[:1]), WaveState.FLIPPING)
    cutover.flip(replace(op, places=op.places[:1]))
    rollback.freeze_and_drain(op)
    assert routes(op) == [{HELD}, {None}]
    assert any("old-mta: left alone, not looked at before" in note for note in op.progress.notes)  # type: ignore[attr-defined]


def test_draining_ends_at_the_freezes_deadline(op: Operation, monkeypatch: pytest.MonkeyPatch) -> None:
    put(op, WaveState.DRAINING, datetime.now(UTC) + timedelta(seconds=0.3))
    monkeypatch.setattr(cutover, "_active", lambda op, place: 1)
    op.workspace.config.cutover.__dict__["drain_timeout"] = timedelta(seconds=10)
    with pytest.raises(cutover.FreezeExpired):
        cutover.drain(op)


@pytest.mark.parametrize("held", [WaveState.DRAINING, WaveState.REVERSE_PASS, WaveState.FLIPPING_BACK])
def test_whoever_takes_up_a_run_that_died_while_mail_waits_has_a_guard(op: Operation, held: WaveState) -> None:
    """The first run's guard may have died with its machine."""
    put(op, held, datetime.now(UTC) + timedelta(minutes=5))
    crew_of(op).during = lambda kind, stop: (_ for _ in ()).throw(Unreachable("away"))
    posted: list[bool] = []
    work = run if held is WaveState.DRAINING else lambda op, agree: roll_back(op)
    with pytest.raises(MigratorError):
        work(replace(op, post_guard=lambda: posted.append(True)), agree)
    assert posted


def test_when_a_flip_back_is_finished_for_a_dead_run_the_held_mail_is_tried_at_once(op: Operation) -> None:
    put(op, WaveState.FLIPPING_BACK)
    flushed: list[str] = []
    for place in op.places:
        object.__setattr__(place.routing, "flush", lambda addresses, name=place.name: flushed.append(name))
    let_no_mail_wait(op)
    assert op.record().state is WaveState.RELEASING_BACK
    assert flushed == ["gateway", "old-mta"]


class Cached:
    """A place whose time to live was lowered."""

    def __init__(self, routing: Any) -> None:
        self._routing, self.finished = routing, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._routing, name)

    def prepare(self, addresses: Any) -> datetime:
        return datetime.now(UTC)

    def finish(self, addresses: Any) -> None:
        self.finished += 1


@pytest.mark.parametrize(
    ("state", "ends"),
    [
        (WaveState.SYNCED, WaveState.SYNCED),  # given up before its cutover
        (WaveState.DRAINING, WaveState.SYNCED),
        (WaveState.FLIPPING, WaveState.ROLLED_BACK),  # by itself
    ],
)
def test_times_to_live_are_put_back_whichever_way_a_cutover_ends(
    op: Operation, state: WaveState, ends: WaveState, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(op, state)
    forward, back = cast("dict[WaveState, Step]", FORWARD), cast("dict[WaveState, Step]", BACK)
    monkeypatch.setitem(forward, WaveState.FLIPPING, lambda op: (_ for _ in ()).throw(Unreachable("away")))
    monkeypatch.setitem(back, WaveState.VERIFYING_BACK, lambda op: WaveEvent.DONE)
    cached: Any = Cached(op.places[0].routing)
    ready = replace(op, places=(replace(op.places[0], routing=cached), op.places[1]))
    with suppress(MigratorError):
        run(ready, agree) if state is WaveState.FLIPPING else roll_back(ready)
    assert (op.record().state, cached.finished) == (ends, 1)


def test_no_mailbox_leaves_or_joins_a_wave_while_a_run_is_at_its_gates(op: Operation) -> None:
    put(op, WaveState.CUTOVER_READY)
    with pytest.raises(Locked, match="at the gates"):
        refuse_in_cutover(op.store, A)
    op.store.leases.release(op.lease)
    refuse_in_cutover(op.store, A)


@pytest.mark.parametrize(("state", "skips"), [(WaveState.SYNCING, True), (WaveState.CATCHING_UP, False)])
def test_a_failed_mailbox_is_told_to_be_left_out_only_where_it_can_be(
    op: Operation, state: WaveState, skips: bool
) -> None:
    put(op, state)
    crew_of(op).run = lambda wave, mailboxes, kind: PassResults(errors={A: Unreachable("away")})
    with pytest.raises(MigratorError) as failed:
        run(op, agree)
    assert ("mailbox skip" in failed.value.remedy) is skips


def test_a_short_round_that_leaves_little_behind_needs_no_other_one(op: Operation) -> None:
    crew: Any = op.crew
    crew.finds = {"copied": 5000, "behind": 50}  # of two mailboxes together as many as may be
    until_in_step(op)
    assert crew.done == [PassKind.INITIAL]


@pytest.mark.parametrize("finds", [{}, {"behind": 51}, {"behind": 0, "failed": 1}, {"behind": 0, "unaccounted": 1}])
def test_a_round_that_leaves_more_behind_or_does_not_know_is_followed_by_another(op: Operation, finds: Any) -> None:
    crew: Any = op.crew
    crew.finds = {"copied": 51, **finds}
    with pytest.raises(MailboxesFailed, match="not in step"):
        until_in_step(op)
    assert len(crew.done) == MAX_ROUNDS


def test_what_the_first_passes_of_a_long_round_told_is_too_old(op: Operation, monkeypatch: Any) -> None:
    monkeypatch.setattr("migrator.waves.passes.STILL_TRUE", 0.0)
    crew: Any = op.crew
    crew.finds = {"copied": 51, "behind": 0}
    with pytest.raises(MailboxesFailed, match="not in step"):
        until_in_step(op)


def test_mail_that_keeps_arriving_does_not_hold_up_a_rollback(op: Operation) -> None:
    put(op, WaveState.ROLLING_BACK)
    crew: Any = op.crew
    crew.finds = {"copied": 1}  # in every pass
    rollback.freeze_and_drain(op)
    assert crew.done == [PassKind.REVERSE]
    put(op, WaveState.REVERSE_PASS)
    rollback.reverse_pass(op)
    assert crew.done == [PassKind.REVERSE] * 2


def test_rounds_go_on_before_a_rollback_s_freeze_while_each_carries_much_less(op: Operation) -> None:
    put(op, WaveState.ROLLING_BACK)
    crew, found = crew_of(op), iter([5000, 400, 51, 51, 51])  # in each of two mailboxes
    crew.during = lambda kind, stop: setattr(crew, "finds", {"copied": next(found)})
    rollback.freeze_and_drain(op)
    assert crew.done == [PassKind.REVERSE] * 4


def test_a_rollback_carries_most_of_the_mail_before_it_holds_any_back(op: Operation) -> None:
    put(op, WaveState.ROLLING_BACK)
    held_at: list[bool] = []
    crew: Any = op.crew
    crew.finds = {"copied": 51}  # of two mailboxes together more than may be left
    crew.during = lambda kind, stop: held_at.append({HELD} in routes(op))
    rollback.freeze_and_drain(op)
    assert held_at == [False] * 2  # the second carried as much as the first: a third would, too
    assert routes(op) == [{HELD}, {HELD}]


def test_what_stopped_a_wave_is_kept_also_when_making_it_safe_fails(op: Operation) -> None:
    put(op, WaveState.REVERSE_PASS)
    crew_of(op).during = lambda kind, stop: (_ for _ in ()).throw(Unreachable("the target is away"))
    (op.workspace.root / "gateway").unlink()
    with pytest.raises(MigratorError):
        roll_back(op)
    assert "the target is away" in op.record().error
    assert "gateway" in op.record().error


def test_a_stop_while_mail_is_held_back_leaves_no_freeze(op: Operation) -> None:
    put(op, WaveState.DRAINING)
    op.stop.pressed = 2  # type: ignore[attr-defined]
    with pytest.raises(Stopped):
        run(op, agree)
    assert op.record().state is WaveState.SYNCED
    assert routes(op) == [{OLD}, {None}]


def test_a_run_s_start_loads_nothing_that_only_others_need() -> None:
    program = """if True:
        import sys
        import migrator.cli.logs, migrator.cli.wave, migrator.state.store, migrator.waves.run
        heavy = "alembic jinja2 psycopg rich sqlalchemy.orm sqlmodel migrator.copier.audit migrator.reports.document"
        print(*sorted(set(heavy.split()) & sys.modules.keys()))
    """
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"


def test_an_entry_that_was_put_right_by_hand_is_left_so_by_the_rollback(op: Operation) -> None:
    """What was found before the cutover was wrong (the gate was let pass), and is not what a rollback goes back to."""
    gateway = op.places[0]
    wrong, right = Nexthop("smtp:[elsewhere.example]"), Nexthop(OLD)
    gateway.routing.apply(Flips((Flip(A, right, wrong),)))
    put(op, WaveState.FLIPPING)
    gateway.routing.apply(Flips((Flip(A, wrong, Nexthop(NEW)), Flip(B, right, Nexthop(NEW)))))
    op.store.flips.intend(op.wave.name, gateway.name, "flip", Flips((Flip(B, right, Nexthop(NEW)),)))
    gateway.routing.apply(Flips((Flip(A, Nexthop(NEW), right),)))
    rollback.flip_back(op)
    assert routes(op)[0] == {OLD}
