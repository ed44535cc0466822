"""A console and the person who works it, as a ground for the contract suite."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from migrator.model.names import Address, Ingress, Nexthop
from migrator.routing.operator.change_sets import ChangeSets
from migrator.routing.operator.manual import Manual
from tests.contract.routing_places import A, C, D
from tests.lab import processes

LINE = re.compile(r'^  (\S+): (.*) -> (?:"(.*)"|\(no entry\))$', re.MULTILINE)
QUOTED = re.compile(r'"([^"]*)"|\(no entry\)')
TOKEN = re.compile(r"migrator route confirm (\S+)$", re.MULTILINE)
NAME = Ingress("exchange")


class Stop:
    """A StopSignal that a test gives."""

    asked = False

    def draining(self) -> bool:
        return self.asked

    def now(self) -> bool:
        return self.asked


class Console:
    """What people see and change; a JSON file, since processes share it."""

    a, c, d = A, C, D
    old, new, stale, elsewhere = (Nexthop(f"{name}.test") for name in ("old", "new", "stale", "elsewhere"))
    flips_each = 5
    races = False  # two who ask one person at once: see test_routing_manual

    def __init__(self) -> None:
        self.directory = processes.scratch_directory("manual")
        self.state_directory = self.directory / "state"
        self.file = self.directory / "console"
        self.stop = Stop()
        self.on_paper: Path | None = None  # where the first text is kept that a person was shown
        self.printed: list[str] = []
        self.write({A: self.old, C: self.old})

    def backend(self, person: bool = True, patience: timedelta = timedelta(seconds=30)) -> Manual:
        """The backend, with a person who reads what it prints, unless there is none."""
        assumed = {A: self.old, C: self.old}
        return Manual(
            NAME, "Exchange admin center, Mail flow.", assumed=assumed, directory=self.state_directory,
            patience=patience, say=self.work if person else self.printed.append, stop=self.stop,
        )  # fmt: skip

    def sets(self) -> ChangeSets:
        return ChangeSets(self.state_directory, NAME)

    def work(self, text: str) -> None:
        """As a person does, in another terminal: follow the instructions, or refuse them when the console differs."""
        self.printed.append(text)
        if self.on_paper and not self.on_paper.exists():
            self.on_paper.write_text(text)
        if token := TOKEN.search(text):
            self.follow(text, token.group(1))

    def follow(self, text: str, token: str, by: str = "sato") -> None:
        asked = [(Address(address), expected, wanted or None) for address, expected, wanted in LINE.findall(text)]
        routes = self.routes()
        odd = {a: routes.get(a) for a, expected, wanted in asked if routes.get(a) not in (*values(expected), wanted)}
        if odd:
            self.sets().confirm(token, by, {a: Nexthop(v) if v else None for a, v in odd.items()})
            return
        for address, _, wanted in asked:
            self.set_console(address, wanted)
        self.sets().confirm(token.lower(), by)

    def routes(self) -> dict[str, str]:
        return json.loads(self.file.read_text())

    def write(self, routes: dict[str, str]) -> None:
        aside = self.file.with_name("aside")
        aside.write_text(json.dumps(routes))
        aside.replace(self.file)

    def set_console(self, address: Address, value: str | None) -> None:
        with (self.directory / "lock").open("w") as lock:
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX)
            changed = {**self.routes(), address: value or ""}
            self.write({address: route for address, route in changed.items() if route})

    def answer(self, address: Address) -> str | None:
        return self.routes().get(address)

    def set_by_hand(self, address: Address, value: str | None) -> None:
        """In the console, and told to us: an untold change is seen by the person only (see test_routing_manual)."""
        self.set_console(address, value)
        file = self.state_directory / f"{NAME}.json"
        file.parent.mkdir(exist_ok=True)
        empty: dict[str, Any] = {"version": 1, "asked": 0, "confirmed": {}, "possible": {}, "open": [], "closed": []}
        said = json.loads(file.read_text()) if file.exists() else empty
        said["confirmed"][address] = {"value": value, "by": "suzuki", "at": datetime.now(UTC).isoformat()}
        file.write_text(json.dumps(said))

    def state(self) -> object:
        return self.routes()

    def told(self) -> None:
        return None

    def spare(self, writer: int, number: int) -> Address:
        return Address(f"w{writer}-{number}@company.test")


def values(text: str) -> list[str | None]:
    """The values that a line of the instructions names: `"x" or (no entry)`."""
    return [found.group(1) for found in QUOTED.finditer(text)]


def manual_ground() -> Iterator[Console]:
    console = Console()
    yield console
    processes.remove_directory(console.directory)
