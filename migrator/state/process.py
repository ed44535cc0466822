"""Who we are, and whether another process of this host still lives."""

import getpass
import os
import shlex
import socket
from collections.abc import Sequence
from pathlib import Path

from migrator.model.names import neutral
from migrator.state.records import Actor


def here(argv: Sequence[str]) -> Actor:
    """This process as an actor; `argv` is the command as typed (secrets are references there, never values)."""
    return Actor(user=_user(), host=socket.gethostname(), pid=os.getpid(), command=neutral(shlex.join(argv)))


def identity(pid: int) -> str | None:
    """What tells process `pid` from any other that ever had its number; None where that cannot be known.

    Boot id, PID namespace and start time (field 22 of /proc/PID/stat, in clock ticks after boot: proc_pid_stat(5)).
    """
    place = _place()
    started = _start_time(pid)
    return f"{place}/{started}" if place and started else None


def is_gone(pid: int, known_as: str) -> bool:
    """Whether the process that was `known_as` (its `identity`) is surely dead. False where we cannot tell from here."""
    place = _place()
    if not place or not known_as.startswith(f"{place}/"):
        return False
    started = _start_time(pid)
    if started:
        return f"{place}/{started}" != known_as
    return not _is_hidden(pid)


def _place() -> str:
    """The boot and the PID namespace we live in, in which a process number means something."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _start_time(pid: int) -> str:
    """Start time of `pid`, or "" when there is no such process or only its zombie is left."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    state, *fields = stat.rpartition(")")[2].split()  # the name before it may hold spaces and brackets
    return "" if state in "ZX" else fields[18]


def _is_hidden(pid: int) -> bool:
    """Whether `pid` runs although /proc does not show it to us (mounted with hidepid)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return False


def _user() -> str:
    """The user's name; its number where the system knows no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
