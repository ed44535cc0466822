"""Ctrl-C and SIGTERM: once drains, twice stops at the next checkpoint, a third time ends the process at once."""

import os
import shlex
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from migrator.model.errors import ExitCode, Stopped
from migrator.model.names import neutral

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Terminated(Stopped):
    """SIGTERM asked to stop, and work ended at a safe point."""

    exit_code = ExitCode.TERMINATED


class Signals:
    """A model.progress.StopSignal that counts signals; `resume` is the command that goes on later."""

    def __init__(self, resume: str) -> None:
        self._resume = neutral(resume)
        self._count = 0
        self.first: signal.Signals | None = None

    def draining(self) -> bool:
        return self._count >= 1

    def now(self) -> bool:
        return self._count >= 2

    def receive(self, number: int, frame: FrameType | None = None) -> None:
        """The handler. Writes past Python's buffers: those may be in the middle of a write."""
        self._count += 1
        self.first = self.first or signal.Signals(number)
        if self._count == 1:
            _say(
                f"Stopping: the mailboxes at work are finished, no other is begun. Again: stop at the next checkpoint."
                f"\nTo go on later: {self._resume}"
            )
        elif self._count == 2:
            _say(f"Stopping at the next checkpoint. Again: end at once, also safe.\nTo go on later: {self._resume}")
            for one in SIGNALS:
                signal.signal(one, signal.SIG_DFL)


def _say(text: str) -> None:
    with suppress(OSError):  # nobody is there to read it
        clear = "\x1b[J" if os.isatty(2) else ""  # bars below; those still at work are drawn again
        os.write(2, f"\n{clear}{text}\n".encode(errors="backslashreplace"))


def this_command() -> str:
    """The command line of this process, to be typed again."""
    return shlex.join(["migrator", *sys.argv[1:]])


@contextmanager
def stopping(resume: str | None = None) -> Iterator[Signals]:
    """Signals ask the work inside to stop, instead of ending the process; before and after they do what they did.

    A Stopped that leaves the block after SIGTERM becomes Terminated (exit code 143).
    """
    stop = Signals(resume or this_command())
    catches = threading.current_thread() is threading.main_thread()
    before = {number: signal.signal(number, stop.receive) for number in SIGNALS} if catches else {}
    try:
        yield stop
    except Stopped as error:
        if stop.first is signal.SIGTERM:
            raise Terminated(str(error), remedy=error.remedy) from None
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
