"""Bytes that a dead run had sent arrive later, behind a slow wire: a late append is taken away before the cutover."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from migrator.copier import sweep
from migrator.model.wave import PassKind
from tests.crash.copier_victims import MAIL, Victim, victims
from tests.lab.proxy import DelayProxy
from tests.lab.requirements import require
from tests.servers.copier_rig import item

DELAY = 4.0  # seconds; longer than a whole pass takes


@pytest.fixture(scope="module")
def victim() -> Iterator[Callable[[], Victim]]:
    require("dovecot")
    with victims() as make:
        yield make


def die_and_leave_bytes_on_the_way(one: Victim, kind: PassKind, kill_at: int, side: str, proxy: DelayProxy) -> None:
    """Run through the proxy; it becomes slow just before the send after which the run dies."""
    pause = one.rig.directory / "paused"
    direct, one.rig.where[side] = one.rig.where[side], (proxy.host, proxy.port)
    run = threading.Thread(target=one.killed_run, args=(kind, kill_at), kwargs={"pause": str(pause)})
    run.start()
    while not pause.exists():
        assert run.is_alive()
        time.sleep(0.01)
    proxy.delay_up = DELAY
    pause.unlink()
    run.join()
    one.rig.where[side] = direct


def wait_until_all_has_arrived(proxy: DelayProxy) -> None:
    deadline = time.monotonic() + 30
    while proxy.in_flight:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def sends_with_message_text(one: Victim, kind: PassKind) -> list[int]:
    """Boundaries after which message text has just gone out; found by a run that comes through."""
    return list(one.killed_run(kind, 0).marks)


def test_late_appends_of_a_dead_run_are_taken_away_before_the_cutover(victim, make_proxy):
    first = victim()
    first.rig.fill_old(MAIL)
    removed = 0
    for kill_at in sends_with_message_text(first, PassKind.INITIAL):
        one = victim()
        one.rig.fill_old(MAIL)
        proxy = make_proxy((one.rig.new.host, one.rig.new.imap_port))
        die_and_leave_bytes_on_the_way(one, PassKind.INITIAL, kill_at, "target", proxy)
        assert one.run().unaccounted == 0  # too early to see what is on its way: copied again
        assert proxy.in_flight
        wait_until_all_has_arrived(proxy)
        with one.rig.job(PassKind.FINAL) as job:
            removed += sweep(job).removed
        verdict = one.rig.compare()
        assert verdict.clean, f"boundary {kill_at}: {verdict}"
        assert not verdict.extra
        assert one.run(PassKind.FINAL).copied == 0
    assert removed > 0


@pytest.mark.parametrize("kind", [PassKind.CATCH_UP, PassKind.REVERSE])
def test_after_the_cutover_a_late_append_is_never_seen_by_the_user(victim, make_proxy, kind):
    forward = kind is PassKind.CATCH_UP

    def prepare() -> Victim:
        one = victim()
        one.rig.fill_old({"INBOX": MAIL["INBOX"]})
        one.run()
        late = {"INBOX": [item("late"), item("twin")], "New": [item("late too")]}
        (one.rig.fill_old if forward else one.rig.fill_new)(late)
        return one

    for kill_at in sends_with_message_text(prepare(), kind):
        one = prepare()
        server = one.rig.new if forward else one.rig.old
        proxy = make_proxy((server.host, server.imap_port))
        die_and_leave_bytes_on_the_way(one, kind, kill_at, "target" if forward else "source", proxy)
        assert one.run(kind).unaccounted == 0
        wait_until_all_has_arrived(proxy)
        verdict = one.rig.compare()
        assert verdict.clean, f"boundary {kill_at}: {verdict}"
        assert not verdict.extra
        assert one.run(kind).copied == 0
        assert one.rig.compare().clean
