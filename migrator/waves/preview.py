"""What a wave would do, and where mail goes now: reads servers and places, changes nothing."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from migrator.copier import Preview, preview
from migrator.copier.folders import FolderPair
from migrator.copier.mirror import GoneIn
from migrator.copier.plan import FolderPlan
from migrator.copier.removal import held
from migrator.model.errors import MigratorError
from migrator.model.mailbox import Mailbox
from migrator.model.names import Address, Ingress
from migrator.model.wave import PassKind
from migrator.routing import Attended, shown
from migrator.waves.operation import Operation
from migrator.waves.places import Place, places
from migrator.workspace import Workspace

Side = Literal["source", "target"]
Row = dict[str, object]


def copies(op: Operation, kind: PassKind) -> list[Row]:
    """A row for each folder with something to copy, and for each with something to remove.

    A mailbox that cannot be looked at has a row saying why.
    """
    rows: list[Row] = []
    for address, plan in op.crew.each(op.mailboxes, lambda mailbox: _look(op, mailbox, kind)).items():
        if isinstance(plan, MigratorError):
            rows.append({"mailbox": address, "folder": "", "to": "", "messages": 0, "octets": 0, "note": str(plan)})
        else:
            rows += [_row(address, pair, folder) for pair, folder in plan.copy.folders if folder.messages]
            rows += [_left_out(address, name, why) for name, why in plan.copy.left_out]
            rows += [_removal(address, folder) for folder in plan.mirror.remove]
            rows += [_left_out(address, folder.record.source_name, _held(folder)) for folder in plan.mirror.held]
    return rows


def diffs(workspace: Workspace, mailboxes: Sequence[Mailbox], side: Side) -> Iterator[tuple[Ingress, str]]:
    """For each place, the unified diff that would point `mailboxes` to their `side`."""
    for place in places(workspace):
        wanted = place.nexthops({m: m.target if side == "target" else m.source for m in mailboxes})
        yield place.name, place.routing.diff(place.routing.plan(wanted))


def routes(workspace: Workspace, mailboxes: Iterable[Mailbox]) -> tuple[list[Row], list[MigratorError]]:
    """A row an address and place: the entry there, and the server whose nexthop that is ("?": none of ours).

    `known`: "read", or who said so, where only people can look. A place that cannot be read has a row that says so,
    and its error.
    """
    addresses = [mailbox.address for mailbox in mailboxes]
    rows: list[Row] = []
    errors: list[MigratorError] = []
    for place in places(workspace):
        try:
            rows += _routes_at(place, addresses)
        except MigratorError as error:
            errors.append(error)
            rows.append({"address": "", "ingress": place.name, "entry": "", "server": "?", "known": str(error)})
    return sorted(rows, key=lambda row: str(row["address"])), errors


def _routes_at(place: Place, addresses: Iterable[Address]) -> list[Row]:
    served = place.serves(addresses)
    said = place.routing.evidence(served) if isinstance(place.routing, Attended) else {}
    return [
        {
            "address": address,
            "ingress": place.name,
            "entry": shown(value),
            "server": place.leads(address, value),
            "known": said.get(address, "read"),
        }
        for address, value in place.routing.read(served).items()
    ]


def backups(workspace: Workspace) -> tuple[list[Row], list[MigratorError]]:
    """Keep a copy of every place: a row a place with the copy's path or what went wrong, and the errors."""
    rows: list[Row] = []
    errors: list[MigratorError] = []
    for place in places(workspace):
        try:
            rows.append({"ingress": place.name, "copy": str(place.routing.backup()), "note": ""})
        except MigratorError as error:
            errors.append(error)
            rows.append({"ingress": place.name, "copy": "", "note": str(error)})
    return rows, errors


def _look(op: Operation, mailbox: Mailbox, kind: PassKind) -> Preview:
    with op.crew.job(mailbox, kind) as job:
        return preview(job)


def _row(address: Address, pair: FolderPair, plan: FolderPlan) -> Row:
    note = "flags not kept there: " + ", ".join(sorted(plan.lost_flags)) if plan.lost_flags else ""
    sums = {"messages": plan.messages, "octets": plan.octets, "note": note}
    return {"mailbox": address, "folder": pair.source, "to": pair.target, **sums}


def _removal(address: Address, folder: GoneIn) -> Row:
    record, note = folder.record, f"remove {folder.gone} messages gone from the source"
    return {"mailbox": address, "folder": record.source_name, "to": record.target_name, "messages": 0, "octets": 0,
            "note": note}  # fmt: skip


def _left_out(address: Address, folder: str, why: str) -> Row:
    return {"mailbox": address, "folder": folder, "to": "", "messages": 0, "octets": 0, "note": why}


def _held(folder: GoneIn) -> str:
    """A pass copies first, and counts as moved what it then finds elsewhere: it may remove what is held here."""
    return f"{held(folder)}. Those that the pass finds in another folder do not count"
