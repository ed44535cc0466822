"""`$ migrator ...`: each command is shown, then run as an operator would run it, in the workspace."""

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from demo import screen

TIMEOUT = 120.0  # seconds; the longest takes about ten
GRACE = 10.0  # seconds for a command that is told to stop
CHECKOUT = Path(__file__).resolve().parent.parent


class CommandFailed(Exception):
    """A command of the demo did not exit with 0."""


class Migrator:
    """The program's command line, in the workspace `root`."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def run(self, *words: str) -> None:
        """Show a command and run it; its output goes where ours goes. CommandFailed unless it exits with 0."""
        self._run(words, None)

    def read(self, *words: str) -> Any:
        """Show a command with `-o json` and run it; what it printed, as a value."""
        return json.loads(self._run((*words, "-o", "json"), subprocess.PIPE))

    def _run(self, words: tuple[str, ...], stdout: int | None) -> bytes:
        screen.command(shlex.join(["migrator", *words]))
        process = None
        try:
            with _signals_wait():
                process = self._start(words, stdout)
            printed, _ = process.communicate(timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            raise CommandFailed(f"`migrator {shlex.join(words)}` did not end within {TIMEOUT:.0f} s") from None
        finally:
            if process is not None:
                _end(process)
        if process.returncode != 0:
            raise CommandFailed(f"`migrator {shlex.join(words)}` exited with {process.returncode}")
        return printed or b""

    def _start(self, words: tuple[str, ...], stdout: int | None) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [sys.executable, "-m", "migrator", *words],
            cwd=self._root,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
        )


def _environment() -> dict[str, str]:
    """The user's, without what would point the program to another workspace."""
    ours = {key: value for key, value in os.environ.items() if not key.startswith("MIGRATOR_")}
    return {**ours, "PYTHONPATH": os.pathsep.join(filter(None, [str(CHECKOUT), ours.get("PYTHONPATH", "")]))}


@contextmanager
def _signals_wait() -> Iterator[None]:
    """A signal that arrives in the block is heeded at its end, when it is known what must be ended."""
    came: list[int] = []
    usual = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in usual:
        signal.signal(number, lambda arrived, frame: came.append(arrived))
    try:
        yield
    finally:
        for number, handler in usual.items():
            signal.signal(number, handler)
        for arrived in came:
            signal.raise_signal(arrived)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Nothing is left running: ask, wait, insist."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
