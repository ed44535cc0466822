"""Signals: once drains, twice stops, a third time ends; the command that resumes is named."""

import os
import signal
import subprocess
import sys
import textwrap

import pytest

from migrator.cli.stop import Terminated, stopping
from migrator.model.errors import Stopped

PROGRAM = textwrap.dedent(
    """
    import sys, time
    from migrator.cli.stop import stopping
    sys.argv = ["migrator", "wave", "run", "営業 部", "--yes"]
    with stopping() as stop:
        print("ready", flush=True)
        while True:
            time.sleep(0.01)
            print(stop.draining(), stop.now(), flush=True)
    """
)


def test_the_first_signal_drains_and_the_second_stops():
    with stopping("migrator wave run sales") as stop:
        assert (stop.draining(), stop.now()) == (False, False)
        signal.raise_signal(signal.SIGINT)
        assert (stop.draining(), stop.now()) == (True, False)
        signal.raise_signal(signal.SIGTERM)
        assert (stop.draining(), stop.now()) == (True, True)


def test_afterwards_signals_do_what_they_did_before():
    def ours(number, frame):
        raise AssertionError("not while work goes on")

    before = signal.signal(signal.SIGINT, ours)
    try:
        with stopping("x"):
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
        after = signal.getsignal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
    assert after is ours


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_exit_code_tells_which_signal_it_was(number, code):
    def work():
        with stopping("x"):
            signal.raise_signal(number)
            raise Stopped("at a safe point", remedy="Run it again.")

    with pytest.raises(Stopped) as caught:
        work()
    assert caught.value.exit_code == code
    assert caught.value.remedy == "Run it again."
    assert isinstance(caught.value, Terminated) is (number == signal.SIGTERM)


def test_both_signals_name_the_command_that_resumes_and_the_third_ends():
    child = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
    )
    assert child.stdout
    try:
        assert child.stdout.readline() == "ready\n"
        for expected in ("True False\n", "True True\n"):
            child.send_signal(signal.SIGINT)
            while child.stdout.readline() != expected:
                pass
        child.send_signal(signal.SIGINT)
        _, told = child.communicate(timeout=10)
    finally:
        child.kill()
        child.wait()
    assert child.returncode == -signal.SIGINT
    assert told.count("To go on later: migrator wave run '営業 部' --yes") == 2
