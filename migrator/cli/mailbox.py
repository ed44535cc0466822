"""`migrator mailbox`: who is moved, how far each is, and what the operator decides about one."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from migrator.cli.context import actor, open_store, open_workspace, settings, store_if_any
from migrator.cli.noun import noun
from migrator.cli.output import emit, emit_one
from migrator.model.names import neutral

if TYPE_CHECKING:
    from collections.abc import Callable

    from migrator.model.mailbox import Mailbox
    from migrator.model.names import Address
    from migrator.state import Store
    from migrator.workspace import Workspace

app = noun("mailbox", "Find out who moves, how large and how far each is; take one out.")


Wave = Annotated[str | None, typer.Option("--wave", "-w", help="Only the mailboxes of this wave.")]
Department = Annotated[str | None, typer.Option("--department", "-d", help="Only this department.")]


@app.command("list")
def list_mailboxes(
    ctx: typer.Context,
    wave: Wave = None,
    department: Department = None,
) -> None:
    """List the mailboxes: size, wave, last pass, outcome.

    And who is left out. In the order of mailboxes.csv.

    Example: migrator mailbox list --wave sales -o csv
    """
    workspace = open_workspace(ctx)
    with store_if_any(workspace) as store:
        emit(_rows(_chosen(workspace, wave, department), workspace, store), settings(ctx).form)


@app.command()
def show(ctx: typer.Context, mailbox: Annotated[str, typer.Argument(metavar="ADDRESS")]) -> None:
    """Show one mailbox: its size, what was copied, what not.

    And why not; its folders, with whom they are shared, who should move with it, and its logins. An alias, a list or a
    shared mailbox that a directory has told of is shown, too.

    Example: migrator mailbox show u0042@example.co.jp
    """
    from migrator.cli import stock

    workspace = open_workspace(ctx)
    asked = _address(mailbox)
    with store_if_any(workspace) as store:
        owner = stock.owner(store, asked) if store and asked not in workspace.mailboxes else asked
        if store and owner not in workspace.mailboxes and (entry := store.inventory.entry(owner)):
            return emit_one(stock.of_entry(entry), settings(ctx).form)
        found = workspace.mailbox(owner)
        [row] = _rows([found], workspace, store)
        failures = store.ledger.failures([owner]) if store else ()
        decided = {"accepted": store and store.mailboxes.accepted(owner)}
        known = stock.of_mailbox(store, owner) if store else {}
        settled = _settings(store, owner) if store else {}
    left = [f"{one.folder} UID {one.uid}: {one.reason}" for one in failures]
    emit_one(row | known | decided | _logins(workspace, found) | {"not carried": left} | settled, settings(ctx).form)


OnConflict = Annotated[
    str | None, typer.Option("--on-conflict", metavar="ours|theirs", help="Which side wins: mailboxes.csv is ours.")
]
Source = Annotated[str | None, typer.Option("--source", help="Of new mailboxes that name none.")]
Target = Annotated[str | None, typer.Option("--target", help="Of new mailboxes that name none.")]
NoDepartment = Annotated[str | None, typer.Option("--default-department", help="Of new mailboxes that name none.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@app.command("import")
def import_people(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE.csv")],
    column: Annotated[list[str], typer.Option("--column", metavar="OURS=THEIRS", help="E.g. department=部署.")] = [],  # noqa: B006
    source: Source = None,
    target: Target = None,
    default_department: NoDepartment = None,
    on_conflict: OnConflict = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Bring people from another system's CSV into mailboxes.csv.

    UTF-8 or CP932. Columns are known by their usual names, English and Japanese; --column names others. What changes is
    shown as a diff; while the two lists disagree nothing is written, unless --on-conflict says which one is right.

    Example: migrator mailbox import hr.csv --column department=部署 --dry-run
    """
    from migrator.cli import importing
    from migrator.workspace.foreign import read_export

    workspace = open_workspace(ctx)
    export = read_export(file, importing.columns(column))
    defaults = {"source": source, "target": target, "department": default_department}
    importing.bring_in(ctx, workspace, export, defaults, on_conflict, dry_run, yes)


@app.command()
def discover(
    ctx: typer.Context,
    imap: Annotated[bool, typer.Option("--imap", help="Look at the mailboxes on their servers.")] = False,
    ldap: Annotated[
        str | None, typer.Option("--ldap", metavar="NAME", help="Ask this entry of `directories:`.")
    ] = None,
    wave: Wave = None,
    department: Department = None,
    again: Annotated[bool, typer.Option("--again", help="--imap: also at those that are known already.")] = False,
    source: Source = None,
    target: Target = None,
    default_department: NoDepartment = None,
    on_conflict: OnConflict = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Find out who there is, how large mailboxes are, who shares.

    --imap looks at every folder on the source, which it only reads. It can be killed and run again: what is known is
    not looked at twice, unless --again says so. A mailbox that cannot be entered is told, and stops no other: exit
    code 3. --wave and --department choose mailboxes for it.

    --ldap asks a directory for people, aliases, lists, forwards and shared mailboxes, and brings new people into
    mailboxes.csv as `mailbox import` does; --source, --target, --default-department and --on-conflict are as there.

    Example: migrator mailbox discover --imap --department sales
    """
    from migrator.cli import discovering, importing

    if imap == (ldap is not None):
        raise typer.BadParameter("say what to ask: either --imap or --ldap NAME")
    workspace = open_workspace(ctx)
    if ldap is None:
        return discovering.look(ctx, workspace, _chosen(workspace, wave, department), again, dry_run)
    export = discovering.ask(workspace, ldap, keep=not dry_run)
    defaults = {"source": source, "target": target, "department": default_department}
    importing.bring_in(ctx, workspace, export, defaults, on_conflict, dry_run, yes)


def _settings(store: "Store", address: "Address") -> dict[str, object]:
    """What belongs to the mailbox beside its mail."""
    carried = store.belongings.carried([address])
    left = store.belongings.not_carried([address])
    return {
        "settings carried": [f"{count} {kind.value}" for kind, count in sorted(carried.items())],
        "settings not carried": [f"{one.key}: {one.reason}. {one.remedy}" for _, one in left],
    }


Reason = Annotated[str, typer.Option("--reason", help="Why: it stands in the report and in the audit log.")]
Who = Annotated[str, typer.Argument(metavar="ADDRESS")]


@app.command()
def skip(ctx: typer.Context, mailbox: Who, reason: Reason) -> None:
    """Take a mailbox out of its wave: it stays on its source.

    No pass, gate or flip touches it, until `mailbox retry`.

    Example: migrator mailbox skip u0042@example.co.jp --reason "left the company"
    """
    found = _decide(ctx, mailbox, lambda store, address: store.mailboxes.skip(address, reason, actor()))
    _say(f"{found} is left out and stays on its source; `migrator mailbox retry {found}` takes it in again")


@app.command()
def accept(ctx: typer.Context, mailbox: Who, reason: Reason) -> None:
    """Accept what so far could not be copied, or was altered.

    The gate "failures" then lets that mailbox pass; a message that fails later closes it again.

    Example: migrator mailbox accept u0042@example.co.jp --reason "three empty messages, seen by the owner"
    """
    found = _decide(ctx, mailbox, lambda store, address: store.mailboxes.accept_failure(address, reason, actor()))
    _say(f"what has failed in {found} so far is accepted; `migrator mailbox show {found}` lists it")


@app.command()
def retry(ctx: typer.Context, mailbox: Who) -> None:
    """Take back what `skip` and `accept` said.

    The next run works this mailbox like any other.

    Example: migrator mailbox retry u0042@example.co.jp
    """
    found = _decide(ctx, mailbox, lambda store, address: store.mailboxes.retry(address, actor()))
    _say(f"{found} is worked like any other by the next `migrator wave run`")


def _decide(ctx: typer.Context, text: str, decision: "Callable[[Store, Address], None]") -> "Address":
    """Write a decision on one mailbox; refused while its wave is being cut over or is on the target."""
    from migrator.waves.decisions import refuse_in_cutover

    workspace = open_workspace(ctx)
    found = _known(workspace, text)
    with open_store(workspace) as store:
        refuse_in_cutover(store, found.address)
        decision(store, found.address)
    return found.address


def _chosen(workspace: "Workspace", wave: str | None, department: str | None) -> "list[Mailbox]":
    from migrator.model.names import WaveName

    chosen = workspace.wave_mailboxes(WaveName(wave)) if wave else tuple(workspace.mailboxes.values())
    return [one for one in chosen if department in (None, one.department)]


def _say(text: str) -> None:
    print(neutral(text), file=sys.stderr)


def _known(workspace: "Workspace", text: str) -> "Mailbox":
    return workspace.mailbox(_address(text))


def _address(text: str) -> "Address":
    from migrator.model.names import address

    try:
        return address(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _rows(wanted: "list[Mailbox]", workspace: "Workspace", store: "Store | None") -> list[dict[str, object]]:
    waves = {owner: wave.name for wave in workspace.waves.values() for owner in wave.mailboxes}
    passes = store.mailboxes.all_last() if store else {}
    counts = store.ledger.counts_all() if store else {}
    left_out = store.mailboxes.all_skipped() if store else {}
    sizes = store.inventory.sizes() if store else {}
    return [
        {
            "address": one.address,
            "department": one.department,
            "source": one.source,
            "target": one.target,
            "messages": (size := sizes.get(one.address)) and size.messages,
            "octets": size and size.octets,
            "wave": waves.get(one.address),
            "last_pass": (last := passes.get(one.address)) and last.kind,
            "finished": last and last.finished,
            "copied": (count := counts.get(one.address)) and count.copied + count.present,
            "failed": count and count.failed,
            "left_out": left_out.get(one.address),
            "error": last and last.error,
        }
        for one in wanted
    ]


def _logins(workspace: "Workspace", mailbox: "Mailbox") -> dict[str, object]:
    """As whom each side is entered; secrets are shown as the references they are."""
    from migrator.model.mailbox import UNDECIDED
    from migrator.workspace.logins import described

    shown: dict[str, object] = {}
    for side, server, login, own in (
        ("source", mailbox.source, mailbox.source_login, mailbox.source_secret),
        ("target", mailbox.target, mailbox.target_login, mailbox.target_secret),
    ):
        if server == UNDECIDED:
            shown[f"{side} login"] = f"{login} on {' or '.join(mailbox.choices)}: `migrator wave plan` decides"
            continue
        shown[f"{side} login"], shown[f"{side} secret"] = described(workspace.server(server).auth, login, own)
    return shown
