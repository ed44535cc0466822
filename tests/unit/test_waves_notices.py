"""A whole small wave tells of itself, and goes on whatever becomes of that."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from migrator import state, workspace
from migrator.delivery import Proof
from migrator.model.errors import Unreachable
from migrator.model.names import WaveName
from migrator.model.wave import PassKind, WaveState
from migrator.reports import notice_webhook
from migrator.reports.notices import telling
from migrator.waves import cutover
from migrator.waves.operation import Operation, operate
from migrator.waves.places import places
from migrator.waves.run import roll_back, run
from tests.lab.listeners import HOST, Hook, Postbox
from tests.lab.processes import free_port
from tests.unit import workspace_files
from tests.unit.wave_world import CONFIG, NEW, OLD, ROWS, A, B, Crew, Quiet, agree, crew_of, put, routes

FORWARD = ["draining", "final-pass", "flipping", "releasing", "verifying", "catching-up", "completed"]


@pytest.fixture
def working(tmp_path: Path) -> Callable[..., Any]:
    """An Operation that tells those it is given, as `operate` makes it but for its passes."""
    (tmp_path / "gateway").write_text(f"{A} {OLD}\n{B} {OLD}\n")
    (tmp_path / "old-mta").write_text("")
    sales = f"wave: sales\ntarget: new\nmailboxes: [{A}, {B}]\n"

    @contextmanager
    def make(*entries: dict[str, Any]) -> Iterator[Operation]:
        config = f"{CONFIG}notify: {json.dumps(entries)}\n"
        loaded = workspace.load(workspace_files.make(tmp_path, config, ROWS, {"sales": sales}))
        me, wave = state.here(["migrator", "wave", "run", "sales"]), loaded.waves[WaveName("sales")]
        quiet: Any = Quiet()
        with ExitStack() as stack:
            store = stack.enter_context(state.open(f"sqlite:///{tmp_path}/state/m.db"))
            notify = stack.enter_context(telling(loaded, store, me, quiet.note))
            lease = store.leases.acquire("wave:sales", me, timedelta(minutes=1))
            crew: Any = Crew(quiet)
            yield Operation(loaded, store, wave, me, quiet, quiet, crew, places(loaded), lease, notify=notify)

    return make


@pytest.fixture(autouse=True)
def _proven(monkeypatch: Any) -> None:
    monkeypatch.setattr(cutover, "prove_delivery", lambda op, since: Proof(()))
    for gate in ("refuse_unproven", "refuse_unsound"):
        monkeypatch.setattr(cutover, gate, lambda *arguments: None)


def hook_entry(hook: Hook, **more: Any) -> dict[str, Any]:
    return {"kind": "webhook", "url": hook.url(), **more}


def mail_entry(port: int) -> dict[str, Any]:
    return {"kind": "mail", "smtp": {"host": HOST, "port": port}, "from": "it@x.jp", "to": ["a@x.jp"]}


def test_every_transition_is_told_and_none_of_those_who_fail_holds_the_wave_up(
    working: Callable[..., Any], tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr(notice_webhook, "TIMEOUT", 60.0)
    done = threading.Event()  # set when the wave is completed: what waits for it has not been answered until then

    def hang() -> int:
        assert done.wait(60)
        return 200

    with Hook() as good, Hook(lambda: 500) as broken, Hook(hang) as slow, Postbox() as box:
        told = [
            hook_entry(good),
            hook_entry(broken),
            hook_entry(slow),
            mail_entry(box.port),
            mail_entry(free_port(HOST)),
        ]
        with working(*told) as op:
            put(op, WaveState.FREEZING)
            run(op, agree)
            assert len(slow.posts) <= 1
            assert (op.record().state, routes(op)) == (WaveState.COMPLETED, [{NEW}, {NEW}])
            done.set()
    assert [post["event"] for post in good.posts] == FORWARD
    assert [post["was"] for post in good.posts] == ["freezing", *FORWARD[:-1]]
    assert [post["event"] for post in slow.posts] == FORWARD
    assert len(box.raw) == len(FORWARD)
    with state.open(f"sqlite:///{tmp_path}/state/m.db") as store:
        lost = [row.detail["event"] for row in store.audit.rows(WaveName("sales")) if row.what == "notice not sent"]
    assert sorted(map(str, lost)) == sorted(FORWARD * 2)


def test_a_stop_is_told_with_its_error_and_what_to_do(working: Callable[..., Any]) -> None:
    with Hook() as hook:
        with working(hook_entry(hook)) as op:
            put(op, WaveState.DRAINING)
            crew_of(op).during = away
            with pytest.raises(Unreachable):
                run(op, agree)
        assert [post["event"] for post in hook.posts] == ["final-pass", "thawing", "synced", "stopped"]
    last = hook.posts[-1]
    assert (last["was"], last["state"]) == ("final-pass", "synced")
    assert (last["error"], last["remedy"]) == ("the source is away", "Run the same command again: it resumes.")
    assert last["text"] == (
        f"Wave sales: STOPPED, somebody must look ({last['at'][11:16]})\n"
        "What happened: the source is away\nWhat to do: Run the same command again: it resumes."
    )


def test_an_alarm_is_told_and_the_wave_goes_on(working: Callable[..., Any]) -> None:
    with Hook() as hook, working(hook_entry(hook, events=["alarm"])) as op:
        put(op, WaveState.CATCHING_UP)
        cutover.alarm(op, "the source still receives")
        run(op, agree)
    [post] = hook.posts
    assert (post["state"], post["error"]) == ("catching-up", "the source still receives")
    assert post["text"].startswith("Wave sales: ALARM, somebody must look")


def away(kind: PassKind, stop: Any) -> None:
    raise Unreachable("the source is away")


def test_a_stop_is_told_also_when_making_safe_fails_and_the_state_takes_no_error(
    working: Callable[..., Any], monkeypatch: Any
) -> None:
    with Hook() as hook:
        with working(hook_entry(hook)) as op:
            put(op, WaveState.REVERSE_PASS)
            crew_of(op).during = away
            (op.workspace.root / "gateway").unlink()
            monkeypatch.setattr(op.store.waves, "set_error", lambda name, text: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                roll_back(op)
        [post] = hook.posts
    assert post["event"] == "stopped"
    assert "the source is away" in post["error"] and "Then: " in post["error"] and "gateway" in post["error"]


def test_a_wave_that_is_worked_tells_those_of_its_workspace(working: Callable[..., Any]) -> None:
    """`operate` is what the command line uses."""
    with Hook() as hook, working(hook_entry(hook)) as op:
        quiet: Any = Quiet()
        loaded, store, wave, me = op.workspace, op.store, op.wave, op.actor
        store.leases.release(op.lease)
        with operate(loaded, store, wave, me, quiet, quiet) as other:
            put(other, WaveState.FREEZING)
            roll_back(other)
        assert [post["event"] for post in hook.posts] == ["thawing", "synced"]
