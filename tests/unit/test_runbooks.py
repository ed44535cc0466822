"""The runbooks: a page for every error that names one, and nothing on a page that does not exist."""

import importlib
import pkgutil
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

import migrator
from migrator.cli.app import app
from migrator.model.errors import ExitCode, MigratorError
from migrator.waves.gates import BEFORE_CANARIES

RUNBOOKS = Path(__file__).resolve().parents[2] / "runbooks"
PAGES = sorted(RUNBOOKS.glob("*.md"))
COMMAND = re.compile(r"`migrator ([a-z][^`]*)`|^ {4,}migrator ([a-z].*)$", re.MULTILINE)
LINK = re.compile(r"\]\(([^)#]+)\)")
PHASES = ("plan", "seed", "cutover-night", "rollback")


def errors():
    """Every kind of error that the program can raise."""
    for module in pkgutil.walk_packages(migrator.__path__, "migrator."):
        if ".revisions" not in module.name and "__main__" not in module.name:
            importlib.import_module(module.name)
    found, left = [], [MigratorError]
    while left:
        found.append(left.pop())
        left += found[-1].__subclasses__()
    return [kind for kind in found if kind.__module__.startswith("migrator.")]


def commands(page):
    return [one or two for one, two in COMMAND.findall(page.read_text("utf-8"))]


def test_every_error_that_names_a_runbook_has_its_page_and_the_index_names_its_exit_code():
    index = (RUNBOOKS / "README.md").read_text("utf-8")
    named = {kind.runbook: kind.exit_code for kind in errors() if kind.runbook}
    assert named["locked"] is ExitCode.LOCKED
    missing = [name for name in named if RUNBOOKS / f"{name}.md" not in PAGES]
    unlisted = [name for name, code in named.items() if f"| [{name}]({name}.md) | {int(code)} |" not in index]
    assert (missing, unlisted) == ([], [])


def test_every_page_is_of_a_phase_or_of_an_error():
    known = {kind.runbook for kind in errors()} | {*PHASES, "README"}
    assert [page.stem for page in PAGES if page.stem not in known] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_on_the_page_exists_with_its_options(page):
    assert commands(page) or page.stem == "README", "a page without a command helps nobody at night"
    for text in commands(page):
        words = shlex.split(text)
        command: Any = typer.main.get_command(app)
        while getattr(command, "get_command", None) and words:
            command = command.get_command(None, words.pop(0))
            assert command is not None, text
        options = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("-")} <= options, text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_link_leads_to_a_page(page):
    assert [link for link in LINK.findall(page.read_text("utf-8")) if not (RUNBOOKS / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_page_begins_with_a_summary_in_japanese_and_says_who_and_when(page):
    title, summary, *_ = [part for part in page.read_text("utf-8").split("\n\n") if part]
    assert title.startswith("# ")
    assert summary.startswith("> **日本語の要約:** ")
    assert re.search(r"[ぁ-ん]", summary)
    if page.stem != "README":
        assert "**Who:**" in page.read_text("utf-8")
        assert "**When:**" in page.read_text("utf-8")


def test_the_page_of_the_gates_names_every_gate():
    page = (RUNBOOKS / "gate-refused.md").read_text("utf-8")
    assert len(re.findall(r"^   \| [a-z-]+ \|", page, re.MULTILINE)) == len(BEFORE_CANARIES) + 2  # head, canaries
