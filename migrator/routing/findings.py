"""What any place may be found to lack: questions that `check` asks of several backends, without writing."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence

from migrator.model.errors import MigratorError
from migrator.routing import command
from migrator.routing.contract import Finding, Severity
from migrator.routing.map_files import MapFiles

Question = Callable[[], Iterator[Finding]]


def asked(questions: Iterable[Question]) -> list[Finding]:
    """What the questions find, in their order; an error met on the way is a finding too, and ends its question only."""
    return [finding for question in questions for finding in _answered(question)]


def error(text: str, remedy: str) -> Finding:
    return Finding(Severity.ERROR, text, remedy)


def warning(text: str, remedy: str) -> Finding:
    return Finding(Severity.WARNING, text, remedy)


def unwritable(files: MapFiles) -> Iterator[Finding]:
    """Why this process could not change the text, and whether a change of it was interrupted."""
    if files.text.is_symlink():
        yield error(f"{files.text} is a symbolic link", "Put a regular file there: a rename would replace the link.")
    if not os.access(files.text.parent, os.W_OK | os.X_OK):
        yield error(f"{files.text.parent} cannot be written by this user", "Run as a user that may, such as root.")
    owner = files.text.stat() if files.text.exists() else None
    if owner is not None and os.geteuid() not in (0, owner.st_uid):
        yield error(f"{files.text} belongs to another user", "Run as its owner or as root: a rebuild keeps the owner.")
    if files.half_done() is not None:
        yield warning(f"a change of {files.text} was interrupted", "Run the interrupted command again: it finishes it.")


def unrunnable(commands: Sequence[str]) -> Iterator[Finding]:
    """The commands whose program is not here."""
    for each in commands:
        program = command.words(each)[0]
        if not command.found(program):
            yield error(f"the command `{each}` cannot be run: {program} was not found", "Correct it in migrator.yaml.")


def _answered(question: Question) -> Iterator[Finding]:
    """What a question finds; an error met on the way is a finding too."""
    try:
        yield from question()
    except MigratorError as met:
        yield error(str(met), met.remedy)
