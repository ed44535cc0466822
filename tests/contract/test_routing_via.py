"""A Postfix map on another host: whatever dies there, here or in between, and whoever answers too late."""

import inspect
import os
import signal
import time

import pytest

from migrator.model.errors import Locked, Transient, Unreachable
from migrator.model.names import Ingress
from migrator.model.route import Queue
from migrator.routing import map_files, retries
from migrator.routing.errors import CommandFailed, MapInvalid
from migrator.routing.postfix import remote, remote_agent
from migrator.routing.reader import Reader
from tests.contract.places_via import ViaGround, via_ground
from tests.contract.routing_places import NEW, OLD, STALE, A, B, C, D, die_at, ended, in_a_process, place
from tests.lab import require

BEFORE = {A: OLD, B: "smtp:[old.test]   :25", C: OLD, D: None}
WANTED = {A: NEW, B: None, D: NEW}
AFTER = BEFORE | WANTED
STEPS = 'die_at(POINT, {subprocess: ("run",), os: ("replace", "fsync", "unlink")})'
real_program = remote._program


@pytest.fixture(params=["texthash", "hash"])
def type(request):
    require("postfix")
    return request.param


@pytest.fixture
def here():
    """A map of type hash that is reached without ssh."""
    require("postfix")
    with place("hash", made=ViaGround) as made:
        yield made


@pytest.fixture
def there():
    """The same through ssh."""
    yield from via_ground("hash")


@pytest.fixture
def once(monkeypatch):
    """Nothing is tried again."""
    monkeypatch.setattr(retries, "PATIENCE", 0.0)


def routes(here):
    return here.answers((A, B, C, D))


def texts(here):
    return here.answers((A, B, C, D), "texthash")


def changed_agent(change):
    """The program that is sent, with the source of `remote_agent` changed."""
    sources: dict[str, str] = {}
    text = real_program.__wrapped__.__globals__
    kept, text["packed"] = text["packed"], sources.update
    try:
        real_program.__wrapped__()
    finally:
        text["packed"] = kept
    agent = "migrator.routing.postfix.remote_agent"
    return remote.packed({**sources, agent: change(sources[agent])})


def dying(point):
    """The program that is sent, which kills itself at the point."""
    kill = f"{inspect.getsource(die_at)}\n{STEPS.replace('POINT', str(point))}\n"
    return changed_agent(
        lambda source: f"{source}\nimport signal, subprocess\nfrom typing import Any as Callable\n{kill}"
    )


def patched(monkeypatch, *programs):
    """The next calls send these programs, and the last of them from then on."""
    left = list(programs)
    monkeypatch.setattr(remote, "_program", lambda: left.pop(0) if len(left) > 1 else left[0])


def test_killed_there_at_any_step_the_flip_is_whole_or_not_there_and_the_next_apply_completes_it(
    type, monkeypatch, once
):
    point, died = 0, True
    while died:
        with place(type, made=ViaGround) as here:
            flips = here.backend().plan(WANTED)
            patched(monkeypatch, dying(point))
            try:
                here.backend().apply(flips)
                died = False
            except Unreachable:
                pass
            assert routes(here) in (BEFORE, AFTER), point
            patched(monkeypatch, real_program())
            change, expected = (flips, AFTER) if point % 2 else (flips.reversed(), BEFORE)
            here.backend().apply(change if died else flips)
            assert routes(here) == texts(here) == (expected if died else AFTER)
        point += 1
    assert point > 10


def test_killed_there_at_any_step_it_is_asked_again_and_the_flip_is_made(here, monkeypatch):
    flips = here.backend().plan(WANTED)
    for point in range(1, 30, 6):
        for change, expected in ((flips, AFTER), (flips.reversed(), BEFORE)):
            patched(monkeypatch, dying(point), real_program())
            here.backend().apply(change)
            assert routes(here) == texts(here) == expected


def killed_here(there, flips, point, port):
    """Apply through `port` in a process that dies at the point: before and after each thing that it says."""

    def work():
        die_at(point, {remote._Call: ("send", "__exit__")})
        there.via = there.sshd.via(port, "127.0.0.1")
        there.backend().apply(flips)

    return ended(in_a_process(work)) == -signal.SIGKILL


def test_killed_here_at_any_step_what_arrives_there_late_changes_nothing_that_came_after(there, make_proxy):
    proxy = make_proxy((there.sshd.host, there.sshd.port))
    flips = there.backend().plan(WANTED)
    straight, point = there.via, 0
    proxy.delay_up = 0.4
    while killed_here(there, flips, point, proxy.port):
        there.via = straight
        there.backend().revert(flips)
        time.sleep(3 * proxy.delay_up)  # for what the dead one had sent to arrive, if it has not
        assert routes(there) == texts(there) == BEFORE, point
        point += 1
    assert point >= 6


def test_a_request_that_arrives_when_its_sender_is_dead_changes_nothing(there, make_proxy):
    proxy = make_proxy((there.sshd.host, there.sshd.port), delay_up=0.2)
    flips, after_the_request = there.backend().plan(WANTED), 1
    assert killed_here(there, flips, after_the_request, proxy.port)
    wait_for_sessions(there, 2)
    time.sleep(1)  # its session is over; should it be at work still, it needs a tenth of that
    assert routes(there) == BEFORE


def wait_for_sessions(there, count):
    """Until so many have begun at the sshd and all of them are over."""
    log, over = "", 0
    while log.count("Starting session") < count or over < count:
        time.sleep(0.05)
        log = there.sshd.log.read_text()
        over = log.count("Close session") + log.count("Disconnected from user")


@pytest.mark.parametrize("cut", ["before it agrees", "after it agrees", "at the greeting"])
def test_a_connection_that_is_cut_is_made_again_and_the_flip_is_whole(there, monkeypatch, cut):
    flips, straight = there.backend().plan(WANTED), remote._Call.send
    cuts: list[object] = []

    def send(call, data):
        if data != remote_agent.AGREED or cuts:
            straight(call, data)
            if cut == "at the greeting" and not cuts:
                cuts.append(next(call.heard()))
                call._kill()
            return
        cuts.append(cut)
        if cut == "after it agrees":
            straight(call, data)
        call._kill()

    monkeypatch.setattr(remote._Call, "send", send)
    there.backend().apply(flips)
    assert len(cuts) == 1
    assert routes(there) == texts(there) == AFTER
    assert there.backend().plan(WANTED).changes == ()


def test_a_yes_that_comes_too_late_changes_nothing(there, make_proxy, monkeypatch, once):
    patched(monkeypatch, changed_agent(lambda source: source.replace("AGREE_WITHIN = 20.0", "AGREE_WITHIN = 0.3")))
    proxy = make_proxy((there.sshd.host, there.sshd.port))
    flips, straight = there.backend().plan(WANTED), remote._Call.send

    def slow(call, data):
        proxy.delay_up = 2.0 if data == remote_agent.AGREED else 0.0
        straight(call, data)

    monkeypatch.setattr(remote._Call, "send", slow)
    there.via = there.sshd.via(proxy.port, "127.0.0.1")
    with pytest.raises(Transient, match="nobody agreed to the change within"):
        there.backend().apply(flips)
    time.sleep(2.5)
    assert routes(there) == BEFORE


def test_a_host_that_cannot_be_reached_is_unreachable_and_a_finding(there, once):
    there.sshd.__exit__()
    with pytest.raises(Unreachable, match="leads nowhere"):
        there.backend().read([A])
    [finding] = there.backend().check()
    assert (finding.severity, "leads nowhere" in finding.text) == ("error", True)


def test_a_host_that_comes_back_in_time_is_waited_for(here, monkeypatch):
    flag = here.directory / "up"
    here.via = f"sh -c 'test -e {flag} || {{ touch {flag}; exit 255; }}; exec sh -c \"$0\"'"
    assert here.backend().read([A]) == {A: OLD}


def test_a_host_without_a_fit_python_is_told_so(here, once, monkeypatch):
    (here.directory / "python3").write_text("#!/bin/sh\nexit 1\n")
    (here.directory / "python3").chmod(0o755)
    (here.directory / "sh").symlink_to("/bin/sh")
    here.via = f"env PATH={here.directory} /bin/sh -c"
    with pytest.raises(CommandFailed, match=r"no Python 3\.11 or later") as refused:
        here.backend().read([A])
    assert "Install Python 3.11" in refused.value.remedy


def test_an_old_python_is_passed_over_for_a_newer_one_beside_it(here):
    (here.directory / "python3").write_text("#!/bin/sh\nexit 1\n")
    (here.directory / "python3").chmod(0o755)
    here.via = f"env PATH={here.directory}:{os.environ['PATH']} /bin/sh -c"
    if not any(os.access(f"{d}/python3.11", os.X_OK) for d in os.environ["PATH"].split(":")):
        pytest.skip("there is no python3.11 by that name here")
    assert here.backend().read([A]) == {A: OLD}


def test_a_command_that_is_not_there_is_named(here, once):
    here.via = "no-such-program --at all"
    with pytest.raises(CommandFailed, match="`no-such-program --at all` cannot be started"):
        here.backend().read([A])


def test_a_command_that_runs_something_else_is_told_with_its_words(here, once):
    here.via = "sh -c 'echo forced command only >&2; exit 1' x"
    with pytest.raises(CommandFailed, match=r"did not run what it was given.*forced command only"):
        here.backend().read([A])


def test_what_a_login_script_prints_is_passed_over(here):
    here.via = "sh -c 'echo Welcome to gw; echo {}; exec sh -c \"$0\"'"
    assert here.backend().read([A]) == {A: OLD}


def test_an_error_there_is_the_same_error_here_with_the_host_in_it(here, once, monkeypatch):
    here.text.write_text(here.text.read_text() + f"{C} {OLD}\n")
    with pytest.raises(MapInvalid, match=r"gateway \(sh -c\): entries are doubled") as refused:
        here.backend().plan({C: NEW})
    assert "Leave one entry" in refused.value.remedy


def test_a_lock_that_is_held_there_is_waited_for_and_then_named(here, once, monkeypatch):
    patched(
        monkeypatch,
        changed_agent(lambda s: s + "\nfrom migrator.routing import durable\ndurable.LOCK_PATIENCE = 0.2\n"),
    )
    flips = here.backend().plan({A: NEW})
    with map_files.MapFiles(here.text, ".db").exclusive(), pytest.raises(Locked, match=f"process {os.getpid()}"):
        here.backend().apply(flips)
    here.backend().apply(flips)
    assert here.answer(A) == NEW


def test_the_list_of_recipients_is_kept_in_step_there_too(here):
    recipients = here.text.with_name("recipients")
    recipients.write_text(f"{A} OK\n")
    reader = Reader(f"sh -c 'echo told >> {here.reloads_log}'")
    routing = remote.RemotePostfixMap(
        here.via, Ingress("gateway"), here.text, "hash", reader=reader, freeze=None, recipients=(recipients, "texthash")
    )
    routing.apply(routing.plan({A: NEW, D: NEW}))
    assert (here.answer(D), recipients.read_text()) == (NEW, f"{A} OK\n{D}\tOK\n")


def test_queue_flush_and_backup_are_those_of_the_other_host(here):
    line = '{"queue_name":"deferred","queue_id":"4A","recipients":[{"address":"a@company.test"}]}'
    reader = Reader("true", f"echo '{line}'", f"touch {here.directory}/flushed")
    routing = remote.RemotePostfixMap(here.via, Ingress("gateway"), here.text, "hash", reader=reader, freeze=STALE)
    assert routing.queue([A]) == Queue(0, 1, ("4A",))
    routing.flush([A])
    assert (here.directory / "flushed").exists()
    assert OLD in routing.backup().read_text()
