"""What each command starts from: its settings, the workspace, the store, and who is acting."""

import sys
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from migrator.cli.output import Format

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from migrator.state import Store
    from migrator.state.records import Actor
    from migrator.workspace import Workspace


@dataclass
class Settings:
    """The global options: flag, else MIGRATOR_*, else unset."""

    workspace: Path | None = None
    state: str | None = None
    output: Format | None = None
    no_color: bool = False
    verbose: int = 0

    @property
    def form(self) -> Format:
        """How data is printed."""
        return self.output or Format.TABLE


def settings(ctx: typer.Context) -> Settings:
    """The global options of this call, wherever they stood on the command line."""
    found = ctx.find_root().obj
    return found if isinstance(found, Settings) else Settings()


def directory(ctx: typer.Context) -> Path:
    """The workspace's directory: -C, else MIGRATOR_WORKSPACE, else the current one."""
    return settings(ctx).workspace or Path()


def open_workspace(ctx: typer.Context) -> "Workspace":
    """The workspace, read and checked; from here on this process logs into its state directory.

    Raises ConfigInvalid.
    """
    from migrator import workspace
    from migrator.cli import logs

    loaded = workspace.load(directory(ctx), state=settings(ctx).state)
    logs.start(loaded.root, settings(ctx).verbose)
    return loaded


def open_store(workspace: "Workspace", create: bool = True) -> "Store":
    """The workspace's store; close it when done. Without `create`, StateMissing when nothing has been run yet."""
    from migrator import state

    return state.open(workspace.state_url, create)


def store_if_any(workspace: "Workspace") -> "AbstractContextManager[Store | None]":
    """The workspace's store, or None before anything was run."""
    from migrator.state.errors import StateMissing

    try:
        return open_store(workspace, create=False)
    except StateMissing:
        return nullcontext()


def actor() -> "Actor":
    """This process, for leases and the audit log."""
    from migrator import state

    return state.here(["migrator", *sys.argv[1:]])
