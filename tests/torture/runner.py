"""Runs the program again and again: loaded once, forked for each run, killed where it is told to be."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

# what the commands load when they are called
LOADED = ("cli.app", "cli.wave", "cli.operation", "cli.progress", "cli.standing", "waves.run", "reports", "state.store")
PATIENCE = 180.0  # seconds; a run that takes longer hangs


@dataclass(frozen=True)
class Ended:
    """How a run ended: exit code (negative: the signal), the points it passed, what it said, how long it took."""

    code: int
    points: tuple[str, ...]
    output: str
    seconds: float

    @property
    def killed(self) -> bool:
        return self.code == -signal.SIGKILL


class Runner:
    """A process with the program loaded. `directory`: the workspace."""

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        self._directory = directory
        command = [sys.executable, "-m", "tests.torture.runner"]
        self._process = subprocess.Popen(
            command, cwd=directory, env=dict(environment), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, *arguments: str, kill_at: int = 0, kill_after: float = 0.0) -> Ended:
        """`migrator ARGUMENTS`, killed at its point number `kill_at`, or `kill_after` seconds after its start."""
        assert self._process.stdin is not None and self._process.stdout is not None
        log, output = self._directory / "points.log", self._directory / "output.log"
        order = {"argv": arguments, "kill_at": kill_at, "kill_after": kill_after or PATIENCE}
        order |= {"log": str(log), "output": str(output)}
        began = time.monotonic()
        print(json.dumps(order), file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError("the runner died")
        labels = tuple(log.read_text().splitlines()) if log.exists() else ()
        seconds = time.monotonic() - began
        if seconds >= PATIENCE:
            raise RuntimeError(f"{arguments} hangs after {labels[-5:]}: {output.read_text(errors='replace')[-2000:]}")
        return Ended(int(answer), labels, output.read_text(errors="replace")[-1500:], seconds)

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(20)


def serve() -> None:
    """Read orders, fork the program for each, answer with how it ended."""
    for module in LOADED:
        import_module(f"migrator.{module}")
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if not child:
            _become(order)
        _kill_later(child, order["kill_after"])
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _kill_later(child: int, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT | os.WNOHANG):
            return  # it ended by itself
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)


def _become(order: Mapping[str, Any]) -> None:
    """The child: the program, with its points, its output in a file."""
    from migrator.cli import main
    from tests.torture.points import Points, install

    output = os.open(order["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for old, new in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(old, new)
    sys.stdin = open(0)  # noqa: SIM115  (the parent's buffer must not be read here)
    install(Points(order["log"], order["kill_at"]))
    sys.argv = ["migrator", *order["argv"]]
    code: Any = 1
    try:
        main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    serve()
