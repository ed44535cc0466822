"""Files that outlive a crash: each written whole or not at all, by one writer at a time.

All but `sync` raise StateUnwritable for what the file system says.
"""

import contextlib
import fcntl
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from migrator.model.errors import Locked
from migrator.model.names import neutral
from migrator.routing.errors import StateUnwritable

LOCK_PATIENCE = 60.0  # seconds; another writer needs about one
_LOCK_PAUSE = 0.02


@contextlib.contextmanager
def exclusive(path: Path, what: str) -> Iterator[int]:
    """Keep other writers away from `what` by a lock on the file `path`; Locked when one stays past LOCK_PATIENCE.

    Yields the lock's descriptor: a child that inherits it keeps the lock, also when this process is killed (flock(2):
    it belongs to the open file, not to the process).
    """
    with _explained(path):
        _make_directory(path.parent)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        with _explained(path):
            _wait(handle, what)
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
        yield handle
    finally:
        os.close(handle)


def read(path: Path) -> str | None:
    """What `write_whole` has written; None without such a file."""
    with _explained(path):
        try:
            return path.read_text("utf-8", errors="surrogateescape")
        except FileNotFoundError:
            return None


def write_whole(path: Path, text: str) -> None:
    """Put `text` in place of the file, for its owner alone: on disk and whole, or the old one stays.

    Octets that are not UTF-8 survive, as `text_lines.decode` gives them.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    with _explained(path):
        _make_directory(path.parent)
        try:
            handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with open(handle, "w", encoding="utf-8", errors="surrogateescape") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(aside, path)
        except OSError:
            aside.unlink(missing_ok=True)
            raise
        sync(path.parent)


def remove(path: Path) -> None:
    """Have no such file."""
    with _explained(path):
        path.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Have a file's content, or what was renamed in a directory, outlive a power cut. OSError."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _make_directory(path: Path) -> None:
    path.mkdir(mode=0o700, parents=True, exist_ok=True)


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StateUnwritable(
            f"{path} cannot be read or written: {error.strerror or error}; it stays as it was",
            remedy=f"Give this user the right to write {path.parent}, free some space there, and run again.",
        ) from error


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
