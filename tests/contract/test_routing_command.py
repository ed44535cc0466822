"""A program of the operator's that fails, hangs, lies, is killed at every line, or outlives whoever started it."""

import os
import signal
import sys
import time

import pytest

from migrator.model.errors import Locked, Transient
from migrator.routing import Reader, durable, retries
from migrator.routing.contract import RouteConflict
from migrator.routing.errors import CommandFailed, RouteNotInForce
from migrator.routing.operator.program_call import Program
from tests.contract.places_command import command_ground
from tests.contract.routing_places import A, C, D, die_at, ended, in_a_process

APPLY = 'request=$(cat); case $request in *\'"verb": "apply"\'*) %s;; esac; printf %%s "$request" | "$@"'


@pytest.fixture
def here():
    yield from command_ground()


def through(here, script, limit=30.0):
    """The backend on the example, with `script` run in its place, or before it, when it is asked to apply."""
    wrapper = here.directory / "wrapper"
    wrapper.write_text(APPLY % script)
    return here.backend(f"sh {wrapper} {here.line()}", limit)


def wanted(here):
    return {A: here.new, C: here.new, D: here.new}


def test_a_program_that_cannot_now_is_asked_again(here):
    routing = through(here, f"test -e {here.directory}/second || {{ touch {here.directory}/second; exit 75; }}")
    routing.apply(routing.plan(wanted(here)))
    assert here.routes() == wanted(here)


def test_a_program_is_called_again_though_all_is_as_wanted_since_it_may_have_died_before_it_told_anybody(here):
    routing = through(here, f"echo called >> {here.directory}/calls")
    flips = routing.plan(wanted(here))
    for change in (flips, flips, type(flips)()):
        routing.apply(change)
    assert (here.directory / "calls").read_text().count("called") == 3


def test_a_program_that_never_can_is_given_up_for_now(here, monkeypatch):
    monkeypatch.setattr(retries, "PATIENCE", 0.5)
    routing = through(here, "echo maintenance until six >&2; exit 75")
    with pytest.raises(Transient, match=r"cannot now: ended with status 75: maintenance until six"):
        routing.apply(routing.plan(wanted(here)))
    assert here.told() == 0


def test_a_program_that_fails_is_told_with_its_words_and_that_nothing_changed(here):
    routing = through(here, "echo no licence >&2; exit 1")
    with pytest.raises(CommandFailed, match=r"status 1: no licence\. Read again, nothing is changed so far"):
        routing.apply(routing.plan(wanted(here)))
    assert here.told() == 0


def test_a_program_that_fails_half_way_is_told_with_what_changed_and_the_next_run_completes_it(here):
    script = f"echo '{A}: {here.new}' > {here.file}; echo '{C}: {here.old}' >> {here.file}; exit 1"
    flips = here.backend().plan(wanted(here))
    with pytest.raises(CommandFailed, match=r"1 are changed, and 2 are not as wanted") as refused:
        through(here, script).apply(flips)
    assert f'{A}: "{here.new}"' in str(refused.value)
    assert here.backend().apply(flips).already == (A,)
    assert here.routes() == wanted(here)


def test_a_program_that_reports_a_conflict_though_it_has_written_is_not_believed(here):
    script = (
        f"echo '{A}: {here.new}' > {here.file}; echo '{C}: x' >> {here.file};"
        f'echo \'{{"version": 1, "routes": {{"{C}": "x"}}}}\'; exit 3'
    )
    with pytest.raises(CommandFailed, match=r"status 3.*1 are changed"):
        through(here, script).apply(here.backend().plan(wanted(here)))


def test_a_hand_edit_between_our_look_and_the_programs_is_the_conflict_that_it_reports(here):
    routing = through(here, f"sed -i 's/^{C}.*/{C}: by.hand/' {here.file}")
    with pytest.raises(RouteConflict) as refused:
        routing.apply(routing.plan(wanted(here)))
    assert [(one.address, one.found) for one in refused.value.conflicts] == [(C, "by.hand")]
    assert here.routes() == {A: here.old, C: "by.hand"}


def test_a_program_whose_time_is_over_is_ended_with_all_that_it_started_and_its_outcome_is_read(here):
    marker = here.directory / "late"
    routing = through(here, f'printf %s "$request" | "$@"; (sleep 3; touch {marker}) & sleep 60', limit=1.0)
    with pytest.raises(CommandFailed, match=r"its time was over.*Read again, 3 are changed, and 0 are not as wanted"):
        routing.apply(routing.plan(wanted(here)))
    time.sleep(3)
    assert not marker.exists()
    assert here.backend().apply(here.backend().plan(wanted(here))).changed == ()


def test_what_the_program_leaves_running_is_not_waited_for(here):
    routing = through(here, "sleep 30 &")
    before = time.monotonic()
    routing.apply(routing.plan(wanted(here)))
    assert time.monotonic() - before < 20


def test_a_program_that_says_done_and_did_nothing_is_found_out(here):
    routing = through(here, "exit 0")
    with pytest.raises(RouteNotInForce, match=f'{A}: written "{here.new}", answered "{here.old}"'):
        routing.apply(routing.plan(wanted(here)))


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        ('{"version": 1, "routes": {}}', "did not say what it has for 1 addresses"),
        ('{"version": 2, "routes": {}}', "JSON object of version 1"),
        ("[]", "JSON object of version 1"),
        ("old.test\x1b[31m", "JSON object of version 1"),
        ('{"version": 1, "routes": {"a@company.test": 7}}', "strings or null"),
        ('{"version": 1}', "strings or null"),
    ],
)
def test_an_answer_that_is_none_is_refused(here, answer, complaint):
    (here.directory / "answer").write_text(answer)
    with pytest.raises(CommandFailed, match=complaint) as refused:
        here.backend(f"cat {here.directory}/answer").read([A])
    assert "\x1b" not in str(refused.value)


def test_a_health_check_names_a_program_that_is_not_there_or_does_not_answer(here):
    assert "cannot be started" in here.backend("/no/such/program").check()[0].text
    assert "status 1" in here.backend("false").check()[0].text
    assert here.backend().check() == []


def traced(here, line):
    """The example, killed when it comes to run its line of that number in the `line`-th place."""
    killer = here.directory / "killer"
    killer.write_text(
        "import os, sys\nleft = int(sys.argv[1])\n"
        "def trace(frame, event, value):\n"
        "    global left\n"
        "    if frame.f_code.co_filename == 'example' and event == 'line':\n"
        "        left -= 1\n"
        "        if left < 0: os.kill(os.getpid(), 9)\n"
        "    return trace\n"
        "code = compile(open(sys.argv[2]).read(), 'example', 'exec')\n"
        "sys.settrace(trace)\nexec(code, {'__name__': '__main__'})\n"
    )
    return f"env ROUTES={here.file} {sys.executable} -IS {killer} {line} {here.program}"


def test_killed_at_any_line_of_the_program_the_flip_is_whole_or_not_there_and_the_next_run_completes_it(here):
    before, flips = here.routes(), here.backend().plan(wanted(here))
    line, died = 12, True  # those before it are imports and the like
    while died:
        wrapper = here.directory / "wrapper"
        wrapper.write_text(APPLY % f'printf %s "$request" | {traced(here, line)}; exit $?')
        try:
            here.backend(f"sh {wrapper} {here.line()}").apply(flips)
            died = False
        except CommandFailed:
            assert here.routes() in (before, wanted(here)), line
        here.backend().apply(flips)
        assert here.routes() == wanted(here)
        here.backend().revert(flips)
        assert here.routes() == before
        line += 1
    assert line > 30


def test_killed_here_at_any_step_the_next_run_completes_it_or_takes_it_back(here):
    before, flips = here.routes(), here.backend().plan(wanted(here))
    point, died = 0, True
    while died:

        def work(point=point):
            die_at(point, {Program: ("call",), Reader: ("tell",), os: ("ftruncate", "pwrite")})
            here.backend().apply(flips)

        died = ended(in_a_process(work)) == -signal.SIGKILL
        assert here.routes() in (before, wanted(here)), point
        told = here.told()
        here.backend().apply(flips)
        assert (here.routes(), here.told()) == (wanted(here), told + 1)
        here.backend().revert(flips)
        assert here.routes() == before
        point += 1
    assert point > 8


def orphan(here, seconds):
    """A run that is killed while its program goes on for some seconds, and changes the place at the end."""
    flips = here.backend().plan({A: here.new})
    started = here.directory / "started"

    def work():
        through(here, f"touch {started}; sleep {seconds}").apply(flips)

    child = in_a_process(work)
    while not started.exists():
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    assert ended(child) == -signal.SIGKILL
    return flips


def test_a_program_that_outlives_its_killed_parent_is_waited_for(here):
    flips = orphan(here, 1.5)
    here.backend().revert(flips)
    assert here.answer(A) == here.old
    time.sleep(2)
    assert here.answer(A) == here.old


def test_a_program_that_goes_on_for_too_long_is_named(here, monkeypatch):
    orphan(here, 4)
    monkeypatch.setattr(durable, "LOCK_PATIENCE", 0.3)
    with pytest.raises(Locked, match="or by what that started"):
        here.backend().apply(here.backend().plan({C: here.new}))
    time.sleep(4.5)
    here.backend().apply(here.backend().plan({C: here.new}))
    assert (here.answer(A), here.answer(C)) == (here.new, here.new)
