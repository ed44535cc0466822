"""Files in the workspace's state directory: written whole or not at all, by one writer at a time."""

import contextlib
import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from migrator.model.errors import Locked
from migrator.model.names import Ingress, neutral
from migrator.routing.comparison import Routes

LOCK_PATIENCE = 60.0  # seconds
BACKUPS = 100  # copies kept of each place
_LOCK_PAUSE = 0.02


@contextlib.contextmanager
def exclusive(path: Path, what: str) -> Iterator[int]:
    """Keep other writers away from `what`; Locked when one stays longer than LOCK_PATIENCE.

    Yields the lock's descriptor: a child that inherits it keeps the lock, also when this process is killed (flock(2):
    it belongs to the open file, not to the process).
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _wait(handle, what)
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
        yield handle
    finally:
        os.close(handle)


def write_whole(path: Path, text: str) -> None:
    """Put `text` in place of the file: on disk and whole, or the old one stays."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
    except OSError:
        aside.unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def keep(directory: Path, name: Ingress, routes: Routes) -> Path:
    """A copy of what the place `name` says, under the present time (UTC); the oldest beyond BACKUPS go."""
    kept = directory / "backup" / f"{name}.{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}.json"
    write_whole(kept, json.dumps({"version": 1, "place": name, "routes": dict(routes)}, indent=1, ensure_ascii=False))
    for old in sorted(kept.parent.glob(f"{name}.2*.json"))[:-BACKUPS]:
        old.unlink(missing_ok=True)
    return kept


def _wait(handle: int, what: str) -> None:
    deadline = time.monotonic() + LOCK_PATIENCE
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                holder = neutral(os.pread(handle, 200, 0).decode("utf-8", "replace").strip())
                raise Locked(
                    f"{what} is being changed by {holder}, or by what that started, for over {LOCK_PATIENCE:.0f} s",
                    remedy="See what that process does; when it has ended, run again.",
                ) from error
            time.sleep(_LOCK_PAUSE)
