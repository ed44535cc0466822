"""Starting and stopping servers: scratch directories, loopback addresses, banners, and an end for everything."""

from __future__ import annotations

import atexit
import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from tests.lab import guardian

SHARED_MEMORY = Path("/dev/shm")
ENOUGH_SHARED_MEMORY = 1 << 30


class LabError(Exception):
    """A server of the laboratory did not do what it must; the text ends with the tail of its log."""


class _Watch:
    """The link to the guardian process of this test process (one, started when first needed)."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._owner = 0

    def tell(self, order: str) -> None:
        with self._lock:
            if self._process is None or self._owner != os.getpid():
                self._start()
            assert self._process is not None and self._process.stdin is not None
            self._process.stdin.write(order + "\n")
            self._process.stdin.flush()

    def _start(self) -> None:
        command = [sys.executable, "-I", "-S", guardian.__file__]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, text=True, start_new_session=True)
        self._owner = os.getpid()
        atexit.register(self._finish)

    def _finish(self) -> None:
        if self._process is None or self._owner != os.getpid():
            return
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=guardian.GRACE_SECONDS + 5)


_watch = _Watch()


def scratch_directory(name: str) -> Path:
    """A new directory, in memory where there is room, readable by all users, removed when the test run ends."""
    parent = None
    if SHARED_MEMORY.is_dir() and os.access(SHARED_MEMORY, os.W_OK):
        room = os.statvfs(SHARED_MEMORY)
        parent = SHARED_MEMORY if room.f_bavail * room.f_frsize >= ENOUGH_SHARED_MEMORY else None
    path = Path(tempfile.mkdtemp(prefix=f"lab-{name}-"[:24], dir=parent))  # short: a socket's path has 108 bytes
    path.chmod(0o755)
    _watch.tell(f"directory {path}")
    return path


def remove_directory(path: Path) -> None:
    """Remove a scratch directory now."""
    shutil.rmtree(path, ignore_errors=True)
    _watch.tell(f"removed {path}")


def loopback_address() -> str:
    """A random address of 127/8: servers of parallel test runs never meet."""
    return f"127.{random.randrange(32, 250)}.{random.randrange(256)}.{random.randrange(1, 255)}"


def free_port(host: str) -> int:
    """A TCP port that is free on `host` now."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def start(command: Sequence[str | Path], log: Path, env: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Start a server in a session of its own, watched by the guardian; its output goes to `log`."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=env, start_new_session=True, cwd="/",
        )  # fmt: skip
    _watch.tell(f"group {process.pid}")
    return process


def stop(process: subprocess.Popen[bytes], patience: float = 8.0) -> None:
    """End a server: SIGTERM, then SIGKILL to its whole group; returns when it is gone."""
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)
    kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL the server and all its children, as a power cut would."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + 0.5  # its children may have its ports open a moment longer
    with contextlib.suppress(ProcessLookupError):
        while time.monotonic() < deadline:
            os.killpg(process.pid, 0)
            time.sleep(0.002)
    _watch.tell(f"forget {process.pid}")


def wait_for_banner(
    address: tuple[str, int], expected: bytes, process: subprocess.Popen[bytes], log: Path, patience: float = 20.0
) -> None:
    """Return once the server greets with `expected`; LabError with its log when it dies or stays silent."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise LabError(f"server ended with {process.returncode} at start\n{tail(log)}")
        with contextlib.suppress(OSError), socket.create_connection(address, 1) as connection:
            connection.settimeout(5)
            if connection.recv(200).startswith(expected):
                return
        time.sleep(0.01)
    raise LabError(f"no banner at {address[0]}:{address[1]} within {patience} s\n{tail(log)}")


def tail(log: Path, lines: int = 30) -> str:
    """The last lines of a log, for error texts."""
    if not log.exists():
        return f"({log} does not exist)"
    return "\n".join(log.read_text("utf-8", "replace").splitlines()[-lines:])


class Daemon:
    """A private server with a directory of its own: started by its class, stopped, killed and removed alike."""

    directory: Path
    _process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Start it and wait until it answers."""
        raise NotImplementedError

    def stop(self) -> None:
        """Stop it; what it holds and its ports stay, and `start` brings it back."""
        if self._process is not None:
            stop(self._process)
            self._process = None

    def kill(self) -> None:
        """End it and its children with SIGKILL; what it holds on disk stays."""
        if self._process is not None:
            kill(self._process)
            self._process = None

    def restart(self) -> Self:
        """Stop and start on the same ports with what it holds."""
        self.stop()
        return self.start()

    def remove(self) -> None:
        """End it at once and remove all it had."""
        self.kill()
        remove_directory(self.directory)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exception: object) -> None:
        self.remove()
