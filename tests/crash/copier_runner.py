"""Runs passes of the copier in processes that kill themselves at the n-th boundary.

Nothing in the product knows of this: the boundaries are put around `Wire.send` and the database driver's commit from
outside. At each of them the process can die by SIGKILL: before a send (so after all that was received), after it, in
its middle when it holds message text, before and after a commit. They count from the first CREATE on: before it
nothing has been written anywhere.

With `pause` (a path), the process stops before the send after which it will die: it makes the file, and waits until
somebody takes it away. That is the moment to make the wire slow.

As a program it reads one JSON request a line and answers each with one line; each request runs in a forked child, so
that the imports are paid once. `Runner` is the other end of that.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MESSAGE = b"From: a@b.test"  # in every message of the rig
CHECKOUT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Ran:
    """How a request ended: killed at its boundary, or with a result (boundaries passed, report as a mapping)."""

    killed: bool
    boundaries: int = 0
    marks: tuple[int, ...] = ()  # boundaries after sends that held message text
    report: Any = None
    error: str = ""


class Runner:
    """The program below, running; a context manager."""

    def __enter__(self) -> Runner:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.copier_runner"],
            cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._process.stdin
        assert self._process.stdout
        self._requests, self._answers = self._process.stdin, self._process.stdout
        return self

    def __exit__(self, *exception: object) -> None:
        self._requests.close()
        self._process.wait(30)

    def run(self, **request: Any) -> Ran:
        """Run one request: as `Rig.request` makes it, with `kill_at` (0: never), `pause`, `lanes`."""
        self._requests.write(json.dumps(request) + "\n")
        self._requests.flush()
        return Ran(**json.loads(self._answers.readline()))


class Boundaries:
    """Counts boundaries over all threads, and dies at one of them."""

    def __init__(self, kill_at: int, pause: str = "") -> None:
        self.count = 0
        self.counting = False
        self.marks: list[int] = []
        self._kill_at = kill_at
        self._pause = Path(pause) if pause else None

    def here(self) -> bool:
        """One more boundary; whether it is the one to die at."""
        self.count += self.counting
        return self.counting and self.count == self._kill_at

    def pass_or_die(self) -> None:
        if self.here():
            os.kill(os.getpid(), signal.SIGKILL)

    def pause_before(self, ahead: int) -> None:
        """Wait, if the boundary to die at is the one `ahead`."""
        if self._pause and self.counting and self.count + ahead == self._kill_at:
            self._pause.touch()
            while self._pause.exists():
                time.sleep(0.005)


def instrument(boundaries: Boundaries) -> None:
    """Put boundaries around socket and database."""
    from sqlalchemy.engine.default import DefaultDialect

    from migrator.imap.wire import Wire

    send, commit = Wire.send, DefaultDialect.do_commit

    def cut_send(self: Wire, data: Any) -> None:
        text = bytes(data)
        boundaries.counting |= b" CREATE " in text
        boundaries.pause_before(3 if MESSAGE in text else 2)
        boundaries.pass_or_die()
        if MESSAGE in text and boundaries.here():
            send(self, memoryview(data)[: len(data) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        send(self, data)
        boundaries.pass_or_die()
        if MESSAGE in text:
            boundaries.marks.append(boundaries.count)

    def cut_commit(self: Any, connection: Any) -> None:
        boundaries.pass_or_die()
        commit(self, connection)
        boundaries.pass_or_die()

    Wire.send = cut_send  # type: ignore[method-assign]
    DefaultDialect.do_commit = cut_commit  # type: ignore[method-assign]


def perform(request: dict[str, Any], boundaries: Boundaries) -> Any:
    """Run the request in this process; the pass's report, or the sweep's, as a mapping."""
    from dataclasses import asdict

    from migrator.copier import copy_mailbox, sweep
    from tests.servers.copier_rig import job_of

    with job_of(request) as job:
        instrument(boundaries)
        return asdict((sweep if request["op"] == "sweep" else copy_mailbox)(job))


def _child(request: dict[str, Any], pipe: int) -> None:
    boundaries = Boundaries(request.get("kill_at", 0), request.get("pause", ""))
    try:
        answer: dict[str, Any] = {"report": perform(request, boundaries)}
    except BaseException as error:
        answer = {"error": f"{type(error).__name__}: {error}"}
    answer |= {"killed": False, "boundaries": boundaries.count, "marks": boundaries.marks}
    os.write(pipe, json.dumps(answer, default=str).encode())
    os._exit(0)


def _run_in_child(request: dict[str, Any]) -> str:
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        _child(request, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        text = answer.read().decode()
    os.waitpid(child, 0)
    return text or json.dumps({"killed": True})


def main() -> None:
    import gc
    import importlib

    from sqlalchemy.orm import configure_mappers

    for module in ("migrator.copier.copy", "migrator.state.store", "tests.servers.copier_rig"):
        importlib.import_module(module)  # paid once, before any fork
    configure_mappers()
    gc.freeze()
    for line in sys.stdin:
        print(_run_in_child(json.loads(line)), flush=True)


if __name__ == "__main__":
    main()
