"""How a command gets hold of a wave, and what it says before and after."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from migrator.cli.context import actor, open_store, open_workspace, settings
from migrator.cli.output import emit
from migrator.model.names import WaveName
from migrator.model.order import CopyOrder
from migrator.model.wave import PassKind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    from migrator.cli.context import Settings
    from migrator.model.progress import Progress
    from migrator.waves.operation import Operation

    Watch = Callable[[Settings], AbstractContextManager[Progress]]


@contextmanager
def operation(
    ctx: typer.Context,
    name: str,
    watch: "Watch | None" = None,
    order: CopyOrder = CopyOrder.OLDEST,
    skips: "Mapping[str, str] | None" = None,
) -> "Iterator[Operation]":
    """The wave `name`, or a part of one, under its lease, with progress on stderr and signals heeded.

    `watch`: how progress is shown, where it is not that of passes. `order`: which messages its passes copy first.
    `skips`: gates that the operator overrides, and why. Raises Locked when it is held.
    """
    from migrator.cli import logs
    from migrator.cli.progress import watching
    from migrator.cli.stop import stopping
    from migrator.waves.operation import operate
    from migrator.waves.parts import wave_or_part

    workspace = open_workspace(ctx)
    with (
        open_store(workspace) as store,
        stopping() as stop,
        (watch or watching)(settings(ctx)) as progress,
    ):
        wave = wave_or_part(workspace, store, WaveName(name))
        logs.about(wave=wave.name)
        with operate(workspace, store, wave, actor(), progress, stop, order, skips or {}) as op:
            gc.freeze()  # what the start has loaded stays: no search for garbage goes through it again
            yield op


def result(op: "Operation") -> dict[str, object]:
    """Where the wave is now, and the sums of its mailboxes: to be printed when the bars are gone."""
    from migrator.cli.standing import summary
    from migrator.reports.status import status

    shown = summary(status(op.store, op.workspace, op.wave.name))
    shown.pop("run_by")  # this very run, which is over
    return shown


def say_plan(ctx: typer.Context, op: "Operation") -> None:
    """What `wave run` would copy, a row a folder, and which routes it would flip. Nothing is changed anywhere."""
    from migrator.waves.preview import copies, diffs

    emit(copies(op, PassKind.DELTA), settings(ctx).form)
    for name, text in diffs(op.workspace, op.mailboxes, "target"):
        op.progress.note(f"{name}:\n{text}")


def say_plan_back(ctx: typer.Context, op: "Operation") -> None:
    """What `wave rollback` would carry back, a row a folder, and which routes it would flip."""
    from migrator.waves.preview import copies, diffs

    emit(copies(op, PassKind.REVERSE), settings(ctx).form)
    for name, text in diffs(op.workspace, op.mailboxes, "source"):
        op.progress.note(f"{name}:\n{text}")
