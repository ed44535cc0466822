"""Collects a wave's report from the state and the workspace; needs no server, so it can be made after a crash."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

from migrator.model.canary import Canary, CanaryState, ProofPhase
from migrator.model.message import Grade, Meant, Outcome
from migrator.model.names import Address, Ingress, ServerName, WaveName
from migrator.model.tally import tally
from migrator.model.wave import PassKind, WaveState
from migrator.reports.forecast import FORECAST, forecast
from migrator.reports.report import (
    AlteredClass,
    CanaryPhase,
    MailboxRow,
    NotCarriedClass,
    Note,
    Report,
    Rollback,
    RouteRow,
    RouteStep,
    Settings,
)
from migrator.state import Store
from migrator.state.parts import whole
from migrator.state.records import AuditRow, Counts, NotCarried, PassRecord
from migrator.workspace import Workspace


def wave_report(store: Store, workspace: Workspace, wave: WaveName, at: datetime | None = None) -> Report:
    """What is known of `wave` now (or: that is what `at` says, aware). UnknownName when neither side knows the wave."""
    record = store.waves.get(wave)
    planned = workspace.waves.get(whole(wave)) if record else workspace.wave(wave)
    addresses = planned.mailboxes if record is None and planned else record.mailboxes if record else ()
    passes = store.mailboxes.passes(wave)
    messages, audit = store.ledger.failures(addresses), _audit(store, wave, addresses)
    return Report(
        wave=wave,
        state=record.state if record else WaveState.PLANNED,
        since=record.since if record else None,
        at=at or datetime.now(UTC),
        deadline=record.deadline if record else None,
        departments=planned.departments if planned else (),
        target=planned.target if planned else ServerName(""),
        window=planned.window if planned else None,
        error=record.error if record else "",
        mailboxes=_rows(store, workspace, addresses, passes, canaries_in(messages)),
        not_carried=_classes(messages),
        altered=_altered(messages),
        notes=_notes(passes, addresses),
        canaries=_canaries(store, wave),
        routes=tuple(_routes(store, workspace, wave, audit)),
        rollback=_rollback(passes, audit),
        audit=audit,
        forecast=forecast(store, workspace, wave) if record is None or record.state in FORECAST else None,
        settings=Settings(store.belongings.carried(addresses), store.belongings.not_carried(addresses)),
        parts=store.parts.of(wave),
    )


def _audit(store: Store, wave: WaveName, addresses: Collection[Address]) -> tuple[AuditRow, ...]:
    """What was done to the wave, and what the operator decided about its mailboxes."""
    return tuple(r for r in store.audit.rows() if r.wave == wave or (r.wave is None and r.mailbox in addresses))


def canaries_in(messages: Iterable[NotCarried]) -> Counter[Address]:
    """How many of our own test messages each source holds: the ledger has them as skipped."""
    return Counter(message.address for message in messages if message.reason == Meant.CANARY)


def without_canaries(counts: Counts, canaries: int) -> Counts:
    """`counts` with people's mail only."""
    return replace(counts, skipped=counts.skipped - canaries)


def _rows(
    store: Store,
    workspace: Workspace,
    addresses: Iterable[Address],
    passes: Iterable[PassRecord],
    canaries: Counter[Address],
) -> tuple[MailboxRow, ...]:
    counts, last = store.ledger.counts_all(), {record.address: record for record in passes}
    audits = store.audits.of(addresses)
    rows = (
        _row(store, workspace, address, counts.get(address, Counts()), last.get(address), canaries[address])
        for address in addresses
    )
    return tuple(replace(row, audit=audits.get(row.address)) for row in rows)


def _row(
    store: Store, workspace: Workspace, address: Address, counts: Counts, last: PassRecord | None, canaries: int
) -> MailboxRow:
    mailbox = workspace.mailboxes.get(address)
    folders = store.ledger.folders(address)
    return MailboxRow(
        address,
        department=mailbox.department if mailbox else "",
        source=mailbox.source if mailbox else ServerName(""),
        target=mailbox.target if mailbox else ServerName(""),
        counts=without_canaries(counts, canaries),
        canaries=canaries,
        source_messages=sum(folder.source_messages for folder in folders if not folder.gone),
        last=last,
        skipped=store.mailboxes.skipped(address) or "",
        accepted=store.mailboxes.accepted(address) or "",
    )


def _classes(messages: Iterable[NotCarried]) -> tuple[NotCarriedClass, ...]:
    """By outcome (failed first) and reason, the largest class first."""
    groups: dict[tuple[Outcome, str], list[NotCarried]] = {}
    for message in messages:
        if message.outcome in (Outcome.FAILED, Outcome.SKIPPED):
            groups.setdefault((message.outcome, message.reason), []).append(message)
    classes = [NotCarriedClass(outcome, reason, tuple(group)) for (outcome, reason), group in groups.items()]
    return tuple(sorted(classes, key=lambda kind: (kind.outcome, -len(kind.messages), kind.reason)))


def _altered(messages: Iterable[NotCarried]) -> tuple[AlteredClass, ...]:
    groups: dict[Grade, list[NotCarried]] = {}
    for message in messages:
        if message.grade is not None:
            groups.setdefault(message.grade, []).append(message)
    return tuple(AlteredClass(grade, tuple(groups[grade])) for grade in sorted(groups))


def _notes(passes: Iterable[PassRecord], addresses: Iterable[Address]) -> tuple[Note, ...]:
    """The warnings of each mailbox's last finished pass."""
    last = {record.address: record.report for record in passes if record.report is not None}
    return tuple(Note(a, text) for a in addresses if a in last for text in last[a].warnings)


def _canaries(store: Store, wave: WaveName) -> tuple[CanaryPhase, ...]:
    phases = ((phase, store.canaries.all(wave, phase)) for phase in ProofPhase)
    return tuple(_phase(phase, canaries) for phase, canaries in phases if canaries)


def _phase(phase: str, canaries: tuple[Canary, ...]) -> CanaryPhase:
    newest: dict[tuple[Address, Ingress], Canary] = {(c.address, c.ingress): c for c in canaries}
    ways, each = {ingress for _, ingress in newest}, Counter(address for address, _ in newest)
    return CanaryPhase(
        phase,
        ingresses=tally(newest.values()),
        astray=tuple(canary for canary in newest.values() if canary.state is not CanaryState.PROVEN),
        earlier=len(canaries) - len(newest),
        mailboxes=len(each),
        through_all=sum(count == len(ways) for count in each.values()),
    )


def _routes(store: Store, workspace: Workspace, wave: WaveName, audit: Iterable[AuditRow]) -> Iterator[RouteRow]:
    """A row for each ingress that the wave has looked at; its steps are those that the audit log has."""
    steps: dict[object, list[RouteStep]] = {}
    for row in audit:
        kind, _, step = row.what.partition(": ")
        if kind == "routes":
            changed, evidence = int(str(row.detail["changed"])), str(row.detail.get("evidence", ""))
            steps.setdefault(row.detail["ingress"], []).append(RouteStep(step, row.at, changed, evidence))
    for entry in workspace.config.routing:
        observed, written = store.flips.original(wave, entry.name), store.flips.written(wave, entry.name)
        if observed or written:
            done, open_steps = steps.get(entry.name, ()), store.flips.unconfirmed(wave, entry.name)
            yield RouteRow(entry.name, len(observed), len(written), tuple(done), open_steps)


def _rollback(passes: Iterable[PassRecord], audit: Iterable[AuditRow]) -> Rollback | None:
    """The reverse passes of the last rollback; None when there were none.

    Unresolved is a mailbox whose last reverse pass failed or left messages behind.
    """
    begun = max((row.at for row in audit if row.detail.get("to") == WaveState.ROLLING_BACK), default=None)
    reverse = [p for p in passes if p.kind is PassKind.REVERSE and (begun is None or p.started >= begun)]
    if not reverse:
        return None
    last = {record.address: record for record in reverse}
    unresolved = (f"{address}: {text}" for address, record in last.items() if (text := _unresolved(record)))
    carried = sum(record.report.copied for record in reverse if record.report is not None)
    return Rollback(carried, tuple(unresolved))


def _unresolved(record: PassRecord) -> str:
    if record.error:
        return record.error
    if record.report is None:
        return "its reverse pass has not ended"
    left = record.report.failed + record.report.skipped
    return f"{left} messages could not be carried back" if left else ""
