"""migrator and its peers, each as an operator would run it for all mailboxes: what a tool is."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bench.ground import Ground
from tests.lab.requirements import find_program


@dataclass(frozen=True)
class Tool:
    """`configure` writes what the tool needs to know and makes it forget earlier runs; `command` starts one pass over
    all mailboxes; `again` a later one, where that is another command; `program` must be installed."""

    name: str
    program: str
    configure: Callable[[Ground], None]
    command: Callable[[Ground], list[str]]
    remedy: str = ""
    again: Callable[[Ground], list[str]] | None = None

    @property
    def installed(self) -> bool:
        return not self.program or find_program(self.program) is not None

    def environment(self, ground: Ground) -> Mapping[str, str]:
        """The caller's, in which Python keeps what it compiles, as it does for a program that is installed."""
        return {name: v for name, v in ground.scene.environment().items() if name != "PYTHONDONTWRITEBYTECODE"}


def one_after_another(commands: Sequence[Sequence[str]]) -> list[str]:
    """A command that runs others in turn, as an operator's loop over mailboxes would; it ends at the first failure."""
    return ["sh", "-ec", "\n".join(map(shlex.join, commands))]


def _configure(ground: Ground) -> None:
    """The scene has written the workspace, and fresh ground has no state."""


def _command(ground: Ground) -> list[str]:
    """The program itself, from its start to its end: a pass, and more of them until all is in step."""
    return ground.scene.command("wave", "run", "bench", "--until", "synced", "--yes")


MIGRATOR = Tool("migrator", "", _configure, _command)
