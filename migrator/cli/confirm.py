"""Asks before something changes."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from migrator.model.errors import ExitCode, Refused, Stopped
from migrator.model.names import neutral


class NotConfirmed(Refused):
    """Nobody said yes; nothing was changed."""

    exit_code = ExitCode.USAGE


class Declined(Refused):
    """The operator said no; nothing was changed."""


def require_answer(what: str, yes: bool) -> None:
    """Return when `what` can be confirmed later: `yes` was given, or there is a terminal to ask at. NotConfirmed else.

    For commands that ask only after hours of work.
    """
    if not yes and not sys.stdin.isatty():
        raise NotConfirmed(
            f"nobody can be asked whether to {what}", remedy="There is no terminal to ask at: give --yes."
        )


def confirm(question: str, yes: bool) -> None:
    """Return when `yes` was given or a person types y or yes. NotConfirmed without a terminal, Declined for a no."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise NotConfirmed(f"not confirmed: {question}", remedy="There is no terminal to ask at: give --yes.")
    with _above_bars(), _interruptible():
        print(f"{neutral(question)} [y/N] ", end="", file=sys.stderr, flush=True)
        answer = sys.stdin.readline().strip().lower()
    if answer not in ("y", "yes"):
        raise Declined("not confirmed; nothing was changed")


def _above_bars() -> AbstractContextManager[object]:
    """Lines written inside stand above the bars, where there are any, and the bars are drawn again afterwards."""
    shown = sys.modules.get("tqdm")  # imported only by what draws bars
    return shown.tqdm.external_write_mode(file=sys.stderr) if shown else nullcontext()


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C at a question ends the command, also where it would only ask work to stop; nothing has begun yet."""
    in_charge = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGINT, signal.default_int_handler) if in_charge else None
    try:
        yield
    except KeyboardInterrupt:
        print(file=sys.stderr)
        raise Stopped("stopped at the question; nothing was changed") from None
    finally:
        if in_charge:
            signal.signal(signal.SIGINT, before)
