"""What work tells those who watch it, and how they tell it to stop."""

from dataclasses import dataclass
from typing import Protocol

from migrator.model.estimate import Estimate
from migrator.model.mailbox import Mailbox
from migrator.model.wave import PassKind


@dataclass(frozen=True, slots=True)
class PassReport:
    """One pass over one mailbox: `copied` to `octets` are of this pass alone, the rest is of the whole mailbox.

    `source_messages` is what the source's folders hold; the ledger's outcomes add up to it (I3), or `unaccounted` is
    not 0 (of a reverse pass: messages on the target that were not carried back).
    """

    kind: PassKind
    copied: int = 0
    present: int = 0
    skipped: int = 0
    failed: int = 0
    flags_changed: int = 0
    removed: int = 0  # from the target, since they had gone from the source
    octets: int = 0
    source_messages: int = 0
    unaccounted: int = 0
    behind: int | None = None  # messages that arrived on the source meanwhile, at most; None: not known
    warnings: tuple[str, ...] = ()


class Progress(Protocol):
    """Told from many threads at once; each method returns at once."""

    def started(self, mailbox: Mailbox, kind: PassKind) -> None: ...
    def planned(self, mailbox: Mailbox, messages: int, octets: int) -> None:
        """So much more is to be copied (called once a folder, as it becomes known)."""

    def copied(self, mailbox: Mailbox, messages: int, octets: int) -> None: ...
    def finished(self, mailbox: Mailbox, report: PassReport) -> None: ...
    def failed(self, mailbox: Mailbox, error: Exception) -> None: ...
    def estimated(self, left: Estimate | None) -> None:
        """How long the wave's copying will take from now on, as far as it is known; told now and then."""

    def note(self, text: str) -> None:
        """A line for the operator: a step of the wave, a warning."""


class Pace(Protocol):
    """What keeps the copying within the servers' budgets; asked from many threads, before each batch."""

    def spend(self, mailbox: Mailbox, messages: int, octets: int) -> bool:
        """Wait until the budgets of the mailbox's servers allow these; whether that took any time.

        Raises Stopped when the operator stops meanwhile, and Transient when it would take too long for a connection.
        """


class Unpaced:
    """A Pace that never waits."""

    def spend(self, mailbox: Mailbox, messages: int, octets: int) -> bool:
        """Return at once."""
        return False


class StopSignal(Protocol):
    """The operator's wish to stop; asked at each checkpoint (between batches, between steps)."""

    def draining(self) -> bool:
        """Finish the mailboxes at work, begin no other."""

    def now(self) -> bool:
        """Stop at the next checkpoint: the work in hand is journalled and resumed by the next run."""
