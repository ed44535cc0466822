"""Templates of notices: read with the workspace, tried out at once, rendered when something happens.

They are Jinja's, in its sandbox. A name that a notice does not have is an error, when the workspace is read.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import BeforeValidator, PlainSerializer, ValidationInfo

from migrator.model.names import WaveName
from migrator.model.notice import COUNTS, EVENTS, FIELDS, TEST, Notice, as_fields
from migrator.model.wave import WaveState
from migrator.workspace.problems import guess

if TYPE_CHECKING:
    from jinja2 import Environment
    from jinja2.nodes import Node

MAX_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Template:
    """`origin` is what the operator wrote: one line of text, or `file:PATH`; `text` is the template itself."""

    origin: str
    text: str = field(repr=False)

    def __str__(self) -> str:
        return self.origin


def render(text: str, fields: Mapping[str, object]) -> str:
    """The template `text` filled in, without blank lines around it. Raises what jinja2 raises."""
    return _environment().from_string(text).render(fields).strip()


def parse_template(value: object, info: ValidationInfo) -> Template:
    """The template in `value`, tried out on a notice of every event. ValueError with all that is wrong with it."""
    if isinstance(value, Template):
        return value
    if not isinstance(value, str) or not value.strip():
        raise ValueError("not a template; write one line of text, or file:PATH for more")
    kind, _, path = value.partition(":")
    text = _read(path.strip(), info) if kind == "file" else value
    if problems := list(check(text)):
        raise ValueError("; ".join(f"{path.strip()}: {one}" if kind == "file" else one for one in problems))
    return Template(value, text)


TemplateText = Annotated[Template, BeforeValidator(parse_template), PlainSerializer(str, return_type=str)]


def check(text: str) -> Iterator[str]:
    """What is wrong with the template `text`, each with its line."""
    import jinja2

    environment = _environment()
    try:
        tree = environment.parse(text)
        problems = list(_unknown(tree))
        yield from problems
        if not problems:
            template = environment.from_string(text)
            for event in (*EVENTS, TEST):
                template.render(_sample(event))
    except jinja2.TemplateSyntaxError as error:
        yield f"line {error.lineno}: {error.message}"
    except Exception as error:  # whatever a template can do wrong
        yield f"cannot be filled in: {error}"


def _unknown(tree: "Node") -> Iterator[str]:
    """Names that a notice does not have."""
    from jinja2 import meta, nodes

    undeclared = meta.find_undeclared_variables(tree) - set(FIELDS)  # type: ignore[arg-type]
    for node in tree.find_all(nodes.Name):
        if node.name in undeclared:
            yield f"line {node.lineno}: unknown name `{node.name}`" + guess(node.name, FIELDS)
    for part in tree.find_all(nodes.Getattr):
        if isinstance(part.node, nodes.Name) and part.node.name == "counts" and part.attr not in COUNTS:
            yield f"line {part.lineno}: unknown name `counts.{part.attr}`" + guess(part.attr, COUNTS)


def _sample(event: str) -> dict[str, object]:
    states = {state.value: state for state in WaveState}
    now, state = datetime.now(UTC), states.get(event, WaveState.SYNCED)
    notice = Notice(WaveName("sales"), event, WaveState.SYNCED, state, now, "admin@host", "migrator wave run sales")
    return as_fields(notice, "an example", dict.fromkeys(COUNTS, 0), now)


def _read(path: str, info: ValidationInfo) -> str:
    root = (info.context or {}).get("root", ".")
    try:
        with (Path(root) / os.path.expanduser(path)).open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ValueError(f"the template {path} cannot be read: {error.strerror}") from None
    if len(data) > MAX_BYTES:
        raise ValueError(f"the template {path} is larger than {MAX_BYTES:,} bytes")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise ValueError(f"the template {path} is not UTF-8; save the file as UTF-8") from None


def _environment() -> "Environment":
    from jinja2 import StrictUndefined  # a command that sends no notice needs no templates
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    return ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True
    )
