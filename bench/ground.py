"""Where the runs take place: an old server that holds a corpus, a new one that is fresh for each tool, a workspace."""

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
from bench.changes import change
from bench.corpora import Mailboxes
from bench.limit import Plan, batches, fill
from bench.wire import Wire
from tests.lab import processes
from tests.lab.checker import Snapshot, compare, snapshot
from tests.lab.dovecot import Dovecot
from tests.lab.scene import Scene, Side
from tests.lab.wire import Imap

TICK = os.sysconf("SC_CLK_TCK")
SIDES: tuple[Side, Side] = ("old", "new")


class BenchError(Exception):
    """A run that failed: its figures would mean nothing."""


@dataclass(frozen=True)
class Cost:
    """What one run cost: seconds, and MB (2^20) of the largest process, and round trips over the wires before the two
    servers; None where it was not measured."""

    wall_s: float
    cpu_client_s: float
    cpu_source_s: float
    cpu_target_s: float
    peak_rss_mb: float | None
    round_trips: int | None = None

    @property
    def cpu_s(self) -> float:
        """Of the client and both servers."""
        return self.cpu_client_s + self.cpu_source_s + self.cpu_target_s


class Ground:
    """`mailboxes` on the old server; `scene.addresses[n]` is mailbox n. The wave's name is `bench`.

    rtt: the round-trip time (ms) to each server, over a wire before it; None: no wires.
    config: merged over the workspace's migrator.yaml. server: options for both `Dovecot`.
    """

    def __init__(
        self, mailboxes: Mailboxes, *, tls: bool = False, rtt: float | None = None,
        config: Mapping[str, Any] | None = None, server: Mapping[str, Any] | None = None,
    ) -> None:  # fmt: skip
        self.mailboxes, self.tls = mailboxes, tls
        wanted = {"lease": {"ttl": "60s"}, **(config or {})}
        self.scene = Scene(
            {"bench": len(mailboxes)}, tls="implicit" if tls else "none", postfix=False, config=wanted,
            old=server, new=server,
        )  # fmt: skip
        self._rtt = rtt
        self._wires: dict[Side, Wire] = {}
        self._changed = False
        self._sources: dict[tuple[str, bool], Snapshot] = {}

    def __enter__(self) -> Ground:
        self.scene.start()
        try:
            self.scene.write_wave("bench")
            fill(self.scene.old.connect, self.plan)
            if self._rtt is not None:
                self._lay_wires(self._rtt)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        for wire in self._wires.values():
            wire.close()
        self.scene.remove()

    # the servers, as the tools reach them

    def port(self, side: Side) -> int:
        """Of IMAP (with TLS: of IMAPS), or of the wire before it. The host is always the server's."""
        server = self.scene.servers[side]
        return self._wires[side].port if side in self._wires else server.imaps_port if self.tls else server.imap_port

    def connect(self, side: Side, user: str) -> Imap:
        """Log in the way the tools do."""
        server = self.scene.servers[side]
        connection = Imap(server.host, self.port(side), context=server.context if self.tls else None)
        connection.command(b"LOGIN", f'"{user}" "{server.passwords[user]}"'.encode())
        return connection

    def _lay_wires(self, rtt: float) -> None:
        for side in SIDES:
            server = self.scene.servers[side]
            self._wires[side] = Wire(server.host, self.port(side))
        self.set_round_trip(rtt)
        self.scene.write_config({"servers": {side: {"imap": {"port": self.port(side)}} for side in SIDES}})

    def set_round_trip(self, milliseconds: float) -> None:
        """From now on (there must be wires)."""
        for wire in self._wires.values():
            wire.set_round_trip(milliseconds)

    # the mail

    @property
    def plan(self) -> Plan:
        """For each mailbox its address, and the prebuilt commands that fill each of its folders."""
        pairs = zip(self.scene.addresses, self.mailboxes, strict=True)
        return [(user, {name: list(batches(name, items)) for name, items in each.items()}) for user, each in pairs]

    def fresh(self) -> None:
        """An empty new server, an old one without changes, a workspace that knows nothing of earlier runs."""
        self._restore()
        self.scene.new.kill()
        processes.remove_directory(self.scene.new.directory / "mail")
        processes.remove_directory(self.scene.workspace / "state")
        self.scene.new.start()
        self._first_login("new")

    def _first_login(self, side: Side) -> None:
        """It starts processes that a server in service has."""
        with self.scene.servers[side].connect(self.scene.addresses[0]):
            pass

    def change(self) -> None:
        """1% new, 1% flagged, 1% gone in each mailbox of the old server, until the next `fresh`."""
        old = self.scene.old
        self._changed = True
        old.stop()
        subprocess.run(["cp", "-a", old.directory / "mail", old.directory / "unchanged"], check=True)
        old.start()
        for address, held in zip(self.scene.addresses, self.mailboxes, strict=True):
            with old.connect(address) as connection:
                change(connection, held, address)

    def _restore(self) -> None:
        if self._changed:
            old = self.scene.old
            old.kill()
            processes.remove_directory(old.directory / "mail")
            (old.directory / "unchanged").rename(old.directory / "mail")
            old.start()
            self._first_login("old")
            self._changed = False

    # the runs

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
        """`work` returns its wall and CPU seconds, and MB; what the servers and the wires count meanwhile is added."""
        source, target, trips = server_cpu(self.scene.old), server_cpu(self.scene.new), self._round_trips()
        wall, cpu, memory = work()
        source, target = server_cpu(self.scene.old) - source, server_cpu(self.scene.new) - target
        return Cost(wall, cpu, source, target, memory, self._round_trips() - trips if self._wires else None)

    def _round_trips(self) -> int:
        return sum(wire.counts().round_trips for wire in self._wires.values())

    def differences(self) -> Counter[str]:
        """How many messages differ between the servers now, by what differs; empty when all is the same."""
        found: Counter[str] = Counter()
        for address in self.scene.addresses:
            key = (address, self._changed)
            if key not in self._sources:
                self._sources[key] = snapshot(self.scene.old, address)
            found += Counter(compare(self._sources[key], snapshot(self.scene.new, address)).counts())
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
