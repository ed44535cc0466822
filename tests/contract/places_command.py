"""The program of docs/routing-command.md as a ground for the contract suite."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from textwrap import dedent

from migrator.model.names import Address, Ingress, Nexthop
from migrator.routing import Reader
from migrator.routing.operator.program import ProgramPlace
from migrator.routing.operator.program_call import Program
from tests.contract.routing_places import A, C, D
from tests.lab import processes

PAGE = Path(__file__).parents[2] / "docs" / "routing-command.md"


def example() -> str:
    """The program in the page."""
    found = re.search(r"^    #!/usr/bin/env python3\n(?:    .*\n|\n)+", PAGE.read_text(), re.MULTILINE)
    assert found is not None
    return dedent(found.group())


class CommandGround:
    """A file of `address: route` lines, which the program reads and writes."""

    a, c, d = A, C, D
    old, new, stale, elsewhere = (Nexthop(f"{name}.test") for name in ("old", "new", "stale", "elsewhere"))
    flips_each = 5  # each of them starts Python three times

    def __init__(self) -> None:
        self.directory = processes.scratch_directory("command")
        self.file, self.told_log = self.directory / "routes", self.directory / "told"
        self.program = self.directory / "exim-routes"
        self.program.write_text(example())
        self.write({A: self.old, C: self.old})

    def backend(self, line: str = "", limit: float = 30.0) -> ProgramPlace:
        """The backend on it, or on another program's command `line`."""
        program = Program(line or self.line(), self.directory, limit)
        reader = Reader(f"sh -c 'echo told >> {self.told_log}'")
        state = self.directory / "state"
        return ProgramPlace(Ingress("exim"), program, reader=reader, freeze=None, directory=state, known=(A, C, D))

    def line(self, before: str = "") -> str:
        """The command line that runs the example; `before`: what else it is started through."""
        return f"{before} env ROUTES={self.file} {sys.executable} -IS {self.program}"

    def wrapped(self, script: str) -> str:
        """The command line of a shell script that finds the example as "$@"."""
        return f"sh -c {script!r} wrapper {self.line()}"

    def routes(self) -> dict[str, str]:
        pairs = (line.split(": ", 1) for line in self.file.read_text().splitlines())
        return {address: route for address, route in pairs}  # noqa: C416

    def write(self, routes: Mapping[str, str]) -> None:
        self.file.write_text("".join(f"{address}: {route}\n" for address, route in routes.items()))

    def answer(self, address: Address) -> str | None:
        return self.routes().get(address)

    def set_by_hand(self, address: Address, value: str | None) -> None:
        changed = {**self.routes(), address: value or ""}
        self.write({address: route for address, route in changed.items() if route})

    def state(self) -> object:
        return self.file.read_bytes(), self.told()

    def told(self) -> int:
        return self.told_log.read_text().count("told") if self.told_log.exists() else 0

    def spare(self, writer: int, number: int) -> Address:
        return Address(f"w{writer}-{number}@company.test")


def command_ground() -> Iterator[CommandGround]:
    ground = CommandGround()
    yield ground
    processes.remove_directory(ground.directory)
