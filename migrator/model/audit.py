"""An audit: what it can find, what it leaves aside, and the grade that follows. The thresholds are printed."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from migrator.model.names import Address, FolderName, WaveName


class Kind(StrEnum):
    """What can be wrong with a message on the target."""

    LOST = "lost"
    DOUBLED = "doubled"
    ALTERED = "altered"
    TRUNCATED = "truncated"  # altered so that only its beginning is left
    UNREAD = "unread"  # a folder that could not be read: nothing is known of it
    MOVED = "moved"  # in another folder than its own
    FLAGS = "flags"
    DATE = "date"
    EXTRA = "extra"  # on the target, and not from the source


class Aside(StrEnum):
    """What differs and is nobody's fault."""

    PENDING = "pending"  # changed on the source since the last pass: the next one brings it
    MEANT = "meant"  # left out or changed with somebody's consent
    THEIRS = "theirs"  # done on the target by its user after the cutover


class Dispute(StrEnum):
    """Where the ledger says something else than the servers."""

    NOT_THERE = "says copied, and nothing is at that UID"
    OTHER = "says copied, and another message is at that UID"
    NO_ROW = "has no row for a message that it must have seen"
    UNKNOWN = "does not know a message on the target"
    COUNT = "has another number of messages"


class AuditGrade(StrEnum):
    """How far a copy can be trusted, best first."""

    A = "A"
    B = "B"
    C = "C"
    NONE = "?"  # nothing could be compared: no evidence is no proof
    F = "F"


MEANING: Mapping[AuditGrade, str] = MappingProxyType(
    {
        AuditGrade.A: "the same mail, octet for octet, with its flags and dates",
        AuditGrade.B: "the same mail; line endings, or a few flags or dates, differ, or other mail is there too",
        AuditGrade.C: "all mail is there, with marks that differ or in other places: have a look",
        AuditGrade.NONE: "not audited, or nothing to compare yet",
        AuditGrade.F: "mail is missing, doubled or altered, or a folder could not be read",
    }
)
# The share of the messages compared that may have a fault, for each grade; what is not named may have none.
# "normalised" are messages of which only line endings differ; "ledger" is where the ledger says something else.
LIMITS: Mapping[AuditGrade, Mapping[str, float]] = MappingProxyType(
    {
        AuditGrade.A: {},
        AuditGrade.B: {"normalised": 1.0, Kind.EXTRA: 1.0, Kind.FLAGS: 0.01, Kind.DATE: 0.01},
        AuditGrade.C: {"normalised": 1.0, "ledger": 1.0}
        | dict.fromkeys((Kind.EXTRA, Kind.FLAGS, Kind.DATE, Kind.MOVED), 1.0),
    }
)
GOOD = frozenset({AuditGrade.A, AuditGrade.B})


def thresholds() -> list[str]:
    """LIMITS as sentences, best grade first."""
    lines = []
    for grade, meaning in MEANING.items():
        limits = LIMITS.get(grade)
        allowed = ", ".join(f"{name} {limit:.0%}" for name, limit in (limits or {}).items())
        rule = "" if limits is None else f" (at most: {allowed or 'no difference at all'})"
        lines.append(f"{grade}: {meaning}{rule}")
    return lines


@dataclass(frozen=True, slots=True)
class Mode:
    """How much is read in full: `percent` 100 is everything; `seed` chooses the sample, so that it can be repeated."""

    percent: float = 100.0
    seed: str = ""

    @property
    def full(self) -> bool:
        return self.percent >= 100

    def __str__(self) -> str:
        return "full" if self.full else f"sample of {self.percent:g}% (seed {self.seed})"


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault: where the message is on the source and on the target (None: not there), and what was seen."""

    kind: Kind
    folder: FolderName | None
    uid: int | None
    target_folder: FolderName | None
    target_uid: int | None
    what: str = ""


@dataclass(frozen=True, slots=True)
class Disputed:
    """One disagreement with the ledger; UIDs as far as they are known."""

    dispute: Dispute
    folder: FolderName
    uid: int | None
    target_uid: int | None
    what: str = ""


@dataclass(frozen=True, slots=True)
class FolderAudit:
    """One source folder (`source` None: only on the target): messages on both sides, and of those compared: pairs
    with the same octets, and pairs of which only line endings differ. `faults` and `asides` are counted."""

    source: FolderName | None
    target: FolderName | None
    source_messages: int
    target_messages: int
    same: int = 0
    normalised: int = 0
    faults: Mapping[Kind, int] = field(default_factory=dict)
    asides: Mapping[Aside, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MailboxAudit:
    """One mailbox, at `at` (aware). `read`: messages of the source that were read in full.

    `sampled`: those of them that chance chose; the others are read because the two sides do not agree on them.
    `asides` are counted by what and why. `error`: why there is no result.
    """

    address: Address
    at: datetime
    mode: Mode
    folders: tuple[FolderAudit, ...] = ()
    findings: tuple[Finding, ...] = ()
    disputes: tuple[Disputed, ...] = ()
    asides: Mapping[tuple[Aside, str], int] = field(default_factory=dict)
    read: int = 0
    sampled: int = 0
    error: str = ""

    @property
    def source_messages(self) -> int:
        return sum(folder.source_messages for folder in self.folders)

    @property
    def target_messages(self) -> int:
        return sum({folder.target: folder.target_messages for folder in self.folders}.values())

    @property
    def same(self) -> int:
        return sum(folder.same for folder in self.folders)

    @property
    def normalised(self) -> int:
        return sum(folder.normalised for folder in self.folders)

    @property
    def counts(self) -> Mapping[str, int]:
        """Faults by kind (all kinds are there), `normalised`, and `ledger` for its disputes.

        Disputes over a message that has a finding are not counted again: the copy of a lost one is in dispute too.
        """
        faults = Counter(finding.kind for finding in self.findings)
        mine = {(f.folder, f.uid) for f in self.findings if f.uid is not None}
        theirs = {(f.target_folder, f.target_uid) for f in self.findings if f.target_uid is not None}
        disputes = sum(
            (d.folder, d.uid) not in mine and (d.uid is not None or (d.folder, d.target_uid) not in theirs)
            for d in self.disputes
        )
        return {**{kind.value: faults[kind] for kind in Kind}, "normalised": self.normalised, "ledger": disputes}

    @property
    def grade(self) -> AuditGrade:
        return AuditGrade.NONE if self.error else grade(self.counts, self.compared, self.pending)

    @property
    def compared(self) -> int:
        """Messages of the source that have a counterpart, or must have one."""
        missing = sum(finding.kind in _OF_THE_SOURCE for finding in self.findings)
        return self.same + self.normalised + missing

    @property
    def record(self) -> "AuditRecord":
        """What is kept of it."""
        found = {name: count for name, count in self.counts.items() if count}
        return AuditRecord(self.address, self.at, self.grade, str(self.mode), self.compared, found)

    @property
    def pending(self) -> int:
        return sum(count for (aside, _), count in self.asides.items() if aside is Aside.PENDING)


@dataclass(frozen=True, slots=True)
class WaveAudit:
    """The mailboxes of a wave. `after_cutover`: the target was its users' by then, so that their changes are theirs."""

    wave: WaveName
    mode: Mode
    after_cutover: bool
    mailboxes: tuple[MailboxAudit, ...]

    @property
    def grade(self) -> AuditGrade:
        return worst(mailbox.grade for mailbox in self.mailboxes)


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """What is kept of a mailbox's last audit. `mode` in words; `counts` are those that are not 0."""

    address: Address
    at: datetime
    grade: AuditGrade
    mode: str
    compared: int
    counts: Mapping[str, int]

    @property
    def words(self) -> str:
        """How it was made, and the faults that it found."""
        return "; ".join([self.mode, *(f"{count:,} {name}" for name, count in self.counts.items())])

    def __str__(self) -> str:
        return f"{self.grade} ({self.words})"


_OF_THE_SOURCE = frozenset({Kind.LOST, Kind.ALTERED, Kind.TRUNCATED, Kind.MOVED})


def grade(counts: Mapping[str, int], compared: int, pending: int = 0) -> AuditGrade:
    """The best grade whose limits hold: `counts` by kind, of `compared` messages.

    NONE when nothing could be compared though something is to come.
    """
    if not compared and pending and not any(counts.values()):
        return AuditGrade.NONE
    for best, limits in LIMITS.items():
        if all(count <= limits.get(name, 0.0) * max(compared, count) for name, count in counts.items()):
            return best
    return AuditGrade.F


def worst(grades: Iterable[AuditGrade]) -> AuditGrade:
    """A wave is as good as the worst of its mailboxes; without any there is no grade."""
    return max(grades, key=list(AuditGrade).index, default=AuditGrade.NONE)
