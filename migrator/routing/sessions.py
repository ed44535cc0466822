"""Sessions that stay where they are when a user's route changes, and are ended by name, so that the next login moves.

Who they are is on disk before the change is. So a run that died between the two does not leave them where they were.
"""

from collections.abc import Iterable
from pathlib import Path

from migrator.routing import command
from migrator.routing.durable import write_whole
from migrator.routing.errors import CommandFailed, listing

AT_ONCE = 200  # users named in one command: far below what a command line may hold


class Sessions:
    """`command` takes users as its last words; None: sessions end by themselves. `directory` holds the list."""

    def __init__(self, command: str | None, directory: Path) -> None:
        self._command = command
        self._list = directory / "sessions-to-end"

    @property
    def commands(self) -> tuple[str, ...]:
        """The command, if there is one."""
        return (self._command,) if self._command else ()

    def waiting(self) -> tuple[str, ...]:
        """The users whose sessions are to be ended."""
        return tuple(self._list.read_text("utf-8").split("\n")[:-1]) if self._list.exists() else ()

    def remember(self, users: Iterable[str]) -> None:
        """Add users to those whose sessions are to be ended: before their route changes, and under its lock."""
        if self._command is not None:
            self._keep([*self.waiting(), *users])

    def end(self) -> tuple[str, ...]:
        """End the sessions of all who wait for it; what could not be done, for people. Those go on waiting.

        No reason to take a change back: a session that stays ends some day, and then follows.
        """
        users = self.waiting()
        if self._command is None or not users:
            return ()
        patterns = [user for user in users if user.startswith("-") or set(user) & set("*?")]
        left, notes = self._ended([user for user in users if user not in set(patterns)])
        if patterns:
            notes += (f"sessions not ended, since these names would mean more than one user:{listing(patterns)}",)
        self._keep(left)
        return notes

    def _ended(self, users: list[str]) -> tuple[list[str], tuple[str, ...]]:
        """Who is left when the first command fails, and why."""
        assert self._command is not None
        for start in range(0, len(users), AT_ONCE):
            try:
                command.run([*command.words(self._command), *users[start : start + AT_ONCE]])
            except CommandFailed as error:
                left = users[start:]
                return left, (
                    f"{len(left)} users keep the sessions that they have, on the server they came from: {error} Then "
                    f"run the same command again, or end them by hand with `{self._command} USER`.",
                )
        return [], ()

    def _keep(self, users: Iterable[str]) -> None:
        write_whole(self._list, "".join(f"{user}\n" for user in dict.fromkeys(users)))
