"""The guard of a freeze, and a run that comes back to life after it: what is let go, told, and taken back."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from migrator import state
from migrator.cli.app import app
from migrator.model.names import Nexthop, WaveName
from migrator.model.route import Flip, Flips
from migrator.model.wave import WaveEvent, WaveState
from migrator.routing import RouteConflict
from migrator.state.errors import LeaseLost
from migrator.waves import cutover, guard, rollback
from migrator.waves.flips import frozen, set_routes
from migrator.waves.operation import Operation
from migrator.waves.run import let_no_mail_wait, roll_back
from tests.unit import workspace_files
from tests.unit.wave_world import CONFIG, NEW, OLD, ROWS, A, B, crew_of, op, put, routes

__all__ = ["op"]  # a fixture


def freeze(op: Operation) -> None:
    for place in op.places:
        set_routes(op, place, "freeze", dict.fromkeys((A, B), place.routing.freeze_value))


def told(op: Operation) -> Any:
    heard: list[Any] = []
    return replace(op, notify=heard.append), heard


def test_a_rollback_that_let_its_mail_go_by_itself_keeps_the_reason_why_it_stopped(
    op: Operation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All the same each place is told once more: the routes may be back, and a reload have failed."""
    again: list[int] = []

    def count(apply: Any, flips: Flips) -> Any:
        again.append(len(flips.changes))
        return apply(flips)

    for place in op.places:
        monkeypatch.setattr(place.routing, "apply", partial(count, place.routing.apply))
    put(op, WaveState.ROLLING_BACK)
    cutover.flip(op)
    op.store.waves.set_error(op.wave.name, "the target is away")
    heeded, heard = told(op)
    again.clear()
    let_no_mail_wait(heeded)
    assert op.record().error == "the target is away"
    assert heard == []
    assert again == [0, 0]


def test_a_rollback_whose_run_died_has_its_mail_let_go_to_the_target(op: Operation) -> None:
    put(op, WaveState.ROLLING_BACK)
    cutover.flip(op)
    freeze(op)
    heeded, heard = told(op)
    let_no_mail_wait(heeded)
    assert routes(op) == [{NEW}, {NEW}]
    assert "has died" in op.record().error
    assert [notice.event for notice in heard] == ["stopped"]


@pytest.mark.parametrize("state", [WaveState.SYNCED, WaveState.VERIFYING, WaveState.COMPLETED, WaveState.ROLLED_BACK])
def test_a_wave_that_another_run_has_brought_to_rest_is_left_alone(op: Operation, state: WaveState) -> None:
    put(op, state)
    heeded, heard = told(op)
    let_no_mail_wait(heeded)
    assert (op.record().state, op.record().error, heard) == (state, "", [])


def test_a_flip_back_that_a_place_refuses_says_where_every_route_stands(op: Operation) -> None:
    put(op, WaveState.FLIPPING_BACK)
    cutover.flip(op)
    gateway = op.places[0]
    elsewhere = Nexthop("smtp:[hand.example]")
    gateway.routing.apply(Flips((Flip(A, Nexthop(NEW), elsewhere),)))
    with pytest.raises(RouteConflict):
        roll_back(op)
    assert f'gateway: {A}: "{elsewhere}", ?' in op.record().error
    assert f"old-mta: {B}: (no entry), old" in op.record().error
    assert f'gateway: {B}: "{OLD}", old' in str(op.progress.notes)  # type: ignore[attr-defined]


@pytest.mark.parametrize("state", [WaveState.FLIPPING_BACK, WaveState.RELEASING_BACK])
def test_held_mail_is_tried_again_when_a_rollback_died_around_its_flip(
    op: Operation, state: WaveState, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(op, WaveState.ROLLING_BACK)
    cutover.flip(op)
    (freeze if state is WaveState.FLIPPING_BACK else rollback.flip_back)(op)
    op.store.waves.advance(op.wave.name, WaveState.ROLLING_BACK, state, WaveEvent.DONE, op.actor, "test")
    flushed: list[list[set[str | None]]] = []
    monkeypatch.setattr(cutover, "flush", lambda op: flushed.append(routes(op)))
    let_no_mail_wait(op)
    assert op.record().state is WaveState.RELEASING_BACK
    assert flushed == [[{OLD}, {None}]]
    assert crew_of(op).done == []  # no IMAP


def test_a_write_of_a_run_that_was_replaced_while_it_slept_is_taken_back(
    op: Operation, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(op, WaveState.FREEZING)
    gateway = op.places[0]
    apply = gateway.routing.apply

    def sleep_in_it(flips: Flips) -> Any:
        monkeypatch.setattr(gateway.routing, "apply", apply)
        op.store.leases.release(op.lease)  # what the guard does meanwhile, and that it took the freeze back
        op.store.leases.acquire(op.lease.key, op.actor, timedelta(minutes=1))
        return apply(flips)

    monkeypatch.setattr(gateway.routing, "apply", sleep_in_it)
    wanted = frozen(op, gateway)
    assert wanted is not None
    with pytest.raises(LeaseLost):
        set_routes(op, gateway, "freeze", wanted)
    assert routes(op) == [{OLD}, {None}]


def test_what_the_other_run_has_written_by_then_stays(op: Operation, monkeypatch: pytest.MonkeyPatch) -> None:
    put(op, WaveState.FREEZING)
    gateway = op.places[0]
    apply = gateway.routing.apply

    def sleep_after_it(flips: Flips) -> Any:
        made = apply(flips)
        monkeypatch.setattr(gateway.routing, "apply", apply)
        op.store.leases.release(op.lease)
        lease = op.store.leases.acquire(op.lease.key, op.actor, timedelta(minutes=1))
        set_routes(replace(op, lease=lease), gateway, "flip", dict.fromkeys((A, B), NEW))  # type: ignore[arg-type]
        return made

    monkeypatch.setattr(gateway.routing, "apply", sleep_after_it)
    wanted = frozen(op, gateway)
    assert wanted is not None
    with pytest.raises(LeaseLost):
        set_routes(op, gateway, "freeze", wanted)
    assert routes(op) == [{NEW}, {None}]


def test_the_guard_tries_again_where_a_place_could_not_be_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "PAUSES", (0.01,))
    monkeypatch.setattr(guard, "GRACE", timedelta(0))
    tried = tmp_path / "tried"
    script = tmp_path / "reload"
    script.write_text(f"#!/bin/sh\necho x >> {tried}\ntest $(wc -l < {tried}) -gt 2\n")
    script.chmod(0o755)
    config = CONFIG.replace("reload: null", f'reload: "{script}"')
    sales = f"wave: sales\ntarget: new\nmailboxes: [{A}, {B}]\n"
    root = workspace_files.make(tmp_path, config, ROWS, {"sales": sales})
    for name in ("gateway", "old-mta"):
        (root / name).write_text("")
    name = WaveName("sales")
    with state.open(f"sqlite:///{root}/state/migrator.db") as store:
        me = state.here(["migrator"])
        store.waves.ensure(name, [A, B], me)
        for place in ("gateway", "old-mta"):
            store.flips.observe(name, place, dict.fromkeys((A, B)))  # type: ignore[arg-type]
        past = datetime.now(UTC) - timedelta(minutes=1)
        store.waves.advance(name, WaveState.PLANNED, WaveState.DRAINING, WaveEvent.DONE, me, "test", deadline=past)
        result = CliRunner().invoke(app, ["-C", str(root), "wave", "guard", "sales"], prog_name="migrator")
        assert result.exit_code == 0, result.output
        found = store.waves.get(name)
    assert found is not None
    assert found.state is WaveState.SYNCED
    assert len(tried.read_text().splitlines()) > 2
