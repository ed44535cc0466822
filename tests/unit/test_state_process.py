"""Whether a process still lives is judged by more than its number."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from migrator.state import here, process


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    started = subprocess.Popen(["sleep", "60"])
    yield started
    started.kill()
    started.wait()


def identity(pid: int) -> str:
    known = process.identity(pid)
    assert known is not None
    return known


def test_an_actor_is_this_process_with_its_command_as_typed() -> None:
    actor = here(["migrator", "wave", "run", "sales team", "\x1b[31m"])
    assert actor.pid == os.getpid()
    assert actor.host
    assert actor.user
    assert actor.command == "migrator wave run 'sales team' '\\x1b[31m'"


def test_a_running_process_is_not_gone(sleeper: subprocess.Popen[bytes]) -> None:
    assert not process.is_gone(sleeper.pid, identity(sleeper.pid))


def test_a_dead_process_is_gone_even_before_its_parent_has_noticed(sleeper: subprocess.Popen[bytes]) -> None:
    known = identity(sleeper.pid)
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)  # still a zombie
    assert process.is_gone(sleeper.pid, known)
    sleeper.wait()
    assert process.is_gone(sleeper.pid, known)
    assert process.identity(sleeper.pid) is None


def test_another_process_with_the_same_number_does_not_count(sleeper: subprocess.Popen[bytes]) -> None:
    assert process.is_gone(sleeper.pid, identity(sleeper.pid) + "1")


@pytest.mark.parametrize("known", ["", "another-boot/pid:[1]/77"])
def test_nothing_is_said_of_processes_elsewhere(known: str) -> None:
    assert not process.is_gone(2**22 + 1, known)


def test_a_name_with_spaces_and_brackets_does_not_hide_the_start_time() -> None:
    program = (
        "import ctypes, sys; from migrator.state import process; import os\n"
        "before = process.identity(os.getpid())\n"
        "ctypes.CDLL(None).prctl(15, b') S 1 (x', 0, 0, 0)\n"  # PR_SET_NAME
        "sys.exit(before != process.identity(os.getpid()))"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


def test_a_process_that_proc_hides_is_not_taken_for_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    known = identity(os.getpid())

    def forbid(pid: int, signal: int) -> None:
        raise PermissionError

    monkeypatch.setattr(process, "_start_time", lambda pid: "")
    monkeypatch.setattr(os, "kill", forbid)
    assert not process.is_gone(os.getpid(), known)
