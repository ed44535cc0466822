"""A private PostgreSQL: a cluster in a scratch directory, one database a test, trusted logins on loopback."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import subprocess
import time
from pathlib import Path
from types import TracebackType

from tests.lab import processes
from tests.lab.requirements import find_postgres

_SETTINGS = """
listen_addresses = '{address}'
port = {port}
unix_socket_directories = ''
shared_buffers = 16MB
max_connections = 60
fsync = off
"""


class Postgres:
    """Started by `with`. It refuses to run as root: there, it runs as `nobody`."""

    def __init__(self) -> None:
        self.programs = Path(find_postgres() or "")
        self.address, self.directory = processes.loopback_address(), processes.scratch_directory("postgres")
        self.port = processes.free_port(self.address)
        self._numbers = itertools.count()

    def __enter__(self) -> Postgres:
        data = self.directory / "data"
        if os.geteuid() == 0:
            shutil.chown(self.directory, "nobody")
        self._run("initdb", "-D", data, "-A", "trust", "-U", "migrator", "-E", "UTF8", "--locale=C", "--no-sync")
        with (data / "postgresql.conf").open("a") as settings:
            settings.write(_SETTINGS.format(address=self.address, port=self.port))
        command: list[str | Path] = [*_as_ordinary_user(), self.programs / "postgres", "-D", data]
        self._process = processes.start(command, self.directory / "log")
        self._wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()  # nothing in it is worth an orderly end
        processes.kill(self._process)
        processes.remove_directory(self.directory)

    def database(self) -> str:
        """The URL of a new, empty database."""
        name = f"test{next(self._numbers)}"
        self._run("createdb", "-h", self.address, "-p", str(self.port), "-U", "migrator", "-w", name)
        return f"postgresql://migrator@{self.address}:{self.port}/{name}"

    def _wait(self) -> None:
        ready = [str(self.programs / "pg_isready"), "-q", "-h", self.address, "-p", str(self.port), "-t", "1"]
        for _ in range(200):
            if subprocess.run(ready).returncode == 0:
                return
            time.sleep(0.05)
        raise processes.LabError("PostgreSQL does not start:\n" + (self.directory / "log").read_text()[-2000:])

    def _run(self, program: str, *arguments: str | Path) -> None:
        command = [*_as_ordinary_user(), str(self.programs / program), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, cwd="/", env={"PATH": os.environ["PATH"]})
        if done.returncode:
            raise processes.LabError(f"{program}: {done.stderr[-2000:]}")


def _as_ordinary_user() -> list[str]:
    if os.geteuid() != 0:
        return []
    nobody = pwd.getpwnam("nobody")
    return ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
