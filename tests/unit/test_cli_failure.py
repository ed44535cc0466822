"""Errors as the operator sees them, and exit codes."""

import json
from typing import Any

import pytest
import typer

from migrator.cli.context import Settings
from migrator.cli.failure import guarded, print_failure
from migrator.cli.output import Format
from migrator.model.errors import (
    ConfigInvalid,
    GateRefused,
    Locked,
    LoginRefused,
    MigratorError,
    Stopped,
    Unreachable,
)
from migrator.workspace import Problem, WorkspaceInvalid


class Context:
    """What `guarded` needs of typer's context."""

    def __init__(self, settings=None):
        self.obj = settings or Settings()

    def find_root(self):
        return self


def context(settings=None) -> Any:
    return Context(settings)


def ends_with(error, settings=None):
    def call():
        raise error

    with pytest.raises(typer.Exit) as caught:
        guarded(context(settings), call)
    return caught.value.exit_code


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (MigratorError("x"), 1),
        (LoginRefused("x"), 4),
        (ConfigInvalid("x"), 5),
        (GateRefused("x"), 6),
        (Locked("x"), 7),
        (Unreachable("x"), 8),
        (Stopped("x"), 130),
        (KeyboardInterrupt(), 130),
        (ZeroDivisionError("x"), 1),
    ],
)
def test_each_error_has_the_documented_exit_code(error, code):
    assert ends_with(error) == code


def test_an_error_is_told_with_remedy_and_page_on_stderr(capsys):
    print_failure(Locked("wave sales is worked on\nby taro on host1", remedy="Wait,\nor look there."), Settings())
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == (
        "error: wave sales is worked on\n  by taro on host1\nwhat to do: Wait,\nor look there.\n"
        "more: runbooks/locked.md\n"
    )


def test_an_error_with_json_output_is_one_json_object(capsys):
    error = WorkspaceInvalid([Problem("migrator.yaml", 3, 7, "unknown key")])
    print_failure(error, Settings(output=Format.JSON))
    told = json.loads(capsys.readouterr().err)
    assert told["exit_code"] == 5
    assert told["problems"] == [{"file": "migrator.yaml", "line": 3, "column": 7, "text": "unknown key"}]
    assert told["runbook"] == "runbooks/config-invalid.md"


def test_an_error_cannot_steer_the_terminal(capsys):
    print_failure(MigratorError("server said \x1b]0;x\x07", remedy="\x9b31m"), Settings())
    assert not {"\x1b", "\x07", "\x9b"} & set(capsys.readouterr().err)


def test_a_fault_of_the_program_shows_no_traceback_unless_asked(capsys):
    ends_with(ZeroDivisionError("the text may hold anything"))
    quiet = capsys.readouterr().err
    assert "unexpected ZeroDivisionError" in quiet
    assert "Traceback" not in quiet
    assert "the text may hold anything" not in quiet
    ends_with(ZeroDivisionError("x"), Settings(verbose=1))
    assert "Traceback" in capsys.readouterr().err


def test_usage_errors_and_exits_are_left_to_the_parser():
    def call():
        raise typer.BadParameter("x")

    with pytest.raises(typer.BadParameter):
        guarded(context(), call)
    assert ends_with(typer.Exit(3)) == 3
