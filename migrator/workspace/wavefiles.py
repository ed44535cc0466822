"""waves/*.yaml: which mailboxes move together, read and written."""

import os
import tempfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Self

import yaml
from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from migrator.model.names import Address, ServerName, WaveName, address, slug
from migrator.model.wave import Wave, Window
from migrator.workspace.marks import Document, parse_yaml
from migrator.workspace.problems import Problem, WorkspaceInvalid, guess
from migrator.workspace.roster import Roster
from migrator.workspace.section import Section
from migrator.workspace.validation import check


def _instant(text: object) -> datetime:
    """A time with its zone. ValueError without one: 22:00 is not the same moment in Tokyo and in UTC."""
    if isinstance(text, str):
        try:
            when = datetime.fromisoformat(text)
        except ValueError:
            when = None
        if when and when.tzinfo:
            return when
    raise ValueError("not a time with its zone; write it like 2026-12-05T22:00+09:00")


Instant = Annotated[datetime, BeforeValidator(_instant)]


class WindowSection(Section):
    start: Instant
    end: Instant

    @model_validator(mode="after")
    def _forward(self) -> Self:
        if self.end <= self.start:
            raise ValueError("the window ends before it starts")
        return self


class WaveFile(Section):
    """One file of waves/; `wave` is the file's name without .yaml."""

    wave: Annotated[str, AfterValidator(slug)]
    departments: tuple[str, ...] = ()
    target: str
    window: WindowSection | None = None
    pinned: tuple[Annotated[Address, AfterValidator(address)], ...] = ()
    mailboxes: Annotated[tuple[Annotated[Address, AfterValidator(address)], ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _pins_its_own(self) -> Self:
        if strangers := sorted(set(self.pinned) - set(self.mailboxes)):
            raise ValueError(f"`pinned` names {strangers[0]}, which is not in `mailboxes`")
        return self

    def value(self) -> Wave:
        window = Window(self.window.start, self.window.end) if self.window else None
        target = ServerName(self.target)
        return Wave(WaveName(self.wave), self.departments, target, self.mailboxes, window, self.pinned)


def read_waves(
    root: Path, servers: frozenset[ServerName], roster: Roster, problems: list[Problem]
) -> dict[WaveName, Wave]:
    """The waves of root/waves by name; what is wrong in the files is added to `problems`.

    Of those whose row in the mailbox list is faulty nothing is said here: it has been said.
    """
    waves: dict[WaveName, Wave] = {}
    placed: dict[Address, Problem] = {}  # where each address was seen first
    for path in sorted((root / "waves").glob("*.y*ml")):
        shown = f"waves/{path.name}"
        if path.name.startswith("."):  # an editor's lock or copy
            continue
        if path.suffix != ".yaml":
            problems.append(Problem(shown, 0, 0, "wave files end in .yaml; rename it"))
            continue
        try:
            document = parse_yaml(path, shown)
        except WorkspaceInvalid as error:
            problems += error.problems
            continue
        spec, found = check(document, WaveFile, root)
        problems += found
        if spec:
            problems += _misfits(document, spec, path.stem, servers, roster, placed)
            waves[WaveName(spec.wave)] = spec.value()
    return waves


def _misfits(
    document: Document,
    spec: WaveFile,
    stem: str,
    servers: frozenset[ServerName],
    roster: Roster,
    placed: dict[Address, Problem],
) -> list[Problem]:
    """What is wrong between this wave and everything else."""
    problems = []
    if spec.wave != slug_or_none(stem):
        problems.append(document.problem(("wave",), f"wave `{spec.wave}` must be in the file {spec.wave}.yaml"))
    if spec.target not in servers:
        text = f"unknown server `{spec.target}`" + guess(spec.target, servers)
        problems.append(document.problem(("target",), text))
    for position, owner in enumerate(spec.mailboxes):
        here = document.problem(("mailboxes", position), "")
        if text := _misplaced(owner, spec, roster, placed):
            problems.append(Problem(here.file, here.line, here.column, text))
        placed.setdefault(owner, here)
    return problems


def slug_or_none(text: str) -> str | None:
    try:
        return slug(text)
    except ValueError:
        return None


def _misplaced(owner: Address, spec: WaveFile, roster: Roster, placed: Mapping[Address, Problem]) -> str:
    if first := placed.get(owner):
        return f"{owner} is in a wave already, at {first.file}:{first.line}"
    if owner not in roster.mailboxes:
        text = f"{owner} is not in the mailbox list; whoever has left is taken out here, too"
        return "" if owner in roster.faulty else text
    if spec.target not in (choices := roster.mailboxes[owner].choices):
        where = "` or `".join(choices)
        return f"{owner} moves to `{where}` by the mailbox list, and this wave to `{spec.target}`"
    return ""


def save_wave(root: Path, wave: Wave) -> Path:
    """Write waves/<name>.yaml in one step, and return its path; a file that says the same already is left alone."""
    path = root / "waves" / f"{slug(wave.name)}.yaml"
    if _says(path) == wave:
        return path
    path.parent.mkdir(exist_ok=True)
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, prefix=".", delete=False) as file:
        try:
            file.write(_written(wave))
            file.flush()
            os.fsync(file.fileno())
            os.chmod(file.name, 0o644)
            os.replace(file.name, path)
        except BaseException:
            os.unlink(file.name)
            raise
    return path


def remove_wave(root: Path, name: WaveName) -> None:
    """Remove waves/<name>.yaml, if it is there."""
    (root / "waves" / f"{slug(name)}.yaml").unlink(missing_ok=True)


def _says(path: Path) -> Wave | None:
    if not path.exists():
        return None
    try:
        spec, _ = check(parse_yaml(path, path.name), WaveFile, path.parent)
    except WorkspaceInvalid:
        return None
    return spec.value() if spec else None


def content(wave: Wave) -> dict[str, object]:
    """What the file of `wave` says, as plain values."""
    told: dict[str, object] = {"wave": str(wave.name), "departments": list(wave.departments), "target": wave.target}
    if wave.window:
        told["window"] = {"start": wave.window.start.isoformat(), "end": wave.window.end.isoformat()}
    if wave.pinned:
        told["pinned"] = list(wave.pinned)
    told["mailboxes"] = list(wave.mailboxes)
    return told


def _written(wave: Wave) -> str:
    return yaml.safe_dump(content(wave), sort_keys=False, allow_unicode=True, width=120)
