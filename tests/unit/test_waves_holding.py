"""A cutover that waits: for its time, for the operator's word; gates that are let pass; hypercare."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from migrator.model.errors import GateRefused, Stopped, Unreachable
from migrator.model.names import WaveName
from migrator.model.wave import PassKind, WaveEvent, WaveState
from migrator.waves import cutover, gates, holding, passes
from migrator.waves.gates import Seen
from migrator.waves.holding import postpone, release, schedule, wait_until_released
from migrator.waves.operation import Operation
from migrator.waves.run import FORWARD, run
from migrator.waves.run import _drive as drive
from tests.unit.wave_world import NEW, OLD, A, crew_of, op, put, routes

__all__ = ["op"]  # a fixture
SALES = WaveName("sales")
SOON = timedelta(milliseconds=300)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch, op: Operation) -> None:
    monkeypatch.setattr(holding, "POLL", 0.01)
    monkeypatch.setattr(passes, "POLL", 0.01)
    settings: Any = op.workspace.config.cutover
    object.__setattr__(settings, "waiting_pass", timedelta(milliseconds=50))


def during(op: Operation, work: Any) -> None:
    crew_of(op).during = lambda kind, stop: work(len(crew_of(op).done))


def test_a_cutover_waits_for_its_time_and_the_wave_is_kept_in_step_meanwhile(op):
    schedule(op.store, SALES, datetime.now(UTC) + timedelta(hours=5), op.actor)
    its_time = datetime.now(UTC)
    during(op, lambda count: schedule(op.store, SALES, its_time, op.actor) if count == 2 else None)
    wait_until_released(op)
    assert not op.store.holds.get(SALES).holds(datetime.now(UTC))
    assert len(crew_of(op).done) == 2
    assert "the cutover waits: for 20" in op.progress.notes[0]


def test_a_postponed_cutover_waits_until_it_is_released_by_another_process(op):
    postpone(op.store, SALES, op.actor)
    during(op, lambda count: release(op.store, SALES, op.actor) if count == 3 else None)
    wait_until_released(op)
    assert len(crew_of(op).done) == 3
    assert [row.what for row in op.store.audit.rows(SALES)].count("cutover released") == 1


def test_a_pass_that_fails_while_the_cutover_waits_is_told_and_tried_again(op):
    postpone(op.store, SALES, op.actor)

    def fail_once(count: int) -> None:
        if count == 1:
            raise Unreachable("old.example does not answer")
        release(op.store, SALES, op.actor)

    during(op, fail_once)
    wait_until_released(op)
    assert any("old.example does not answer" in note for note in op.progress.notes)
    assert len(crew_of(op).done) == 2


def test_a_cutover_that_waits_can_be_stopped(op):
    postpone(op.store, SALES, op.actor)
    during(op, lambda count: setattr(op.stop, "pressed", 1))
    with pytest.raises(Stopped):
        wait_until_released(op)
    assert routes(op) == [{OLD}, {None}]


def test_releasing_can_be_taken_back_until_the_freeze_begins(op, monkeypatch):
    """Postponed at the very last question: the wave goes back to its passes, waits, and is cut over once released."""
    sound = {name: lambda op: Seen(True, "") for name in ("window", *gates.UNSOUND)}
    monkeypatch.setattr(gates, "BEFORE_CANARIES", sound)
    monkeypatch.setattr(gates, "canaries_arrive", lambda op: Seen(True, ""))
    put(op, WaveState.SYNCED)
    crew_of(op).finds = {"behind": 0}
    asked: list[str] = []

    def approve(question: str) -> None:
        asked.append(question)
        if len(asked) == 2:
            raise Stopped("the test ends here")
        postpone(op.store, SALES, op.actor)

    def release_when_it_waits(kind: PassKind, stop: Any) -> None:
        if any("the cutover waits: postponed" in note for note in op.progress.notes):
            release(op.store, SALES, op.actor)

    crew_of(op).during = release_when_it_waits
    with pytest.raises(Stopped, match="ends here"):
        run(op, approve)
    assert len(asked) == 2
    assert op.record().state is WaveState.CUTOVER_READY
    assert routes(op) == [{OLD}, {None}]


def test_a_cutover_that_has_begun_cannot_be_postponed_and_released_once_more_it_goes_on(op):
    put(op, WaveState.FREEZING)
    with pytest.raises(GateRefused, match="cannot be held any more"):
        postpone(op.store, SALES, op.actor)
    assert not release(op.store, SALES, op.actor)


def test_postponed_between_the_last_look_and_the_beginning_the_cutover_waits(op, monkeypatch):
    """Who was told that it is postponed never sees it begin."""
    put(op, WaveState.CUTOVER_READY)
    postpone(op.store, SALES, op.actor)
    crew_of(op).finds = {"copied": 0}
    crew_of(op).during = lambda kind, stop: setattr(op.stop, "pressed", 1)
    with pytest.raises(Stopped):
        drive(op, {WaveState.CUTOVER_READY: lambda op: WaveEvent.START, **FORWARD}, WaveState.FREEZING)
    assert op.record().state is WaveState.SYNCING
    assert op.store.holds.get(SALES).holds(datetime.now(UTC))


def test_a_cutover_uses_its_hold_up_and_the_next_one_waits_for_nothing(op):
    put(op, WaveState.CUTOVER_READY)
    schedule(op.store, SALES, datetime.now(UTC) - timedelta(minutes=1), op.actor)
    op.advance(WaveState.CUTOVER_READY, WaveEvent.START, "test")
    assert not op.store.holds.get(SALES)


def test_times_to_live_that_cannot_be_lowered_just_now_do_not_end_the_waiting(op, monkeypatch):
    postpone(op.store, SALES, op.actor)
    asked = []

    def away(op: Any) -> dict[Any, datetime]:
        asked.append(op)
        raise Unreachable("ns1.example does not answer")

    monkeypatch.setattr(holding, "prepare_places", away)
    during(op, lambda count: release(op.store, SALES, op.actor) if count == 2 else None)
    wait_until_released(op)
    assert len(asked) == 3
    assert any("ns1.example does not answer" in note for note in op.progress.notes)


def test_the_last_pass_before_the_gates_is_one_that_went_well(op):
    postpone(op.store, SALES, op.actor)

    def fail_once(count: int) -> None:
        if count == 1:
            release(op.store, SALES, op.actor)
            raise Unreachable("old.example does not answer")

    during(op, fail_once)
    wait_until_released(op)
    assert len(crew_of(op).done) == 2


def closed(op: Operation) -> Seen:
    return Seen(False, "1 mailbox is full", "Raise it.")


def test_a_gate_is_let_pass_with_a_reason_that_the_audit_log_has(op, monkeypatch):
    monkeypatch.setattr(gates, "BEFORE_CANARIES", {"quota": closed})
    monkeypatch.setattr(gates, "canaries_arrive", lambda op: Seen(True, "1 of 1"))
    with pytest.raises(GateRefused, match="1 mailbox is full"):
        gates.refuse_closed(op)
    op.skips["quota"] = "raised at midnight"
    gates.refuse_closed(op)
    row = op.store.audit.rows(SALES)[-1]
    assert row.detail["skipped"] == {"quota": "raised at midnight"}
    assert "gate quota: SKIPPED (raised at midnight): 1 mailbox is full" in op.progress.notes


def test_a_gate_that_is_open_is_not_skipped(op, monkeypatch):
    monkeypatch.setattr(gates, "BEFORE_CANARIES", {"quota": lambda op: Seen(True, "fine")})
    op.skips["quota"] = "no need"
    assert [result.skipped for result in gates.check_quietly(op)] == [""]


@pytest.mark.parametrize("name", ["lease", "quotas"])
def test_the_lease_and_what_is_no_gate_cannot_be_skipped(name):
    with pytest.raises(gates.UnknownGate, match=name):
        gates.refuse_odd_skips({name: "because"})


def test_the_hypercare_lasts_its_time_and_until_the_source_is_quiet(op, monkeypatch):
    monkeypatch.setattr(passes, "LOOK_EVERY", 0.05)
    until = datetime.now(UTC) + SOON
    found = [2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]

    def report(kind: PassKind, stop: Any) -> None:
        crew_of(op).finds = {"copied": found.pop(0) if found else 0}

    crew_of(op).during = report
    late: list[int] = []
    carried = passes.catch_up_until_quiet(op, PassKind.CATCH_UP, until, late.append)
    assert datetime.now(UTC) >= until
    assert carried == 2 * 3  # two mailboxes, three messages each
    assert late == [2]


def test_a_wish_to_stop_is_heeded_in_the_middle_of_the_hypercare(op, monkeypatch):
    pauses: list[float] = []

    def stop_at_the_second(seconds: float) -> None:
        pauses.append(seconds)
        op.stop.pressed = len(pauses) // 2

    monkeypatch.setattr(passes, "sleep", stop_at_the_second)
    with pytest.raises(Stopped):
        passes.catch_up_until_quiet(op, PassKind.CATCH_UP, datetime.now(UTC) + timedelta(hours=1))
    assert len(pauses) == 2


def test_a_source_that_still_receives_long_after_the_flip_is_an_alarm(op, monkeypatch):
    monkeypatch.setattr(cutover, "SETTLED", timedelta(0))
    object.__setattr__(op.workspace.config.cutover, "drain_timeout", timedelta(0))
    monkeypatch.setattr(cutover, "tidy_late", lambda op: 0)
    put(op, WaveState.CATCHING_UP)
    found = [0, 1, 0]
    crew_of(op).during = lambda kind, stop: setattr(crew_of(op), "finds", {"copied": found.pop(0) if found else 0})
    cutover.carry_late_mail(op)
    assert any(note.startswith("ALARM: sales: the source still receives: 2 messages") for note in op.progress.notes)
    assert "alarm" in [row.what for row in op.store.audit.rows(SALES)]


def test_routes_that_could_not_be_put_back_are_told_address_by_address(op):
    from migrator.waves.flips import set_routes, to_server, where_routes_stand

    put(op, WaveState.FLIPPING)
    gateway = op.places[0]
    set_routes(op, gateway, "flip", {A: to_server(op, gateway)[A]})
    told = where_routes_stand(op)
    assert f'gateway: {A}: "{NEW}", new' in told
    assert 'gateway: b@example.co.jp: "smtp:[old.example]", old' in told
    assert f"old-mta: {A}: (no entry), old" in told


@pytest.mark.parametrize(("state", "open"), [(WaveState.CATCHING_UP, False), (WaveState.COMPLETED, True)])
def test_another_wave_in_its_hypercare_closes_the_gate(op, state, open):
    other = WaveName("development")
    op.store.waves.ensure(other, ["dev@example.co.jp"], op.actor)
    op.store.waves.advance(other, WaveState.PLANNED, state, WaveEvent.DONE, op.actor, "test")
    result = gates.BEFORE_CANARIES["other-waves"](op)
    assert (result.open, "development is" in result.text) == (open, not open)


@pytest.mark.parametrize(("ago", "told"), [(timedelta(hours=1), True), (timedelta(minutes=3), False)])
def test_mail_on_the_source_is_an_alarm_only_when_no_old_answer_can_linger(op, monkeypatch, ago, told):
    entry = type(op.places[0].entry)
    monkeypatch.setattr(entry, "lingers", property(lambda self: timedelta(minutes=30)))
    record = replace(op.record(), since=datetime.now(UTC) - ago)
    monkeypatch.setattr(Operation, "record", lambda self: record)
    cutover.tell_if_late(op, 1)
    cutover.tell_if_late(op, 0)
    assert [note for note in op.progress.notes if "ALARM" in note] == (
        ["ALARM: sales: the source still receives: 1 messages came there long after the flip"] if told else []
    )


def test_a_queue_is_never_waited_for_longer_than_a_freeze_may_last(op, monkeypatch):
    settings = op.workspace.config.cutover
    object.__setattr__(settings, "drain_timeout", timedelta(hours=1))
    object.__setattr__(settings, "freeze_deadline", timedelta(milliseconds=50))
    monkeypatch.setattr(cutover, "_active", lambda op, place: 1)
    monkeypatch.setattr(cutover, "POLL", 0.01)
    cutover.wait_for_queues(op)
    assert op.progress.notes[-1] == "old-mta: still delivering after 0:00:00.050000; going on"
