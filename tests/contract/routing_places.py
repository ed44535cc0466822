"""Places for the contract suite: a routing backend on scratch files, and evidence that does not come from it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from migrator.model.names import Address, Ingress, Nexthop
from migrator.routing.postfix_map import PostfixMap
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


class Place:
    """A map file of one type with four known addresses: a, b (value on two lines), c, and d, which has no entry."""

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
        return PostfixMap(
            Ingress("gateway"), self.text, self.type,
            reload=reload, queue_list=queue_list, queue_flush=None, freeze=freeze,
        )  # fmt: skip

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

    def reloads(self) -> int:
        return self.reloads_log.read_text().count("told") if self.reloads_log.exists() else 0

    def state(self) -> tuple[bytes, bytes, int]:
        """Everything a reader sees, to show that nothing was written."""
        return self.text.read_bytes(), self.index.read_bytes(), self.reloads()


@contextmanager
def place(type: str, text: str = FIRST_TEXT) -> Iterator[Place]:
    before = os.environ.get("MAIL_CONFIG")
    directory = processes.scratch_directory("routing")
    try:
        yield Place(directory, type, text)
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
