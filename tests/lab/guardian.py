"""The watcher process: ends servers and removes scratch directories once the test run is gone.

It runs as a process of its own (`python -I guardian.py`), in its own session, and reads its orders from standard
input: `group PGID`, `forget PGID`, `directory PATH`, `removed PATH`. End of file means that the test run has ended,
however it ended (SIGKILL included), and whatever is still on the list is cleaned up. A parent-death signal would not
do: the kernel ties it to the *thread* that forked, and servers are started from short-lived threads.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time

GRACE_SECONDS = 3.0


def main() -> None:
    """Read orders until end of file, then clean up."""
    for name in ("SIGINT", "SIGHUP", "SIGTERM"):
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    groups: set[int] = set()
    directories: set[str] = set()
    for line in sys.stdin:
        obey(line.rstrip("\n"), groups, directories)
    end_groups(groups)
    for path in directories:
        shutil.rmtree(path, ignore_errors=True)


def obey(line: str, groups: set[int], directories: set[str]) -> None:
    """Carry out one order on the two lists."""
    order, _, argument = line.partition(" ")
    if order == "group":
        groups.add(int(argument))
    elif order == "forget":
        groups.discard(int(argument))
    elif order == "directory":
        directories.add(argument)
    elif order == "removed":
        directories.discard(argument)


def end_groups(groups: set[int]) -> None:
    """SIGTERM to every process group, SIGKILL to what is still there after the grace period."""
    alive = {group for group in groups if signal_group(group, signal.SIGTERM)}
    deadline = time.monotonic() + GRACE_SECONDS
    while alive and time.monotonic() < deadline:
        time.sleep(0.02)
        alive = {group for group in alive if signal_group(group, 0)}
    for group in alive:
        signal_group(group, signal.SIGKILL)


def signal_group(group: int, number: int) -> bool:
    """Send a signal (0 only asks); False when the group no longer exists."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


if __name__ == "__main__":
    main()
