"""A wave's report as a value: everything that its Markdown and its JSON say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from migrator.model.audit import AuditRecord
from migrator.model.belonging import Belonging, Kind
from migrator.model.canary import Canary
from migrator.model.message import Grade, Outcome, needs_consent
from migrator.model.names import Address, Ingress, ServerName, WaveName
from migrator.model.tally import IngressTally
from migrator.model.wave import PassKind, WaveState, Window
from migrator.reports.forecast import Forecast
from migrator.state.records import AuditRow, Counts, NotCarried, PassRecord, WaveRecord


def stopped(error: str) -> bool:
    """Whether an error that the state keeps is the operator's own stop (model.errors.Stopped; its texts begin so)."""
    return error.startswith("stopped")


class Light(StrEnum):
    """Red: somebody must act now. Amber: under way, or somebody must look. Green: nothing to do."""

    GREEN = "green"
    AMBER = "amber"
    RED = "red"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that colours the light, as a sentence."""

    light: Light
    text: str


@dataclass(frozen=True, slots=True)
class MailboxRow:
    """One mailbox. `source_messages` is what the source's folders held when they were last in the ledger.

    `counts.skipped` is without our own test messages: those are `canaries`.
    `skipped` and `accepted` are the operator's reasons ("" when there is none). A mailbox that is no longer in
    mailboxes.csv has no department and no servers. `audit` is its last one, whenever that was.
    """

    address: Address
    department: str
    source: ServerName
    target: ServerName
    counts: Counts
    source_messages: int
    last: PassRecord | None
    canaries: int = 0
    skipped: str = ""
    accepted: str = ""
    audit: AuditRecord | None = None

    @property
    def messages(self) -> int:
        """Messages that have an outcome and are still on the source."""
        return self.counts.copied + self.counts.present + self.counts.skipped + self.canaries + self.counts.failed

    @property
    def counted(self) -> bool:
        """Whether the source was counted when the ledger last grew: a reverse pass adds to both without counting."""
        return self.last is None or self.last.kind is not PassKind.REVERSE

    @property
    def difference(self) -> int:
        """How many messages of the source have no outcome (negative: outcomes too many). 0 is what I3 asks for."""
        return self.source_messages - self.messages if self.counted else 0

    @property
    def at_work(self) -> bool:
        """Whether a pass has begun and not ended; it may also have died."""
        return self.last is not None and self.last.finished is None

    @property
    def stopped(self) -> bool:
        """Whether its last pass ended because the operator stopped it."""
        return self.last is not None and stopped(self.last.error)

    @property
    def error(self) -> str:
        """What its last pass failed for; a stop by the operator is no failure."""
        return self.last.error if self.last is not None and not self.stopped else ""


@dataclass(frozen=True, slots=True)
class Totals:
    """All mailboxes together; the names are those of a mailbox. `counted`: each of them was."""

    mailboxes: int
    source_messages: int
    messages: int
    copied: int
    present: int
    skipped: int
    failed: int
    gone: int
    octets: int
    difference: int
    counted: bool
    canaries: int
    removed: int


@dataclass(frozen=True, slots=True)
class NotCarriedClass:
    """Messages that are not on the target for the same reason, in the words of whoever refused them."""

    outcome: Outcome
    reason: str
    messages: tuple[NotCarried, ...]

    @property
    def meant(self) -> bool:
        """Whether nobody misses them: our own test messages, and what the configuration leaves out."""
        return not needs_consent(self.outcome, self.reason, None)


@dataclass(frozen=True, slots=True)
class AlteredClass:
    """Messages whose content the target changed in the same way."""

    grade: Grade
    messages: tuple[NotCarried, ...]


@dataclass(frozen=True, slots=True)
class CanaryPhase:
    """One proof: counts by ingress of the newest canary for each mailbox, and those that are not proven.

    `earlier` counts canaries of earlier runs of the same proof that newer ones replaced. Of `mailboxes`, `through_all`
    had one through every ingress: fewer where only a sample had (`canary.sample_above`).
    """

    phase: str
    ingresses: tuple[IngressTally, ...]
    astray: tuple[Canary, ...]
    earlier: int
    mailboxes: int
    through_all: int

    @property
    def sent(self) -> int:
        return sum(row.sent for row in self.ingresses)

    @property
    def found(self) -> int:
        return sum(row.found for row in self.ingresses)

    @property
    def total(self) -> int:
        return sum(row.total for row in self.ingresses)


@dataclass(frozen=True, slots=True)
class RouteStep:
    """A change of routes that was read back: "freeze", "flip", ...; how many entries it changed, and when.

    `evidence`: who said that they are so, where only people can look.
    """

    step: str
    at: datetime
    changed: int
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class RouteRow:
    """What the wave did at one ingress: entries observed before, entries ever written, steps with evidence, without."""

    ingress: Ingress
    observed: int
    written: int
    steps: tuple[RouteStep, ...]
    unconfirmed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rollback:
    """The last way back: messages carried back, and what could not be, a line each."""

    carried_back: int
    unresolved: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Note:
    """A warning of the last pass over a mailbox: a folder renamed, a keyword refused."""

    address: Address
    text: str


@dataclass(frozen=True, slots=True)
class Settings:
    """What belongs to the mailboxes beside their mail: how many things are across, by kind, and which are not."""

    carried: Mapping[Kind, int] = field(default_factory=dict)
    not_carried: tuple[tuple[Address, Belonging], ...] = ()

    @property
    def remedies(self) -> tuple[tuple[str, tuple[tuple[Address, Belonging], ...]], ...]:
        """What to do by hand, and for what: the most frequent first."""
        groups: dict[str, list[tuple[Address, Belonging]]] = {}
        for address, one in self.not_carried:
            groups.setdefault(one.remedy, []).append((address, one))
        found = [(remedy, tuple(them)) for remedy, them in groups.items()]
        return tuple(sorted(found, key=lambda group: (-len(group[1]), group[0])))


@dataclass(frozen=True, slots=True)
class Report:
    """What is known of a wave at `at`. Times are aware; counts are of messages, sizes in octets."""

    wave: WaveName
    state: WaveState
    since: datetime | None
    at: datetime
    deadline: datetime | None
    departments: tuple[str, ...]
    target: ServerName
    window: Window | None
    error: str
    mailboxes: tuple[MailboxRow, ...]
    not_carried: tuple[NotCarriedClass, ...]
    altered: tuple[AlteredClass, ...]
    notes: tuple[Note, ...]
    canaries: tuple[CanaryPhase, ...]
    routes: tuple[RouteRow, ...]
    rollback: Rollback | None
    audit: tuple[AuditRow, ...]
    forecast: Forecast | None = None
    settings: Settings = field(default_factory=Settings)
    parts: tuple[WaveRecord, ...] = ()  # mailboxes of the wave that go their own way

    @property
    def totals(self) -> Totals:
        return total(self.mailboxes)

    def phase(self, name: str) -> CanaryPhase | None:
        """The proof `name` (a ProofPhase), if canaries were ever intended for it."""
        return next((phase for phase in self.canaries if phase.phase == name), None)


def total(rows: Sequence[MailboxRow]) -> Totals:
    """The sums over `rows`."""
    return Totals(
        mailboxes=len(rows),
        source_messages=sum(row.source_messages for row in rows),
        messages=sum(row.messages for row in rows),
        copied=sum(row.counts.copied for row in rows),
        present=sum(row.counts.present for row in rows),
        skipped=sum(row.counts.skipped for row in rows),
        failed=sum(row.counts.failed for row in rows),
        gone=sum(row.counts.gone for row in rows),
        octets=sum(row.counts.octets for row in rows),
        difference=sum(abs(row.difference) for row in rows),
        counted=all(row.counted for row in rows),
        canaries=sum(row.canaries for row in rows),
        removed=sum(row.counts.removed for row in rows),
    )
