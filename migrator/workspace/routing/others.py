"""Places that this program cannot reach by itself: a program of the operator's, a console that people work."""

from datetime import timedelta
from typing import Literal

from migrator.workspace.fields import Words
from migrator.workspace.quantities import PositiveDuration
from migrator.workspace.routing.entry import Entry, Where
from migrator.workspace.routing.postfix import PostfixEntry, QueueCommands


class CommandEntry(PostfixEntry):
    """A program of the operator's: JSON on its standard input, an exit status as its answer.

    It is ended after `timeout`. A Postfix that it changes is named by `reload`, `queue` and `freeze`.
    """

    kind: Literal["command"]
    command: Words
    timeout: PositiveDuration = timedelta(minutes=1)
    reload: Words | None = None
    queue: QueueCommands | None = None
    freeze: Words | None = None

    @property
    def where(self) -> Where:
        return "command", self.command


class ManualEntry(Entry):
    """A console that only a person can work: `instructions` are printed with each change set, which has a token."""

    kind: Literal["manual"]
    instructions: Words

    @property
    def where(self) -> Where:
        return "name", f"manual {self.name}"
