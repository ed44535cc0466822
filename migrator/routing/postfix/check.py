"""What stands in the way of flipping a Postfix map, or will surprise: found at start, without writing."""

import os
from collections.abc import Callable, Iterator, Sequence

from migrator.model.errors import MigratorError
from migrator.model.names import Nexthop
from migrator.routing import command, text_lines
from migrator.routing.contract import Finding, Severity
from migrator.routing.errors import listing
from migrator.routing.map_files import MapFiles
from migrator.routing.postfix import map_text, postconf
from migrator.routing.postfix.index import Postmap, compare
from migrator.routing.postfix.map_text import MapText
from migrator.routing.reader import Reader

_UNLISTED = "smtpd_reject_unlisted_recipient"
_RESTRICTIONS = ("smtpd_recipient_restrictions", "smtpd_relay_restrictions")


def findings(
    files: MapFiles, postmap: Postmap, freeze: Nexthop | None, reader: Reader, parameter: str
) -> list[Finding]:
    """All that is found; empty when a flip may go ahead. Later questions are asked though earlier ones failed.

    `parameter` is that of main.cf which must name the map.
    """
    questions: list[Callable[[], Iterator[Finding]]] = [
        lambda: unwritable(files),
        lambda: _text(files),
        lambda: _index(files, postmap, reader.reload),
        lambda: unrunnable(reader.commands),
        lambda: unnamed(f"{postmap.type}:{files.text}", parameter, reader.reload),
        lambda: unqueueable(freeze, reader.reload),
    ]
    return [finding for question in questions for finding in answered(question)]


def answered(question: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """What a question finds; an error met on the way is a finding too."""
    try:
        yield from question()
    except MigratorError as error:
        yield Finding(Severity.ERROR, str(error), error.remedy)


def unwritable(files: MapFiles) -> Iterator[Finding]:
    """Why this process could not change the text, and whether a change of it was interrupted."""
    if files.text.is_symlink():
        yield _error(f"{files.text} is a symbolic link", "Put a regular file there: a rename would replace the link.")
    if not os.access(files.text.parent, os.W_OK | os.X_OK):
        yield _error(f"{files.text.parent} cannot be written by this user", "Run as a user that may, such as root.")
    owner = files.text.stat() if files.text.exists() else None
    if owner is not None and os.geteuid() not in (0, owner.st_uid):
        yield _error(f"{files.text} belongs to another user", "Run as its owner or as root: a rebuild keeps the owner.")
    if files.half_done() is not None:
        yield _warning(
            f"a change of {files.text} was interrupted", "Run the interrupted command again: it finishes it."
        )


def _text(files: MapFiles) -> Iterator[Finding]:
    text = map_text.parse(text_lines.decode(files.read()))
    map_text.refuse_undecodable(text)
    if text.doubled:
        lines = [f"{key}: lines {', '.join(map(str, numbers))}" for key, numbers in text.doubled.items()]
        yield _warning(
            f"{files.text} has doubled entries:{listing(lines)}", "Leave one of each: they cannot be flipped."
        )
    if text.ignored:
        lines = [f"line {ignored.line}: {ignored.reason}" for ignored in text.ignored]
        yield _warning(f"Postfix leaves out lines of {files.text}:{listing(lines)}", "Correct or remove them.")
    yield from _extensions(files, text)


def _extensions(files: MapFiles, text: MapText) -> Iterator[Finding]:
    extended = [key for key in text.entries if "+" in key.partition("@")[0] and "@" in key]
    if extended:
        yield _warning(
            f"{files.text} routes addresses with an extension by themselves:{listing(extended)}",
            "They do not follow the flip of the plain address: flip them by hand, or remove them.",
        )


def _index(files: MapFiles, postmap: Postmap, reload: str | None) -> Iterator[Finding]:
    text = map_text.parse(text_lines.decode(files.half_done() or files.read()))
    if files.index is None:
        if reload is not None:
            postmap.query(files.text, list(text.entries)[:1])
        return
    differences = compare(text.values(), postmap.contents(files.text, text.values()))
    if differences:
        yield _error(
            f"{files.text} and its index disagree on {len(differences)} entries:"
            f"{listing([str(difference) for difference in differences])}",
            f"Decide which is right, correct the text, then `postmap {postmap.type}:{files.text}`.",
        )


def unrunnable(commands: Sequence[str]) -> Iterator[Finding]:
    """The commands whose program is not here."""
    for each in commands:
        program = command.words(each)[0]
        if not command.found(program):
            yield _error(f"the command `{each}` cannot be run: {program} was not found", "Correct it in migrator.yaml.")


def unnamed(name: str, parameter: str, reload: str | None) -> Iterator[Finding]:
    """Whether the Postfix that `reload` reloads looks into the map `name` by its main.cf's `parameter`."""
    used = postconf.setting(reload, parameter)
    if used is not None and name not in used:
        yield _error(
            f"this Postfix does not look into {name}: {parameter} is `{used}`",
            f"Add it: `postconf -e '{parameter} = {name}'`, or name the map that is used in migrator.yaml.",
        )


def unqueueable(freeze: Nexthop | None, reload: str | None) -> Iterator[Finding]:
    """Whether the Postfix that `reload` reloads refuses frozen mail for now, instead of queueing it."""
    if freeze is None or not freeze.startswith("retry:"):
        return
    settings = {name: postconf.setting(reload, name) or "" for name in (_UNLISTED, *_RESTRICTIONS)}
    if settings[_UNLISTED] == "yes" or any("reject_unlisted_recipient" in settings[name] for name in _RESTRICTIONS):
        yield _warning(
            "while a wave is frozen, this Postfix answers 450 to its mail at RCPT instead of queueing it: senders that "
            "do not try again (web forms, scanners) lose theirs",
            "Set `smtpd_reject_unlisted_recipient = no` and remove reject_unlisted_recipient from the restrictions.",
        )


def _error(text: str, remedy: str) -> Finding:
    return Finding(Severity.ERROR, text, remedy)


def _warning(text: str, remedy: str) -> Finding:
    return Finding(Severity.WARNING, text, remedy)
