"""What `wave audit` prints, and the words it takes."""

import secrets
from typing import TYPE_CHECKING

import typer

from migrator.cli.output import Format, emit, emit_one
from migrator.model.errors import Stopped

if TYPE_CHECKING:
    from migrator.model.audit import Mode, WaveAudit
    from migrator.model.progress import StopSignal

SHOWN = 20  # findings of each kind and mailbox in the table; the other forms have them all


def mode_of(full: bool, sample: str | None, seed: str | None) -> "Mode":
    """The audit's mode. BadParameter unless it is exactly one of --full and --sample, with a share above 0%."""
    from migrator.model.audit import Mode

    if full == (sample is not None):
        raise typer.BadParameter("give either --full or --sample N%")
    if sample is None:
        return Mode()
    try:
        percent = float(sample.strip().removesuffix("%"))
    except ValueError:
        percent = 0.0
    if not 0 < percent <= 100:
        raise typer.BadParameter(f"--sample takes a share such as 5%, not {sample!r}")
    return Mode(percent, seed or secrets.token_hex(4))


def refuse_stopped(stop: "StopSignal") -> None:
    """Raise Stopped when the operator asked to stop: some mailboxes were not audited."""
    if stop.draining():
        raise Stopped("stopped: the audit is not complete", remedy="Run the same command again.")


def say(audit: "WaveAudit", form: Format) -> None:
    """The audit on stdout: tables for people, one object (json), an object a mailbox (jsonl), a row a finding (csv)."""
    from migrator.reports import audit as report

    if form is Format.JSON:
        return emit_one(report.audit_json(audit), form)
    if form is Format.JSONL:
        return emit((report.mailbox_json(mailbox) for mailbox in audit.mailboxes), form)
    if form is Format.CSV:
        return emit(report.finding_rows(audit), form)
    _say_tables(audit)


def _say_tables(audit: "WaveAudit") -> None:
    from migrator.reports import audit as report

    emit(_filled(report.mailbox_rows(audit)))
    findings = [row for row in report.finding_rows(audit) if row["kind"]]
    for title, rows in (
        ("Folders with faults", _filled(report.folder_rows(audit))),
        ("Findings", _first(findings, ("mailbox", "kind"))),
        ("Where the ledger says something else", _first(report.dispute_rows(audit), ("mailbox", "the_ledger"))),
        ("Differences that are no faults", report.aside_rows(audit)),
    ):
        if rows:
            print(f"\n{title}\n")
            emit(rows)
    print("\n" + "\n".join(report.explanation(audit)))


def _filled(rows: "list[dict[str, object]]") -> "list[dict[str, object]]":
    """The rows without the columns that are empty, or 0, in all of them."""
    kept = [name for name in (rows[0] if rows else ()) if any(row[name] for row in rows)]
    return [{name: row[name] for name in kept} for row in rows]


def _first(rows: "list[dict[str, object]]", keys: tuple[str, str]) -> "list[dict[str, object]]":
    """At most SHOWN rows of each group; a last one says how many more there are."""
    groups: dict[tuple[object, ...], list[dict[str, object]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in keys), []).append(row)
    shown = []
    for group in groups.values():
        shown += group[:SHOWN]
        if len(group) > SHOWN:
            last = list(group[0])[-1]
            more = f"... and {len(group) - SHOWN} more (-o csv or -o json has all)"
            shown.append({key: group[0][key] for key in keys} | {last: more})
    return shown
