"""What `mailbox discover` does: looks at the mailboxes on their servers, or asks a directory."""

import sys
from typing import TYPE_CHECKING

import typer

from migrator.cli.context import open_store, settings
from migrator.cli.output import emit, emit_one
from migrator.model.errors import ExitCode, Stopped
from migrator.model.names import neutral

if TYPE_CHECKING:
    from collections.abc import Sequence

    from migrator.model.inventory import Entry, Size
    from migrator.model.mailbox import Mailbox
    from migrator.routing.ldap.census import Census
    from migrator.workspace import Workspace
    from migrator.workspace.foreign import Export


SHOWN = 20  # lists, and entries that cannot be read, of which each has a line


def look(ctx: typer.Context, workspace: "Workspace", chosen: "Sequence[Mailbox]", again: bool, dry_run: bool) -> None:
    """Look at the sources of `chosen`, as far as nobody has; exit code 3 when some could not be looked at."""
    from migrator.cli.stop import stopping, this_command
    from migrator.cli.survey_progress import looking
    from migrator.dispatch.survey import Surveyor

    resume = this_command().replace(" --again", "")  # it would look at all of them once more
    with open_store(workspace) as store, stopping(resume) as stop:
        if again and not dry_run:
            store.inventory.look_again([mailbox.address for mailbox in chosen])
        wanted = list(chosen) if again else Surveyor.due(store, chosen)
        if dry_run:
            return emit([{"address": one.address, "server": one.source} for one in wanted], settings(ctx).form)
        with looking(settings(ctx), len(wanted)) as progress:
            done = Surveyor(workspace, store, stop, progress.ended).run(wanted)
        sizes = store.inventory.sizes()
    seen = [sizes[one.address] for one in chosen if one.address in sizes]
    counts = {"looked_at": len(done.looked_at), "known_before": len(chosen) - len(wanted), "failed": len(done.errors)}
    emit_one({**counts, **_sums(seen)}, settings(ctx).form)
    if done.left:
        raise Stopped(f"stopped: {len(done.left):,} mailboxes were not looked at", remedy=f"To go on: {resume}")
    if done.errors:
        raise typer.Exit(ExitCode.FAILED_MAILBOXES)


def _sums(sizes: "Sequence[Size]") -> dict[str, object]:
    return {
        "messages": sum(size.messages for size in sizes),
        "octets": sum(size.octets for size in sizes),
        "largest_message": max((size.largest for size in sizes if size.largest is not None), default=None),
    }


def ask(workspace: "Workspace", name: str, keep: bool) -> "Export":
    """Ask a directory of migrator.yaml who there is, keep it in the state, and say what was found.

    Its people and shared mailboxes, as they come into mailboxes.csv.
    """
    from migrator.model.mailbox import Login
    from migrator.routing.ldap.census import Wanted, census
    from migrator.routing.ldap.wire import Directory, Session

    entry = workspace.directory(name)
    wanted = Wanted(entry.finds, entry.finds_shared, **dict(entry.reads))
    place = Directory(entry.endpoint, Login(entry.bind_dn, workspace.secret(entry.secret)))
    with Session(place) as session:
        found = census(
            lambda f, attributes: session.pages(entry.base, f, attributes), wanted, workspace.mailboxes.keys()
        )
    if keep:
        with open_store(workspace) as store:
            store.inventory.put_directory(name, found.entries)
    _say(name, found)
    return _export(name, found.entries)


def _export(name: str, entries: "Sequence[Entry]") -> "Export":
    from migrator.model.inventory import EntryKind
    from migrator.workspace.foreign import Export, Person

    people = (one for one in entries if one.kind is not EntryKind.LIST)
    fields = (
        {"address": str(one.address)} | ({"department": one.department} if one.department else {}) for one in people
    )
    return Export(f"directory {name}", tuple(Person(0, each, {}) for each in fields))


def _say(name: str, found: "Census") -> None:
    """On stderr: how many of each, which lists bind their members, and what could not be read."""
    from migrator.model.inventory import EntryKind, Tie
    from migrator.model.sharing import LARGEST_BOND

    counts = {kind: sum(one.kind is kind for one in found.entries) for kind in EntryKind}
    aliases = sum(len(one.tied(Tie.ALIAS)) for one in found.entries)
    lines = [
        f"directory {name}: {counts[EntryKind.PERSON]:,} people, {counts[EntryKind.SHARED]:,} shared mailboxes, "
        f"{counts[EntryKind.LIST]:,} lists, {aliases:,} aliases"
    ]
    lists = [(one.address, len(one.tied(Tie.MEMBER))) for one in found.entries if one.kind is EntryKind.LIST]
    lines += _few(
        [
            f"  {address}: {count:,} members, "
            + ("they move together" if 1 < count <= LARGEST_BOND else "binds nobody")
            for address, count in lists
        ]
    )
    lines += _few([f"  not read: {one}" for one in found.odd])
    print("\n".join(map(neutral, lines)), file=sys.stderr)


def _few(lines: list[str]) -> list[str]:
    return lines[:SHOWN] + ([f"  and {len(lines) - SHOWN:,} more"] if len(lines) > SHOWN else [])
