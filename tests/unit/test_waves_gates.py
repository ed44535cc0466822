"""Gates over places that do not answer, or that know nothing of somebody: each is a finding, and never an accident."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from migrator.delivery import Proof
from migrator.model.canary import Canary, CanaryState, ProofPhase
from migrator.model.errors import GateRefused, MigratorError, Unreachable
from migrator.model.mailbox import Mailbox
from migrator.model.names import Address, ServerName, WaveName
from migrator.model.wave import WaveEvent, WaveState, Window
from migrator.routing.errors import EntryInvalid
from migrator.waves import gates, loops, proof
from migrator.waves.gates import BEFORE_CANARIES, GateResult, Seen, check_quietly
from migrator.waves.loops import wrong_ways
from migrator.waves.operation import Operation
from migrator.waves.probe import expected_side, probe, probe_wave
from migrator.waves.whereabouts import states
from tests.unit.wave_world import A, op, put

__all__ = ["op"]  # a fixture
ROUTES = ("routes", "loops", "ttl")


class Odd:
    """A place that says nothing when it is asked for any of `them`."""

    def __init__(self, routing: Any, them: Collection[Address], error: type[MigratorError]) -> None:
        self._routing, self._them, self._error = routing, set(them), error
        self.asked = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._routing, name)

    def read(self, addresses: Collection[Address]) -> Any:
        self.asked += 1
        if self._them & set(addresses):
            raise self._error("cannot be read", remedy="Mend it.")
        return self._routing.read(addresses)


def odd_at(op: Operation, number: int, them: Collection[Address], error: type[MigratorError] = EntryInvalid) -> Any:
    """The operation with one place that is odd."""
    places = list(op.places)
    odd: Any = Odd(places[number].routing, them, error)
    places[number] = replace(places[number], routing=odd)
    return replace(op, places=tuple(places)), odd


def others(op: Operation, count: int) -> Operation:
    """The workspace with more people, whom no wave has."""
    some = {Address(f"p{n}@example.co.jp") for n in range(count)}
    old, new = ServerName("old"), ServerName("new")
    more = {a: Mailbox(a, "dev", old, new, a, a) for a in sorted(some)}
    return replace(op, workspace=replace(op.workspace, mailboxes={**op.workspace.mailboxes, **more}))


@pytest.mark.parametrize("error", [EntryInvalid, Unreachable])
def test_a_place_that_cannot_be_read_closes_gates_and_the_others_are_looked_at(
    op: Operation, error: type[MigratorError], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gates, "BEFORE_CANARIES", {name: BEFORE_CANARIES[name] for name in ROUTES})
    (op.workspace.root / "old-mta").write_text(f"{A} smtp:[hand.example]\n")
    odd, _ = odd_at(op, 0, [A], error)
    found = {result.gate: result for result in check_quietly(odd)}
    assert [found[name].open for name in ROUTES] == [False, True, True]
    assert "gateway: cannot be read. Mend it." in found["routes"].text
    assert "old-mta: a@example.co.jp is" in found["routes"].text


def test_a_gate_that_raises_is_closed_with_the_remedy_of_the_error(
    op: Operation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raising(op: Operation) -> Seen:
        raise Unreachable("ns1.example does not answer", remedy="Start it.")

    monkeypatch.setattr(gates, "BEFORE_CANARIES", {"ttl": raising})
    assert check_quietly(op) == (GateResult("ttl", False, "ns1.example does not answer", "Start it."),)
    with pytest.raises(GateRefused, match="ttl: ns1"):
        gates.refuse_closed(op)


def test_a_stranger_s_odd_entry_keeps_no_wave_back_and_is_told(op: Operation) -> None:
    odd, place = odd_at(others(op, 40), 0, [Address("p3@example.co.jp"), Address("p31@example.co.jp")])
    wrong, followed = wrong_ways(odd)
    assert (wrong, followed) == ([], 2 * (2 + 38))
    assert "gateway: the ways of 2 others are not followed" in odd.progress.notes[-1]
    assert "p31@example.co.jp, p3@example.co.jp" in odd.progress.notes[-1]
    assert place.asked < 25, "halved, not one by one"


def test_a_place_that_says_nothing_of_anybody_is_not_taken_for_one_with_odd_entries(op: Operation) -> None:
    everyone = others(op, loops.ODD + 1)
    odd, _ = odd_at(everyone, 0, [a for a in everyone.workspace.mailboxes if a.startswith("p")])
    with pytest.raises(EntryInvalid):
        wrong_ways(odd)


def wave(op: Operation, name: str, *states: WaveState) -> None:
    op.store.waves.ensure(WaveName(name), [A], op.actor)
    for was, to in zip((WaveState.PLANNED, *states), states, strict=False):
        op.store.waves.advance(WaveName(name), was, to, WaveEvent.DONE, op.actor, "test")


def test_a_mailbox_of_several_waves_is_where_the_one_is_that_has_moved_it(op: Operation) -> None:
    wave(op, "a-planned")
    wave(op, "b-back", WaveState.ROLLED_BACK)
    wave(op, "c-moved", WaveState.COMPLETED)
    wave(op, "d-later", WaveState.SYNCED)
    assert states(op.store)[A] is WaveState.COMPLETED
    assert expected_side(op.store, op.workspace.mailbox(A)) == ("target", WaveState.COMPLETED)


def test_a_probe_takes_away_what_killed_ones_left_on_the_side_that_may_be_written(
    op: Operation, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, taken = probe_wave(op.workspace.mailbox(A)), list[list[str]]()

    def tidy(some: Sequence[Canary], *more: Any) -> Proof:
        taken.append([canary.token for canary in some])
        return Proof((), len(some), ())

    for token, expected, absent in (("early", "old", "new"), ("killed", "new", "old")):
        canary = Canary(token, A, op.places[0].name, ServerName(expected), ServerName(absent), CanaryState.SENT)
        op.store.canaries.put(own.name, ProofPhase.PROBE, canary)
    monkeypatch.setattr(proof, "tidy", tidy)
    monkeypatch.setattr("migrator.waves.probe.prove_by_hand", lambda *some, **more: Proof((), 0, ()))
    op.crew.at_once = 1  # type: ignore[misc]
    by_hand = replace(op, wave=own)
    put(op, WaveState.SYNCED)
    probe(by_hand)
    assert taken == [], "nothing on a source that has not moved"
    op.store.waves.advance(op.wave.name, WaveState.SYNCED, WaveState.COMPLETED, WaveEvent.DONE, op.actor, "test")
    probe(by_hand)
    assert taken == [["killed"]]


def test_a_closed_window_names_the_file_that_a_part_has(op: Operation) -> None:
    past = Window(datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 1, 2, tzinfo=UTC))
    put(op, WaveState.ROLLED_BACK)
    part = replace(op, wave=replace(op.wave, name=WaveName("sales~1"), window=past))
    assert "waves/sales.yaml" in BEFORE_CANARIES["window"](part).remedy
