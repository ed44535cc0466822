"""Running the mail system's commands: no shell, a time limit, and errors that can be printed."""

import os
import shlex
import shutil
import subprocess
from collections.abc import Collection, Sequence

from migrator.model.names import neutral
from migrator.routing.errors import CommandFailed, CommandHangs

TIME_LIMIT = 60.0  # seconds; a reload takes 0.1, an index of 50,000 entries 0.2
SHOWN_OUTPUT = 500  # characters of a failing command's stderr in the error text
SHOWN_COMMAND = 300  # characters of the command itself
SBIN = ("/usr/sbin", "/usr/local/sbin", "/sbin")  # where Postfix's commands are; an ordinary user's PATH lacks these


def words(command: str) -> list[str]:
    """A command as the operator wrote it, split like a shell would, but never run by one."""
    try:
        split = shlex.split(command)
    except ValueError as error:
        raise CommandFailed(f"the command {command!r} cannot be split into words: {error}", remedy=_FIX) from error
    if not split:
        raise CommandFailed("the command is empty", remedy=_FIX)
    return split


def found(program: str) -> bool:
    """Whether `program` can be started from here."""
    return shutil.which(program, path=_search_path()) is not None


def run(
    command: Sequence[str], given: str = "", accepted: Collection[int] = (0,)
) -> "subprocess.CompletedProcess[str]":
    """The ended process with its text output; CommandFailed for an exit status that is not in `accepted`.

    CommandHangs for one that takes longer than TIME_LIMIT.
    """
    try:
        ended = subprocess.run(
            command, input=given, capture_output=True, timeout=TIME_LIMIT, env=_environment(), check=False,
            encoding="utf-8", errors="surrogateescape",
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise CommandHangs(f"`{_name(command)}` did not end within {TIME_LIMIT:.0f} s", remedy=_TRY) from error
    except OSError as error:
        raise CommandFailed(f"`{_name(command)}` cannot be started: {error.strerror}", remedy=_TRY) from error
    if ended.returncode not in accepted:
        raise CommandFailed(f"`{_name(command)}` {_ending(ended)}", remedy=_TRY)
    return ended


def printable(output: str) -> str:
    """A command's output on one line, cut and neutralised, for an error text."""
    lines = [line.strip() for line in output.split("\n") if line.strip()]
    text = " / ".join(lines).encode("utf-8", "backslashreplace").decode("utf-8")
    return neutral(text)[:SHOWN_OUTPUT]


_FIX = "Correct it in migrator.yaml."
_TRY = "Run that command by hand, as the same user, and see what it says."


def _ending(ended: "subprocess.CompletedProcess[str]") -> str:
    how = f"ended with status {ended.returncode}" if ended.returncode >= 0 else f"died of signal {-ended.returncode}"
    said = printable(ended.stderr)
    return f"{how}: {said}" if said else how


def _name(command: Sequence[str]) -> str:
    """A command for an error text; the ends of sessions are asked for with 200 users in one."""
    whole = neutral(shlex.join(command))
    return whole if len(whole) <= SHOWN_COMMAND else f"{whole[:SHOWN_COMMAND]}..."


def _search_path() -> str:
    return os.pathsep.join([os.environ.get("PATH", os.defpath), *SBIN])


def _environment() -> dict[str, str]:
    return {**os.environ, "PATH": _search_path(), "LC_ALL": "C"}
