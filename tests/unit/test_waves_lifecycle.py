"""The lifecycle's table: what can follow what."""

import pytest

from migrator.model.errors import GateRefused
from migrator.model.wave import FROZEN, WaveEvent, WaveState
from migrator.waves.lifecycle import GOING_BACK, ON_TARGET, TERMINAL, TRANSITIONS, follow
from migrator.waves.run import BACK, FORWARD


def reachable(start: WaveState) -> set[WaveState]:
    found, todo = {start}, [start]
    while todo:
        state = todo.pop()
        for (was, _), to in TRANSITIONS.items():
            if was is state and to not in found:
                found.add(to)
                todo.append(to)
    return found


@pytest.mark.parametrize("state", list(WaveState))
def test_every_state_can_reach_an_end(state: WaveState) -> None:
    assert reachable(state) & TERMINAL


def test_every_state_is_reached_from_the_plan() -> None:
    assert reachable(WaveState.PLANNED) == set(WaveState)


@pytest.mark.parametrize("state", sorted(ON_TARGET))
def test_once_a_route_may_point_to_the_target_the_wave_can_be_rolled_back(state: WaveState) -> None:
    assert (state, WaveEvent.ROLLBACK) in TRANSITIONS


@pytest.mark.parametrize("state", sorted(FROZEN))
def test_before_the_first_flip_there_is_only_the_freeze_to_take_back(state: WaveState) -> None:
    assert TRANSITIONS[state, WaveEvent.ABORT] is WaveState.THAWING
    assert (state, WaveEvent.ROLLBACK) not in TRANSITIONS


@pytest.mark.parametrize("state", sorted(ON_TARGET))
def test_once_a_route_may_point_to_the_target_an_abort_must_carry_mail_back(state: WaveState) -> None:
    assert (state, WaveEvent.ABORT) not in TRANSITIONS


def test_a_step_that_the_table_lacks_is_refused_with_those_it_has() -> None:
    with pytest.raises(GateRefused, match="planned cannot rollback") as refused:
        follow(WaveState.PLANNED, WaveEvent.ROLLBACK)
    assert "start" in refused.value.remedy


def test_every_state_has_its_step_and_each_step_leads_on() -> None:
    asked = {WaveState.CUTOVER_READY}  # its step asks the operator, and is made for each run
    assert set(FORWARD) | set(BACK) | asked | {WaveState.COMPLETED} == set(WaveState)
    assert set(BACK) == GOING_BACK
