"""An error as the operator sees it: what happened, what to do, which page to read; and the exit code."""

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import typer

from migrator.cli.output import Format, neutral_lines, safe_json
from migrator.model.errors import ExitCode, MigratorError, Stopped

if TYPE_CHECKING:
    from migrator.cli.context import Settings

Result = TypeVar("Result")

# typer may carry a click of its own; its public BadParameter leads to the base of what a parser has to say.
USAGE_ERROR: type[Exception] = typer.BadParameter.__base__ or Exception


def guarded(ctx: typer.Context, call: Callable[[], Result]) -> Result:
    """`call()`; an error is printed and becomes typer.Exit with its code. Usage errors are left to typer."""
    try:
        return call()
    except (typer.Exit, typer.Abort, USAGE_ERROR, BrokenPipeError):
        raise
    except MigratorError as error:
        print_failure(error, _settings(ctx))
        raise typer.Exit(error.exit_code) from None
    except KeyboardInterrupt:
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    except Exception as error:
        print_failure(_unexpected(error, _settings(ctx)), _settings(ctx))
        raise typer.Exit(ExitCode.FAILED) from None


def _settings(ctx: typer.Context) -> "Settings":
    from migrator.cli.context import settings

    return settings(ctx)


def print_failure(error: MigratorError, settings: "Settings") -> None:
    """`error` on stderr: text, or one JSON object with -o json or jsonl. Nothing in it can steer a terminal."""
    if settings.form in (Format.JSON, Format.JSONL):
        print(safe_json(as_mapping(error)), file=sys.stderr)
        return
    what = neutral_lines(str(error)).replace("\n", "\n  ")
    if isinstance(error, Stopped):  # what the operator asked for is no error
        print(what, file=sys.stderr)
    else:
        print(f"{_red('error:', settings.no_color)} {what}", file=sys.stderr)
    if error.remedy:
        print(f"what to do: {neutral_lines(error.remedy)}", file=sys.stderr)
    if error.runbook:
        print(f"more: runbooks/{error.runbook}.md", file=sys.stderr)


def as_mapping(error: MigratorError) -> dict[str, object]:
    """`error` as the JSON object that scripts read; `problems` lists places in files, where there are some."""
    shown: dict[str, object] = {
        "error": type(error).__name__,
        "message": str(error),
        "remedy": error.remedy,
        "runbook": f"runbooks/{error.runbook}.md" if error.runbook else None,
        "exit_code": int(error.exit_code),
    }
    if problems := getattr(error, "problems", None):
        shown["problems"] = problems
    return shown


def _unexpected(error: Exception, settings: "Settings") -> MigratorError:
    """A fault of this program: the traceback goes to the log, and to stderr only with -v."""
    from migrator.cli import logs

    where = logs.crash(error)
    if where:
        remedy = f"The traceback is in {where}; please report it. Running the same command again is safe."
    else:
        remedy = "Run it again with -v to see the traceback, and please report it."
    if settings.verbose:
        sys.excepthook(type(error), error, error.__traceback__)
    return MigratorError(f"unexpected {type(error).__name__}, a fault of this program", remedy=remedy)


def _red(text: str, no_color: bool) -> str:
    plain = no_color or os.environ.get("NO_COLOR") or not sys.stderr.isatty() or os.environ.get("TERM") == "dumb"
    return text if plain else f"\x1b[31m{text}\x1b[0m"
