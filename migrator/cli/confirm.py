"""Asks before something changes."""

import sys

from migrator.model.errors import ExitCode, Refused
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
    print(f"{neutral(question)} [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Declined("not confirmed; nothing was changed")
