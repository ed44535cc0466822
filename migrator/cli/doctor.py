"""`migrator doctor`: tries everything that a wave will need, and says what is wrong."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from migrator.cli.context import actor, directory, open_store, settings
from migrator.cli.noun import noun
from migrator.cli.output import Format, emit

if TYPE_CHECKING:
    from migrator.model.wave import Wave
    from migrator.waves.doctor import Diagnosis, Examined
    from migrator.workspace import Workspace

app = noun("doctor", "")


@app.command()
def doctor(
    ctx: typer.Context,
    wave: Annotated[str | None, typer.Argument(metavar="WAVE", help="Only its mailboxes (default: all).")] = None,
) -> None:
    """Try all that a wave will need, and name what is wrong.

    For every mailbox, on both sides, many at once: the files, secrets, name service, certificates and their ends,
    logins, capabilities, quotas against what will come, the largest message, folder names that collide, clocks, routes
    and loops, disk, the state. Nothing is written on any server or place that routes. Exit code 1 when something would
    stop the wave, or lose time or mail.

    Example: migrator doctor sales
    """
    from migrator.model.errors import ExitCode
    from migrator.waves.doctor import files
    from migrator.workspace import examine as read

    workspace, problems = read(directory(ctx), state=settings(ctx).state)
    found = list(files(problems))
    examined, more = _tried(ctx, workspace, wave)
    found += more
    rows: list[dict[str, object]] = [
        {"severity": d.severity, "check": d.check, "subject": d.subject, "what": d.text, "remedy": d.remedy}
        for d in found
    ]
    _show(ctx, found, rows)
    errors = sum(d.severity == "error" for d in found)
    _sum_up(examined, errors, len(found) - errors)
    if errors:
        raise typer.Exit(ExitCode.FAILED)


def _tried(ctx: typer.Context, workspace: "Workspace", name: str | None) -> "tuple[Examined | None, list[Diagnosis]]":
    """What was found beside the files; where the state cannot be used, or is in use, that."""
    from migrator.model.errors import Locked
    from migrator.state.errors import StateBusy, StateNewer, StateOutdated, StateUnusable
    from migrator.waves.doctor import met, secrets

    chosen = _wave(workspace, name)
    if chosen is None:
        return None, list(secrets(workspace))
    try:
        examined = _examine(ctx, workspace, chosen)
    except (Locked, StateOutdated, StateNewer, StateUnusable, StateBusy) as unusable:
        return None, [met("state", workspace.state_url, unusable)]
    return examined, list(examined.diagnoses)


def _wave(workspace: "Workspace", name: str | None) -> "Wave | None":
    """What stands for the wave, or for all mailboxes whose server is decided; None without a mailbox."""
    from migrator.model.mailbox import UNDECIDED
    from migrator.model.names import WaveName
    from migrator.waves.doctor import doctor_wave

    wave = workspace.wave(WaveName(name)) if name else None
    mailboxes = workspace.wave_mailboxes(wave.name) if wave else tuple(workspace.mailboxes.values())
    decided = tuple(mailbox for mailbox in mailboxes if mailbox.target != UNDECIDED)
    if left := len(mailboxes) - len(decided):
        print(f"{left:,} mailboxes may go to several servers, and are in no wave yet: not examined", file=sys.stderr)
    return doctor_wave(name or "all", decided, wave.window if wave else None) if decided else None


def _examine(ctx: typer.Context, workspace: "Workspace", wave: "Wave") -> "Examined":
    from migrator.cli import logs
    from migrator.cli.progress import watching
    from migrator.cli.stop import stopping
    from migrator.waves.doctor import examine
    from migrator.waves.operation import operate

    logs.start(workspace.root, settings(ctx).verbose)
    with (
        open_store(workspace) as store,
        stopping() as stop,
        watching(settings(ctx)) as progress,
        operate(workspace, store, wave, actor(), progress, stop) as op,
        _counting(len(wave.mailboxes)) as told,
    ):
        return examine(op, told)


@contextmanager
def _counting(total: int) -> Iterator[Callable[[], None]]:
    """A bar on a terminal."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from tqdm import tqdm

    with tqdm(total=total, desc="examined", unit="mailbox", dynamic_ncols=True, file=sys.stderr, leave=False) as bar:

        def told() -> None:
            bar.update()

        yield told


def _show(ctx: typer.Context, found: "list[Diagnosis]", rows: list[dict[str, object]]) -> None:
    """As data; for people, a paragraph each: the texts are too long for a table."""
    if settings(ctx).form is not Format.TABLE:
        emit(rows, settings(ctx).form)
        return
    from migrator.cli.output import neutral_lines

    for one in found:
        print(neutral_lines(f"{one.severity}: {one.subject}: {one.text}  [{one.check}]\n  what to do: {one.remedy}"))


def _sum_up(examined: "Examined | None", errors: int, warnings: int) -> None:
    for note in examined.notes if examined else ():
        print(f"note: {note}", file=sys.stderr)
    looked = "files and secrets alone: no mailbox could be looked at"
    if examined:
        looked = f"{examined.mailboxes} mailboxes on {examined.servers} servers, {examined.places} places"
    print(f"examined: {looked}; errors {errors}, warnings {warnings}", file=sys.stderr)
