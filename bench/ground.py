"""Where the runs take place: an old server that holds a corpus, a new one that is fresh for each run, a workspace."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import launch
from bench.corpora import Mailboxes
from bench.limit import batches, blast
from tests.lab import processes
from tests.lab.checker import Snapshot, compare, snapshot
from tests.lab.dovecot import Dovecot
from tests.lab.scene import Scene

TICK = os.sysconf("SC_CLK_TCK")


class BenchError(Exception):
    """A run that failed: its figures would mean nothing."""


@dataclass(frozen=True)
class Cost:
    """What one run cost: seconds, and MB (2^20) of the largest process; memory None where it was not measured."""

    wall_s: float
    cpu_client_s: float
    cpu_source_s: float
    cpu_target_s: float
    peak_rss_mb: float | None


class Ground:
    """`mailboxes` on the old server; `scene.addresses[n]` is mailbox n. The wave's name is `bench`."""

    def __init__(self, mailboxes: Mailboxes, *, tls: bool = False, config: Mapping[str, Any] | None = None) -> None:
        self.mailboxes, self.tls = mailboxes, tls
        wanted = {"lease": {"ttl": "60s"}, **(config or {})}
        self.scene = Scene({"bench": len(mailboxes)}, tls="implicit" if tls else "none", postfix=False, config=wanted)
        self._sources: dict[str, Snapshot] = {}

    def __enter__(self) -> Ground:
        self.scene.start()
        try:
            self.scene.write_wave("bench")
            blast(self.scene.old, self.plan, tls=False)
        except BaseException:
            self.scene.remove()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self.scene.remove()

    @property
    def plan(self) -> list[tuple[str, Mapping[str, list[bytes]]]]:
        """For each mailbox its address, and the prebuilt commands that fill each of its folders."""
        pairs = zip(self.scene.addresses, self.mailboxes, strict=True)
        return [(address, {name: batches(name, items) for name, items in each.items()}) for address, each in pairs]

    def fresh(self) -> None:
        """An empty new server, and a workspace that knows nothing of earlier runs."""
        self.scene.new.kill()
        processes.remove_directory(self.scene.new.directory / "mail")
        processes.remove_directory(self.scene.workspace / "state")
        self.scene.new.start()
        with self.scene.new.connect(self.scene.addresses[0]):
            pass  # the first login starts processes that a server in service has

    def run(self, command: list[str], env: Mapping[str, str]) -> Cost:
        """Run a command to its end. BenchError, with its last words, when it fails."""
        told = self.scene.directory / "cost.json"
        said = self.scene.directory / "said.txt"

        def launched() -> tuple[float, float, float | None]:
            with said.open("wb") as words:
                subprocess.run(
                    [sys.executable, "-IS", launch.__file__, str(told), *command], cwd=self.scene.workspace,
                    env=env, stdin=subprocess.DEVNULL, stdout=words, stderr=words, check=True,
                )  # fmt: skip
            cost = json.loads(told.read_text())
            if cost["exit_code"]:
                raise BenchError(f"{command[0]} ended with {cost['exit_code']}:\n{processes.tail(said)}")
            return cost["wall_s"], cost["cpu_s"], cost["peak_rss_mb"]

        return self.measure(launched)

    def measure(self, work: Callable[[], tuple[float, float, float | None]]) -> Cost:
        """`work` returns its wall and CPU seconds, and MB; the servers' CPU during it is added."""
        source, target = server_cpu(self.scene.old), server_cpu(self.scene.new)
        wall, cpu, memory = work()
        return Cost(wall, cpu, server_cpu(self.scene.old) - source, server_cpu(self.scene.new) - target, memory)

    def differences(self) -> Counter[str]:
        """How many messages differ between the servers now, by what differs; empty when all is the same."""
        found: Counter[str] = Counter()
        for address in self.scene.addresses:
            if address not in self._sources:
                self._sources[address] = snapshot(self.scene.old, address)
            found += Counter(compare(self._sources[address], snapshot(self.scene.new, address)).counts())
        return found


def server_cpu(server: Dovecot) -> float:
    """CPU seconds of a server so far, ended children included."""
    assert server._process is not None
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[2]) == server._process.pid:  # the process group
            ticks += sum(map(int, fields[11:15]))
    return ticks / TICK
