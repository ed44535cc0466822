"""Where a wave stands at this moment: for `wave status`, from the state alone, in a few reads."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from migrator.model.names import Address, WaveName
from migrator.model.wave import PassKind, WaveState
from migrator.state import Store
from migrator.state.records import Counts, Lease, PassRecord
from migrator.workspace import Workspace


class Standing(StrEnum):
    """What a mailbox is doing."""

    WAITING = "waiting"  # no pass yet
    AT_WORK = "at work"
    INTERRUPTED = "interrupted"  # its pass neither ended nor is anybody at it
    DONE = "done"
    FAILED = "failed"
    LEFT_OUT = "left out"


@dataclass(frozen=True, slots=True)
class MailboxStatus:
    """One mailbox: its last pass, its counts so far, and its last error in words, with what to do."""

    address: Address
    standing: Standing
    kind: PassKind | None
    since: datetime | None
    counts: Counts
    error: str


@dataclass(frozen=True, slots=True)
class WaveStatus:
    """`holder` is who works on the wave now; `error` what stopped its last run, in words, with what to do."""

    wave: WaveName
    state: WaveState
    since: datetime | None
    deadline: datetime | None
    holder: Lease | None
    error: str
    mailboxes: tuple[MailboxStatus, ...]

    @property
    def standings(self) -> Mapping[Standing, int]:
        """How many mailboxes stand where; every standing is there."""
        counted = Counter(mailbox.standing for mailbox in self.mailboxes)
        return {standing: counted[standing] for standing in Standing}


def status(store: Store, workspace: Workspace, wave: WaveName) -> WaveStatus:
    """Where `wave` stands. UnknownName when neither the state nor the workspace knows it."""
    record = store.waves.get(wave)
    addresses = record.mailboxes if record else workspace.wave(wave).mailboxes
    passes, counts = store.mailboxes.all_last(), store.ledger.counts_all()
    return WaveStatus(
        wave,
        state=record.state if record else WaveState.PLANNED,
        since=record.since if record else None,
        deadline=record.deadline if record else None,
        holder=store.leases.holder(f"wave:{wave}"),
        error=record.error if record else "",
        mailboxes=tuple(_mailbox(store, a, passes.get(a), counts.get(a, Counts())) for a in addresses),
    )


def _mailbox(store: Store, address: Address, last: PassRecord | None, counts: Counts) -> MailboxStatus:
    return MailboxStatus(
        address,
        _standing(store, address, last),
        kind=last.kind if last else None,
        since=(last.finished or last.started) if last else None,
        counts=counts,
        error=last.error if last else "",
    )


def _standing(store: Store, address: Address, last: PassRecord | None) -> Standing:
    if store.mailboxes.skipped(address) is not None:
        return Standing.LEFT_OUT
    if last is None:
        return Standing.WAITING
    if last.finished is None:
        return Standing.AT_WORK if store.leases.holder(f"mailbox:{address}") else Standing.INTERRUPTED
    return Standing.FAILED if last.error else Standing.DONE
