"""Where a wave stands at this moment: for `wave status`, from the state alone, in a few reads."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from migrator.model.audit import AuditRecord
from migrator.model.names import Address, WaveName
from migrator.model.wave import OUTSIDE_CUTOVER, PassKind, WaveState
from migrator.reports.activity import Activity, activity
from migrator.reports.collect import canaries_in, without_canaries
from migrator.reports.forecast import FORECAST, Forecast, forecast
from migrator.reports.report import stopped
from migrator.state import Store
from migrator.state.records import Counts, Hold, Lease, PassRecord, WaveRecord
from migrator.workspace import Workspace


class Standing(StrEnum):
    """What a mailbox is doing."""

    WAITING = "waiting"  # no pass yet
    AT_WORK = "at work"
    HELD_BACK = "held back"  # by a limit, an hour of rest, a server, another run: `activity` says which
    INTERRUPTED = "interrupted"  # its pass neither ended nor is anybody at it
    IN_STEP = "in step"  # its last pass brought it all across; the next may find more
    STOPPED = "stopped"  # by the operator
    FAILED = "failed"
    LEFT_OUT = "left out"


@dataclass(frozen=True, slots=True)
class MailboxStatus:
    """One mailbox: its last pass, its counts so far, and its last error in words, with what to do.

    `counts.skipped` is without our own test messages, which are `canaries`; `carried_back` tells how many of the copied
    went to the source.
    """

    address: Address
    standing: Standing
    kind: PassKind | None
    since: datetime | None
    counts: Counts
    error: str
    canaries: int = 0
    carried_back: int = 0
    audit: AuditRecord | None = None
    activity: Activity | None = None


@dataclass(frozen=True, slots=True)
class WaveStatus:
    """`holder` is who works on the wave now; `error` what its last run failed for, in words, with what to do.

    `stopped`: the operator's own stop, which is no failure. `forecast`: of a wave that is to be copied. `hold`: what
    keeps its cutover back. `parts`: mailboxes of it that go their own way.
    """

    wave: WaveName
    state: WaveState
    since: datetime | None
    deadline: datetime | None
    holder: Lease | None
    error: str
    stopped: str
    mailboxes: tuple[MailboxStatus, ...]
    forecast: Forecast | None = None
    hold: Hold | None = None
    parts: tuple[WaveRecord, ...] = ()

    @property
    def standings(self) -> Mapping[Standing, int]:
        """How many mailboxes stand where; every standing is there."""
        counted = Counter(mailbox.standing for mailbox in self.mailboxes)
        return {standing: counted[standing] for standing in Standing}


def status(store: Store, workspace: Workspace, wave: WaveName) -> WaveStatus:
    """Where `wave` stands. UnknownName when neither the state nor the workspace knows it."""
    record = store.waves.get(wave)
    addresses = record.mailboxes if record else workspace.wave(wave).mailboxes
    holder, error = store.leases.holder(f"wave:{wave}"), record.error if record else ""
    state = record.state if record else WaveState.PLANNED
    return WaveStatus(
        wave,
        state=state,
        since=record.since if record else None,
        deadline=record.deadline if record else None,
        holder=holder,
        error="" if stopped(error) else error,
        stopped=error if stopped(error) else "",
        mailboxes=_mailboxes(store, wave, addresses, holder),
        forecast=forecast(store, workspace, wave) if state in FORECAST else None,
        hold=store.holds.get(wave) if state in OUTSIDE_CUTOVER else None,
        parts=store.parts.of(wave),
    )


def _mailboxes(
    store: Store, wave: WaveName, addresses: Sequence[Address], holder: Lease | None
) -> tuple[MailboxStatus, ...]:
    last, counts, skipped = store.mailboxes.all_last(), store.ledger.counts_all(), store.mailboxes.all_skipped()
    canaries, back = canaries_in(store.ledger.failures(addresses)), _back(store, wave)
    audits, doings, now = store.audits.of(addresses), store.doings.of(wave), datetime.now(UTC)
    active = {a: activity(doings.get(a), holder, now) for a in addresses}
    return tuple(
        MailboxStatus(
            a,
            Standing.LEFT_OUT if a in skipped else _standing(store, a, last.get(a), active[a]),
            kind=one.kind if (one := last.get(a)) else None,
            since=(one.finished or one.started) if one else None,
            counts=without_canaries(counts.get(a, Counts()), canaries[a]),
            error=one.error if one and not stopped(one.error) else "",
            canaries=canaries[a],
            carried_back=back[a],
            audit=audits.get(a),
            activity=active[a],
        )
        for a in addresses
    )


def _back(store: Store, wave: WaveName) -> Counter[Address]:
    """Messages that reverse passes have carried to the source, by mailbox."""
    back: Counter[Address] = Counter()
    for record in store.mailboxes.passes(wave):
        if record.kind is PassKind.REVERSE and record.report is not None:
            back[record.address] += record.report.copied
    return back


def _standing(store: Store, address: Address, last: PassRecord | None, active: Activity | None) -> Standing:
    if active is not None and active.held:
        return Standing.HELD_BACK
    if last is None:
        return Standing.WAITING
    if last.finished is None:
        return Standing.AT_WORK if store.leases.holder(f"mailbox:{address}") else Standing.INTERRUPTED
    if stopped(last.error):
        return Standing.STOPPED
    return Standing.FAILED if last.error else Standing.IN_STEP
