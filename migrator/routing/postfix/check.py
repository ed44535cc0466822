"""What stands in the way of flipping a Postfix map, or will surprise: found at start, without writing."""

from collections.abc import Iterator

from migrator.model.names import Nexthop
from migrator.routing import text_lines
from migrator.routing.contract import Finding
from migrator.routing.errors import listing
from migrator.routing.findings import Question, asked, error, unrunnable, unwritable, warning
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
    questions: list[Question] = [
        lambda: unwritable(files),
        lambda: _text(files),
        lambda: _index(files, postmap, reader.reload),
        lambda: unrunnable(reader.commands),
        lambda: unnamed(f"{postmap.type}:{files.text}", parameter, reader.reload),
        lambda: unqueueable(freeze, reader.reload),
    ]
    return asked(questions)


def _text(files: MapFiles) -> Iterator[Finding]:
    text = map_text.parse(text_lines.decode(files.read()))
    map_text.refuse_undecodable(text)
    if text.doubled:
        lines = [f"{key}: lines {', '.join(map(str, numbers))}" for key, numbers in text.doubled.items()]
        yield warning(
            f"{files.text} has doubled entries:{listing(lines)}", "Leave one of each: they cannot be flipped."
        )
    if text.ignored:
        lines = [f"line {ignored.line}: {ignored.reason}" for ignored in text.ignored]
        yield warning(f"Postfix leaves out lines of {files.text}:{listing(lines)}", "Correct or remove them.")
    yield from _extensions(files, text)


def _extensions(files: MapFiles, text: MapText) -> Iterator[Finding]:
    extended = [key for key in text.entries if "+" in key.partition("@")[0] and "@" in key]
    if extended:
        yield warning(
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
        yield error(
            f"{files.text} and its index disagree on {len(differences)} entries:"
            f"{listing([str(difference) for difference in differences])}",
            f"Decide which is right, correct the text, then `postmap {postmap.type}:{files.text}`.",
        )


def unnamed(name: str, parameter: str, reload: str | None) -> Iterator[Finding]:
    """Whether the Postfix that `reload` reloads looks into the map `name` by its main.cf's `parameter`."""
    used = postconf.setting(reload, parameter)
    if used is not None and name not in used:
        yield error(
            f"this Postfix does not look into {name}: {parameter} is `{used}`",
            f"Add it: `postconf -e '{parameter} = {name}'`, or name the map that is used in migrator.yaml.",
        )


def unqueueable(freeze: Nexthop | None, reload: str | None) -> Iterator[Finding]:
    """Whether the Postfix that `reload` reloads refuses frozen mail for now, instead of queueing it."""
    if freeze is None or not freeze.startswith("retry:"):
        return
    settings = {name: postconf.setting(reload, name) or "" for name in (_UNLISTED, *_RESTRICTIONS)}
    if settings[_UNLISTED] == "yes" or any("reject_unlisted_recipient" in settings[name] for name in _RESTRICTIONS):
        yield warning(
            "while a wave is frozen, this Postfix answers 450 to its mail at RCPT instead of queueing it: senders that "
            "do not try again (web forms, scanners) lose theirs",
            "Set `smtpd_reject_unlisted_recipient = no` and remove reject_unlisted_recipient from the restrictions.",
        )
