"""Grounds for the contract suite: a routing backend on its real system, and evidence that does not come from it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from migrator.model.names import Address, Ingress, Nexthop
from migrator.routing import Reader, Routing
from migrator.routing.postfix.map import PostfixMap
from tests.lab import processes
from tests.lab.postfix import INDEX_SUFFIX
from tests.lab.requirements import find_program

MAP_TYPES = ("texthash", "hash", "lmdb", "cdb")
A, B, C, D = (Address(f"{name}@company.test") for name in "abcd")
OLD, NEW, STALE = Nexthop("smtp:[old.test]:25"), Nexthop("lmtp:inet:[new.test]:24"), Nexthop("smtp:[stale.test]")
FREEZE = Nexthop("retry:4.7.0 mailbox is being moved, try again")
FIRST_TEXT = f"""\
# who goes where

company.test\t{OLD}
A@company.test  {OLD}
b@company.test\t\tsmtp:[old.test]
   # this comment is in the middle
   :25
b+list@company.test lmtp:unix:lists
c@company.test {OLD}
"""


class Ground(Protocol):
    """A real place with the addresses `a` and `c`, which it sends to `old`, and `d`, for which it has no entry."""

    a: Address
    c: Address
    d: Address
    old: Nexthop
    new: Nexthop
    stale: Nexthop

    def backend(self) -> Routing:
        """Another backend on this place, as another process would make it."""

    def answer(self, address: Address) -> str | None:
        """What the reader of this place finds for `address`, without our code."""

    def set_by_hand(self, address: Address, value: str | None) -> None:
        """As an administrator does; None removes the entry."""

    def state(self) -> object:
        """Everything that an apply may write, to show that nothing was written."""

    def told(self) -> int | None:
        """How often the reader was told of a change; None where nobody needs to be."""

    def spare(self, writer: int, number: int) -> Address:
        """An address of its own for each pair (four writers, `self.flips_each` flips), without an entry so far."""


class Place:
    """A map file of one type with four known addresses: a, b (value on two lines), c, and d, which has no entry.

    It is a Ground.
    """

    a, c, d = A, C, D
    old, new, stale = OLD, NEW, STALE

    def __init__(self, directory: Path, type: str, text: str = FIRST_TEXT) -> None:
        self.type, self.directory = type, directory
        self.text = directory / "transport"
        self.index = directory / f"transport{INDEX_SUFFIX[type]}"
        self.reloads_log = directory / "reloads"
        self.config = directory / "etc"
        self.config.mkdir()
        self.configure("compatibility_level = 3.6")
        os.environ["MAIL_CONFIG"] = str(self.config)  # or postmap wants a main.cf in /etc/postfix
        self.text.write_text(text)
        self.postmap()

    def routing(
        self, reload: str | None = "", queue_list: str | None = None, freeze: Nexthop | None = FREEZE
    ) -> PostfixMap:
        """The backend on this map; told to reload by a command that this place counts, if no other is given."""
        if reload == "":
            reload = f"sh -c 'echo told >> {self.reloads_log}'"
        reader = Reader(reload, queue_list)
        return PostfixMap(Ingress("gateway"), self.text, self.type, reader=reader, freeze=freeze)

    def backend(self) -> PostfixMap:
        return self.routing()

    def configure(self, line: str) -> None:
        """Add a line to main.cf; backdated, since Postfix's commands doze while it is young."""
        with (self.config / "main.cf").open("a") as main:
            main.write(f"{line}\n")
        os.utime(self.config / "main.cf", (1e9, 1e9))

    def postmap(self) -> None:
        """As the administrator does by hand."""
        if INDEX_SUFFIX[self.type]:
            subprocess.run(
                [find_program("postmap") or "postmap", f"{self.type}:{self.text}"], check=True, capture_output=True
            )
        os.utime(self.text, (1e9, 1e9))

    def edit_by_hand(self, before: str, after: str) -> None:
        text = self.text.read_text()
        assert before in text
        self.text.write_text(text.replace(before, after))
        self.postmap()

    def answer(self, address: str) -> str | None:
        """What Postfix finds, without our code."""
        return self.answers([address])[address]

    def answers(self, addresses: Sequence[str], type: str = "") -> dict[str, str | None]:
        """What Postfix finds for each address, without our code; with another type than the map's own if asked."""
        command = [find_program("postmap") or "postmap", "-q", "-", f"{type or self.type}:{self.text}"]
        found = subprocess.run(command, input="\n".join(addresses) + "\n", capture_output=True, text=True)
        assert "fatal" not in found.stderr
        pairs = dict(line.split("\t", 1) for line in found.stdout.splitlines())
        return {address: pairs.get(address) for address in addresses}

    def set_by_hand(self, address: Address, value: str | None) -> None:
        lines = self.text.read_text().splitlines(keepends=True)
        kept = [line for line in lines if line.split(None, 1)[:1] != [address] and not line.lower().startswith(address)]
        self.text.write_text("".join(kept) + (f"{address} {value}\n" if value else ""))
        self.postmap()

    def told(self) -> int:
        return self.reloads()

    def spare(self, writer: int, number: int) -> Address:
        return Address(f"w{writer}-{number}@company.test")

    def reloads(self) -> int:
        return self.reloads_log.read_text().count("told") if self.reloads_log.exists() else 0

    def state(self) -> tuple[bytes, bytes, int]:
        """Everything a reader sees, to show that nothing was written."""
        return self.text.read_bytes(), self.index.read_bytes(), self.reloads()


@contextmanager
def place(type: str, text: str = FIRST_TEXT, made: Callable[[Path, str, str], Place] = Place) -> Iterator[Place]:
    before = os.environ.get("MAIL_CONFIG")
    directory = processes.scratch_directory("routing")
    try:
        yield made(directory, type, text)
    finally:
        processes.remove_directory(directory)
        os.environ.pop("MAIL_CONFIG") if before is None else os.environ.update(MAIL_CONFIG=before)


def in_a_process(work: Callable[[], object]) -> int:
    """Fork, do the work there, and give the process id; it ends with status 0, or 1 after an exception."""
    child = os.fork()
    if child:
        return child
    try:
        work()
        os._exit(0)
    except BaseException:
        traceback.print_exc(file=sys.__stderr__)
        os._exit(1)


def ended(child: int) -> int:
    """Wait for a process: its exit status, or minus the signal that killed it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def die_at(point: int, calls: dict[object, tuple[str, ...]]) -> None:
    """Patch functions so that this process kills itself at the `point`-th boundary: before and after each call."""
    passed = 0

    def boundary() -> None:
        nonlocal passed
        if passed == point:
            os.kill(os.getpid(), signal.SIGKILL)
        passed += 1

    def instrumented(call):
        def inner(*positional, **named):
            boundary()
            result = call(*positional, **named)
            boundary()
            return result

        return inner

    for module, names in calls.items():
        for name in names:
            setattr(module, name, instrumented(getattr(module, name)))
