"""The verdict on canaries."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator.delivery.verdict import Observation, Place, Proof, Sighting, confirm, judge
from migrator.model.canary import Canary, CanaryState
from migrator.model.names import Address, FolderName, Ingress, ServerName

NOON = datetime(2026, 12, 5, 12, tzinfo=UTC)
DEADLINE = NOON + timedelta(minutes=2)
INBOX = Place(FolderName("INBOX"), 1, 7)
SENT = Canary(
    "t1", Address("u@example.co.jp"), Ingress("gateway"), ServerName("new"), ServerName("old"), CanaryState.SENT, NOON
)
FOUND, ABSENT = Sighting(10.0, (INBOX,)), Sighting(11.0)


def test_found_where_expected_and_then_absent_on_the_other_server_is_proven():
    verdict = judge(SENT, Observation(FOUND, ABSENT), NOON, DEADLINE)
    assert verdict.state is CanaryState.PROVEN
    assert verdict.detail == "INBOX UID 7"


def test_absence_that_was_seen_before_the_arrival_proves_nothing():
    assert judge(SENT, Observation(FOUND, Sighting(9.0)), NOON, DEADLINE) == SENT


def test_a_server_that_could_not_be_looked_at_proves_nothing():
    assert judge(SENT, Observation(FOUND, None, "old: timed out"), NOON, DEADLINE) == SENT
    late = judge(SENT, Observation(FOUND, None, "old: timed out"), DEADLINE, DEADLINE)
    assert late.state is CanaryState.UNPROVEN
    assert "old: timed out" in late.detail


@pytest.mark.parametrize("state", list(CanaryState))
def test_on_the_wrong_server_is_misrouted_at_once_whatever_was_thought_before(state):
    wrong = Sighting(11.0, (Place(FolderName("迷惑メール"), 3, 5),))
    verdict = judge(replace(SENT, state=state), Observation(FOUND, wrong), NOON, DEADLINE)
    assert verdict.state is CanaryState.MISROUTED
    assert verdict.detail == "arrived on old: 迷惑メール UID 5"


def test_late_is_pending_before_the_deadline_and_unproven_at_it():
    nothing = Observation(Sighting(10.0), ABSENT)
    assert judge(SENT, nothing, DEADLINE - timedelta(seconds=1), DEADLINE) == SENT
    assert judge(SENT, nothing, DEADLINE, DEADLINE).state is CanaryState.UNPROVEN


def test_an_unproven_canary_says_whether_the_ingress_had_accepted_it():
    nothing = Observation(Sighting(10.0), ABSENT)
    waiting = replace(SENT, state=CanaryState.INTENDED, sent_at=None, detail="450 4.7.0 mailbox is being moved")
    assert "gateway did not accept it" in judge(waiting, nothing, DEADLINE, DEADLINE).detail
    assert "450 4.7.0 mailbox is being moved" in judge(waiting, nothing, DEADLINE, DEADLINE).detail
    assert "accepted by gateway, not found on new" in judge(SENT, nothing, DEADLINE, DEADLINE).detail


def test_a_proven_canary_is_unproven_again_when_the_last_look_at_the_other_server_fails():
    proven = replace(SENT, state=CanaryState.PROVEN)
    assert confirm(proven, Observation(None, ABSENT)) == proven
    assert confirm(proven, Observation(None, None, "old: refused")).state is CanaryState.UNPROVEN
    assert confirm(proven, Observation(None, FOUND)).state is CanaryState.MISROUTED


sightings = st.none() | st.builds(Sighting, st.floats(0, 100), st.just(()) | st.just((INBOX,)))


@given(st.sampled_from(CanaryState), sightings, sightings, st.integers(-5, 5))
def test_no_evidence_is_never_success(state, expected, other, seconds):
    canary = replace(SENT, state=state)
    verdict = judge(canary, Observation(expected, other), DEADLINE + timedelta(seconds=seconds), DEADLINE)
    if verdict.state is CanaryState.PROVEN and state is not CanaryState.PROVEN:
        assert expected is not None
        assert expected.places
        assert other is not None
        assert not other.places
        assert other.at >= expected.at
    if seconds >= 0:
        assert verdict.state not in (CanaryState.INTENDED, CanaryState.SENT)


@given(st.lists(st.tuples(st.sampled_from(CanaryState), st.sampled_from(["gateway", "old-mta"]), st.booleans())))
def test_the_counts_of_the_ingresses_add_up(drawn):
    canaries = tuple(
        replace(SENT, token=str(n), state=state, ingress=Ingress(ingress), sent_at=NOON if sent else None)
        for n, (state, ingress, sent) in enumerate(drawn)
    )
    proof, table = Proof(canaries), Proof(canaries).by_ingress
    assert sum(row.total for row in table) == len(canaries)
    assert proof.found + proof.misrouted + proof.refused + proof.unproven == len(canaries)
    assert sum(row.sent for row in table) == proof.sent
    assert all(row.sent >= row.found + row.misrouted for row in table)
    assert proof.proven == (bool(canaries) and all(c.state is CanaryState.PROVEN for c in canaries))
