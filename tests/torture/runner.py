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
PLACES = ("routing.ldap.attribute", "routing.dns.mx")
PATIENCE = 180.0  # seconds; a run that takes longer hangs
SAID = 3000  # characters of output that are kept
KillAt = int | str | tuple[str, int]  # a point's number, or its label, or its label and which of these


@dataclass(frozen=True)
class Ended:
    """How a run ended: exit code (negative: the signal), process number, points passed, what it said, how long."""

    code: int
    pid: int
    points: tuple[str, ...]
    output: str
    seconds: float

    @property
    def killed(self) -> bool:
        return self.code == -signal.SIGKILL


class Runner:
    """A process with the program loaded. `directory`: the workspace. One run at a time; two of them, two runs."""

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        self._directory = directory
        command = [sys.executable, "-m", "tests.torture.runner"]
        self._process = subprocess.Popen(
            command, cwd=directory, env=dict(environment), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._log = directory / f"points-{self._process.pid}.log"
        self.output_path = directory / f"output-{self._process.pid}.log"
        self._began = 0.0

    def run(self, *arguments: str, kill_at: KillAt = 0, kill_after: float = 0.0) -> Ended:
        """`migrator ARGUMENTS`, killed at a point (see Points), or `kill_after` seconds after its start."""
        self.begin(*arguments, kill_at=kill_at, kill_after=kill_after)
        return self.end()

    def begin(self, *arguments: str, kill_at: KillAt = 0, kill_after: float = 0.0) -> None:
        """Start it, and do not wait."""
        assert self._process.stdin is not None
        order = {"argv": arguments, "kill_at": kill_at, "kill_after": kill_after or PATIENCE}
        order |= {"log": str(self._log), "output": str(self.output_path)}
        self._began = time.monotonic()
        print(json.dumps(order), file=self._process.stdin, flush=True)

    def end(self) -> Ended:
        """Wait for the end of what has begun. RuntimeError where it hangs."""
        assert self._process.stdout is not None
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError("the runner died")
        seconds = time.monotonic() - self._began
        labels = tuple(self._log.read_text().splitlines()) if self._log.exists() else ()
        said = self.output_path.read_text(errors="replace")[-SAID:] if self.output_path.exists() else ""
        if seconds >= PATIENCE:
            raise RuntimeError(f"hangs after {labels[-5:]}: {said}")
        return Ended(**json.loads(answer), points=labels, output=said, seconds=seconds)

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(20)


def serve() -> None:
    """Read orders, fork the program for each, answer with how it ended."""
    for module in (*LOADED, *PLACES):
        import_module(f"migrator.{module}")
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if not child:
            _become(order)
        _kill_later(child, order["kill_after"])
        _, status = os.waitpid(child, 0)
        print(json.dumps({"code": os.waitstatus_to_exitcode(status), "pid": child}), flush=True)


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
