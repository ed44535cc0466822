"""Running the operator's program: a JSON request on its standard input, an exit status as its answer. No shell.

It is started in a session of its own, so that Ctrl-C does not cut a change in two, and a time limit ends it with all
that it started. It inherits the lock of its place: one that outlives us keeps the next run waiting until it is done.
"""

import contextlib
import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from migrator.routing import command
from migrator.routing.errors import CommandFailed

VERSION = 1  # of the JSON, both ways
DONE, CONFLICT, TRY_AGAIN = 0, 3, 75  # 75: EX_TEMPFAIL of sysexits.h
_TRY = "Run it by hand with the same JSON on its standard input, and see what it says."


@dataclass(frozen=True, slots=True)
class Ended:
    """How a call ended: `status` is its exit status, minus a signal's number, or None when its time was over."""

    status: int | None
    output: str
    complaint: str  # the end of its standard error, printable

    @property
    def is_known(self) -> bool:
        """Whether the program itself said how it went."""
        return self.status is not None and self.status >= 0

    def __str__(self) -> str:
        if self.status is None:
            how = "was ended: its time was over"
        elif self.status < 0:
            how = f"died of signal {-self.status}"
        else:
            how = f"ended with status {self.status}"
        return f"{how}: {self.complaint}" if self.complaint else how


@dataclass(frozen=True, slots=True)
class Program:
    """`line` as the operator wrote it, started in `directory` and ended after `limit` seconds."""

    line: str
    directory: Path
    limit: float

    def call(self, request: Mapping[str, object], lock: int | None = None) -> Ended:
        """Run it once; it inherits the descriptor `lock`. CommandFailed when it cannot be started."""
        with _file() as given, _file() as said, _file() as complained:
            given.write(json.dumps({"version": VERSION, **request}).encode())
            given.seek(0)
            status = self._status(given, said, complained, () if lock is None else (lock,))
            complained.seek(max(0, complained.seek(0, os.SEEK_END) - 4 * command.SHOWN_OUTPUT))
            said.seek(0)
            complaint = command.printable(complained.read().decode("utf-8", "replace"))
            return Ended(status, said.read().decode("utf-8", "replace"), complaint)

    def _status(
        self, given: IO[bytes], said: IO[bytes], complained: IO[bytes], inherited: tuple[int, ...]
    ) -> int | None:
        try:
            process = subprocess.Popen(
                command.words(self.line), stdin=given, stdout=said, stderr=complained, cwd=self.directory,
                start_new_session=True, pass_fds=inherited,
            )  # fmt: skip
        except OSError as error:
            raise CommandFailed(f"`{self.line}` cannot be started: {error.strerror}", remedy=_TRY) from error
        try:
            return process.wait(self.limit)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return None


def answered(program: str, output: str) -> Mapping[str, object]:
    """The JSON object in a program's output. CommandFailed when it is none of ours."""
    try:
        found = json.loads(output)
    except ValueError:
        found = None
    if not isinstance(found, dict) or found.get("version") != VERSION:
        raise CommandFailed(
            f"`{program}` did not answer with a JSON object of version {VERSION}: {command.printable(output)[:100]!r}",
            remedy="docs/routing-command.md says what it must print on its standard output.",
        )
    return found


def _file() -> IO[bytes]:
    """Files, not pipes: what the program leaves running in the background may keep a pipe open."""
    return tempfile.TemporaryFile()
