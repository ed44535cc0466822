"""YAML as plain values that remember where they stood, so that an error can name line and column.

The dialect is the small one people expect: text, whole numbers, decimals, true/false, null, lists, mappings
(YAML 1.2's core schema without octal and exponents; `yes`, `on`, `22:00` and dates stay text). Anchors, aliases and
tags are refused: nothing in a workspace needs them, and they are how a small file becomes an enormous one.
"""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from migrator.model.names import has_control
from migrator.workspace.problems import Problem, WorkspaceInvalid

Loc = tuple[str | int, ...]  # ("servers", "old", "imap", "port"): keys and list positions from the top

# libyaml where PyYAML was built with it, eight times as fast; both give the same events
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
MAX_BYTES = 10_000_000  # a wave file of 50,000 mailboxes has 2 MB
MAX_DEPTH = 20
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # YAML 1.2, 5.1
_SURROGATE = re.compile("[\ud800-\udfff]")
_CONSTANTS = {"": None, "~": None, "null": None, "true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Place:
    """Line and column, from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML file: its value, where each key and value stands, and what was wrong already."""

    file: str
    value: object
    keys: dict[Loc, Place]
    values: dict[Loc, Place]
    problems: list[Problem] = field(default_factory=list)

    def problem(self, loc: Loc, text: str, *, at_key: bool = False) -> Problem:
        """`text` as a problem at `loc`, or at the nearest place above it that the file has."""
        known: Loc = ()
        for step in loc:  # steps that are not in the file (a union's tag, a key that is missing) are passed over
            if (*known, step) in self.values:
                known = (*known, step)
        places = (self.keys, self.values) if at_key or known[-1:] != loc[-1:] else (self.values, self.keys)
        place = places[0].get(known) or places[1].get(known) or Place(1, 1)
        return Problem(self.file, place.line, place.column, text)


class _Refused(Exception):
    """Valid YAML that this dialect does not have."""

    def __init__(self, event: yaml.Event, text: str) -> None:
        super().__init__(text)
        self.place = _place(event)


def parse_yaml(path: Path, shown: str) -> Document:
    """The document in the file `path`, called `shown` in errors.

    WorkspaceInvalid when it is not there, not UTF-8 or not YAML; what can be told beside a value (a key that occurs
    twice, a control character) is left in `problems`.
    """
    text = _text(path, shown)
    builder = _Builder(shown)
    try:
        value = builder.document(yaml.parse(text, Loader=LOADER))
    except _Refused as error:
        raise WorkspaceInvalid([Problem(shown, error.place.line, error.place.column, str(error))]) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        raise WorkspaceInvalid([Problem(shown, line, column, _syntax(error))]) from None
    return Document(shown, value, builder.keys, builder.values, builder.problems)


def _text(path: Path, shown: str) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WorkspaceInvalid([Problem(shown, 0, 0, f"cannot be read: {error.strerror}")]) from None
    if len(data) > MAX_BYTES:
        raise WorkspaceInvalid([Problem(shown, 0, 0, f"larger than {MAX_BYTES:,} bytes")])
    try:
        text = data.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise WorkspaceInvalid([Problem(shown, line, 0, "not UTF-8; save the file as UTF-8")]) from None
    if found := _UNPRINTABLE.search(text):
        before = text[: found.start()]
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        raise WorkspaceInvalid([Problem(shown, line, column, "a control character: only printable text is allowed")])
    return text


def _syntax(error: yaml.MarkedYAMLError) -> str:
    """What the parser says, without what it quotes of the file: that could hold a secret."""
    said = error.problem or "not YAML"
    if "tag" in said or "anchor" in said:
        said = re.sub(r"(['\"]).*\1", "...", said)
    return f"{said} ({error.context})" if error.context else said


def _place(event: yaml.Event) -> Place:
    mark = event.start_mark
    return Place(mark.line + 1, mark.column + 1) if mark else Place(1, 1)


class _Builder:
    """Makes plain values of the parser's events, and notes where each stood."""

    def __init__(self, file: str) -> None:
        self._file = file
        self.keys: dict[Loc, Place] = {}
        self.values: dict[Loc, Place] = {}
        self.problems: list[Problem] = []

    def document(self, events: Iterator[yaml.Event]) -> object:
        """The value of the one document; None for an empty file."""
        next(events)  # the start of the stream
        if isinstance(next(events), yaml.StreamEndEvent):
            return None
        value = self._value(next(events), (), events)
        next(events)  # the end of the document
        if not isinstance(another := next(events), yaml.StreamEndEvent):
            raise _Refused(another, "a second document (---) in the file")
        return value

    def _value(self, event: yaml.Event, loc: Loc, events: Iterator[yaml.Event]) -> object:
        self.values[loc] = _place(event)
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise _Refused(event, "anchors (&) and aliases (*) are not used here: put text that begins so in quotes")
        if getattr(event, "tag", None) is not None:
            raise _Refused(event, "tags (!) are not used here: put text that begins so in quotes")
        if len(loc) > MAX_DEPTH:
            raise _Refused(event, "nested too deeply")
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(loc, events)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(loc, events)
        assert isinstance(event, yaml.ScalarEvent)  # nothing else can stand here
        return self._scalar(event, loc)

    def _sequence(self, loc: Loc, events: Iterator[yaml.Event]) -> list[object]:
        built: list[object] = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            built.append(self._value(event, (*loc, len(built)), events))
        return built

    def _mapping(self, loc: Loc, events: Iterator[yaml.Event]) -> dict[str, object]:
        built: dict[str, object] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent) or event.anchor or event.tag:
                raise _Refused(event, "a key must be a word")
            key, place = str(event.value), _place(event)
            if has_control(key) or _surrogate(key):
                self._problem(place, "a control character in a key")
            if key in built:
                self._problem(place, f"key `{key}` occurs twice here; the first is on line {self.keys[*loc, key].line}")
                _Builder(self._file)._value(next(events), (), events)  # read past it, and forget it
                continue
            self.keys[*loc, key] = place
            built[key] = self._value(next(events), (*loc, key), events)
        return built

    def _scalar(self, event: yaml.ScalarEvent, loc: Loc) -> object:
        text = str(event.value)
        if event.style:  # quoted or a block
            return self._printable(text, loc)
        if text.lower() in _CONSTANTS:
            return _CONSTANTS[text.lower()]
        if re.fullmatch(r"[-+]?(0|[1-9][0-9]*)", text):
            if len(text) > 18:
                raise _Refused(event, "a number this long is not used here: put text in quotes")
            return int(text)
        if re.fullmatch(r"[-+]?[0-9]{1,18}\.[0-9]{1,18}", text):
            return float(text)
        return self._printable(text, loc)

    def _printable(self, text: str, loc: Loc) -> str:
        if has_control(text) or _surrogate(text):
            self._problem(self.values[loc], "a control character (or a line break) in a value")
        return text

    def _problem(self, place: Place, text: str) -> None:
        self.problems.append(Problem(self._file, place.line, place.column, text))


def _surrogate(text: str) -> bool:
    """Whether `text` holds half a character ("\\ud800"), which no file and no database can store."""
    return _SURROGATE.search(text) is not None
