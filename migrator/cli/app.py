"""The tree of commands. A noun's file is imported when the noun is used, or to list its commands in a help text."""

import copy
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from migrator.cli.context import Settings
from migrator.cli.failure import guarded
from migrator.cli.output import Format

NOUNS = ("config", "db", "mailbox", "notify", "route", "wave")  # groups of commands; each in the file of its name
VERBS = ("doctor", "init", "probe", "rehearse", "version")  # commands by themselves


class Tree(TyperGroup):
    """The top of the tree: finds commands by name, gives each the global options, turns errors into exit codes."""

    def list_commands(self, ctx: Any) -> list[str]:
        return sorted(NOUNS + VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in self.commands and cmd_name in NOUNS + VERBS:
            found = import_module(f"migrator.cli.{cmd_name}").app
            made: Any = typer.main.get_group(found) if cmd_name in NOUNS else typer.main.get_command(found)
            self._share_options(made)
            self.commands[cmd_name] = made
        return self.commands.get(cmd_name)

    def _share_options(self, command: Any) -> None:
        """Make the global options known to `command` and all below it: `migrator mailbox list -o json` is what people
        type. An option after the command goes before one in front of it."""
        for below in getattr(command, "commands", {}).values():
            self._share_options(below)
        taken = {name for param in command.params for name in param.opts}
        if isinstance(command, TyperGroup):
            return
        for option in self.params:
            if option.name in Settings.__dataclass_fields__ and not taken & set(option.opts):
                command.params.append(_late(option))

    def invoke(self, ctx: Any) -> Any:
        return guarded(ctx, lambda: super(Tree, self).invoke(ctx))


def _late(option: Any) -> Any:
    """`option` as a copy that sits on a command and writes into the settings that the top has made."""
    twin = copy.copy(option)
    twin.expose_value, twin.envvar, twin.default, twin.required = False, None, None, False
    twin.callback = _overrule
    return twin


def _overrule(ctx: Any, param: Any, value: Any) -> Any:
    if value is not None and value is not False and value != 0 and not ctx.resilient_parsing:
        setattr(ctx.find_root().obj, param.name, value)
    return value


app = typer.Typer(
    cls=Tree,
    name="migrator",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def top(
    ctx: typer.Context,
    workspace: Annotated[
        Path | None,
        typer.Option(
            "--workspace",
            "-C",
            metavar="DIR",
            envvar="MIGRATOR_WORKSPACE",
            help="The workspace (default: the current directory).",
        ),
    ] = None,
    state: Annotated[
        str | None,
        typer.Option(
            "--state",
            metavar="URL",
            envvar="MIGRATOR_STATE",
            help="The state's database, instead of the one in migrator.yaml.",
        ),
    ] = None,
    output: Annotated[
        Format | None,
        typer.Option("--output", "-o", envvar="MIGRATOR_OUTPUT", help="How data is printed (default: table)."),
    ] = None,
    no_color: Annotated[bool, typer.Option("--no-color", help="No colours (also: NO_COLOR=1).")] = False,
    verbose: Annotated[int, typer.Option("--verbose", "-v", count=True, help="Say more; twice: say all.")] = 0,
) -> None:
    """Move a company's mailboxes between IMAP servers, and prove where mail arrives.

    Start with `migrator init DIR`, edit the files there, and see `migrator config check`. The main job is
    `migrator wave run WAVE`: it can be stopped, killed and run again at any moment.

    Exit codes: 0 done, 1 failed, 2 usage, 3 finished with failed mailboxes, 4 login refused, 5 configuration invalid,
    6 gate refused, 7 locked, 8 server unreachable, 9 a plan with changes, 130 or 143 stopped by a signal.
    """
    ctx.obj = Settings(workspace, state, output, no_color, verbose)
