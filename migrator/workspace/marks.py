"""YAML as plain values that remember where they stood, so that an error can name line and column.

The dialect is the small one people expect: text, whole numbers, decimals, true/false, null, lists, mappings
(YAML 1.2's core schema without octal and exponents; `yes`, `on`, `22:00` and dates stay text). Anchors, aliases and
tags are refused: nothing in a workspace needs them, and they are how a small file becomes an enormous one.
"""

import codecs
import re
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from migrator.model.names import has_control
from migrator.workspace.problems import Problem, WorkspaceInvalid

Loc = tuple[str | int, ...]  # ("servers", "old", "imap", "port"): keys and list positions from the top

MAX_BYTES = 10_000_000  # a wave file of 50,000 mailboxes has 2 MB
MAX_DEPTH = 20


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


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with fewer guesses about plain words, and without anchors."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012  (PyYAML's own way)

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise yaml.MarkedYAMLError(
                problem="anchors and aliases are not used here: write the value out; text that "
                "begins with & or * needs quotes",
                problem_mark=event.start_mark,
            )
        return super().compose_node(parent, index)


for _tag, _pattern, _first in [
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?(0|[1-9][0-9]*)", list("-+0123456789")),
    ("float", r"[-+]?[0-9]+\.[0-9]+", list("-+0123456789")),
]:
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_pattern})$"), _first)


def parse_yaml(path: Path, shown: str) -> Document:
    """The document in the file `path`, called `shown` in errors.

    WorkspaceInvalid when it is not there, not UTF-8 or not YAML; what can be told beside a value (a key that occurs
    twice, a control character) is left in `problems`.
    """
    text = _text(path, shown)
    try:
        node = _compose(text)
        document = Document(shown, None, {}, {})
        return Document(shown, _build(node, (), document), document.keys, document.values, document.problems)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(mark.line + 1, mark.column + 1) if mark else Place(1, 1)
        raise WorkspaceInvalid([Problem(shown, place.line, place.column, _syntax(error))]) from None
    except yaml.reader.ReaderError as error:
        raise WorkspaceInvalid([_unreadable(error, text, shown)]) from None
    except RecursionError:
        raise WorkspaceInvalid([Problem(shown, 0, 0, "nested too deeply")]) from None


def _text(path: Path, shown: str) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WorkspaceInvalid([Problem(shown, 0, 0, f"cannot be read: {error.strerror}")]) from None
    if len(data) > MAX_BYTES:
        raise WorkspaceInvalid([Problem(shown, 0, 0, f"larger than {MAX_BYTES:,} bytes")])
    try:
        return data.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise WorkspaceInvalid([Problem(shown, line, 0, "not UTF-8; save the file as UTF-8")]) from None


def _compose(text: str) -> yaml.Node | None:
    loader = _Loader(text)
    try:
        return loader.get_single_node()
    finally:
        loader.dispose()


def _syntax(error: yaml.MarkedYAMLError) -> str:
    """What the parser says, without the line it quotes: that could hold a secret."""
    said = error.problem or "not YAML"
    if "tag" in said or "anchor" in said:
        said = re.sub(r"(['\"]).*\1", "...", said)
    return f"{said} ({error.context})" if error.context else said


def _unreadable(error: yaml.reader.ReaderError, text: str, shown: str) -> Problem:
    before = text[: error.position] if isinstance(error.position, int) else ""
    column = len(before) - (before.rfind("\n") + 1) + 1
    return Problem(shown, before.count("\n") + 1, column, "a control character: only printable text is allowed")


def _build(node: yaml.Node | None, loc: Loc, document: Document) -> object:
    if node is None:
        return None
    document.values[loc] = Place(node.start_mark.line + 1, node.start_mark.column + 1)
    if len(loc) > MAX_DEPTH:
        raise yaml.MarkedYAMLError(problem="nested too deeply", problem_mark=node.start_mark)
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, loc, document)
    if isinstance(node, yaml.SequenceNode):
        return [_build(child, (*loc, position), document) for position, child in enumerate(node.value)]
    return _scalar(node, loc, document)


def _mapping(node: yaml.MappingNode, loc: Loc, document: Document) -> dict[str, object]:
    built: dict[str, object] = {}
    for key_node, value_node in node.value:
        if not isinstance(key_node, yaml.ScalarNode):
            raise yaml.MarkedYAMLError(problem="a key must be a word", problem_mark=key_node.start_mark)
        key = str(key_node.value)
        place = Place(key_node.start_mark.line + 1, key_node.start_mark.column + 1)
        if key in built:
            first = document.keys[(*loc, key)]
            text = f"key `{key}` occurs twice here; the first is on line {first.line}"
            document.problems.append(Problem(document.file, place.line, place.column, text))
            continue
        if has_control(key) or _surrogate(key):
            document.problems.append(Problem(document.file, place.line, place.column, "a control character in a key"))
        document.keys[(*loc, key)] = place
        built[key] = _build(value_node, (*loc, key), document)
    return built


def _surrogate(text: str) -> bool:
    """Whether `text` holds half a character ("\\ud800"), which no file and no database can store."""
    return any("\ud800" <= letter <= "\udfff" for letter in text)


def _scalar(node: yaml.Node, loc: Loc, document: Document) -> object:
    text, kind = str(node.value), node.tag.removeprefix("tag:yaml.org,2002:")
    match kind:
        case "null":
            return None
        case "bool" if text.lower() in ("true", "false"):
            return text.lower() == "true"
        case "int" if re.fullmatch(r"[-+]?[0-9]{1,18}", text):
            return int(text)
        case "float" if re.fullmatch(r"[-+]?[0-9]{1,18}\.[0-9]{1,18}", text):
            return float(text)
        case "str":
            if has_control(text) or _surrogate(text):
                document.problems.append(document.problem(loc, "a control character (or a line break) in a value"))
            return text
    raise yaml.MarkedYAMLError(
        problem="tags (!...) and numbers this long are not used here: put text in quotes", problem_mark=node.start_mark
    )
