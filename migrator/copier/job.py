"""What one mailbox's pass needs to know, and what can go wrong in it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from migrator.copier.belongings_acl import People
from migrator.copier.folders import FolderPolicy
from migrator.imap import Session
from migrator.model.belonging import Kind
from migrator.model.errors import ExitCode, Locked, Refused, ServerBusy, Stopped, Transient
from migrator.model.mailbox import Mailbox
from migrator.model.order import CopyOrder
from migrator.model.progress import Pace, Progress, StopSignal, Unpaced
from migrator.model.wave import PassKind

if TYPE_CHECKING:
    from migrator.imap.sieve import Sieve
    from migrator.state.belongings import Belongings
    from migrator.state.ledger import Ledger
    from migrator.state.records import Lease

Side = Literal["source", "target"]


@dataclass(frozen=True)
class Carrying:
    """What belongs to a mailbox beside its mail, and is carried: `kinds` of it; `books` remember what became of it.

    `sieve` logs in to ManageSieve on a side, where migrator.yaml says that there is one (`sieve_on`). `admin` logs in
    to the target as who may set quotas, where there is such a login. `entries_left`: prefixes of entries (METADATA)
    that stay behind.
    """

    kinds: frozenset[Kind]
    people: People
    books: "Belongings"
    sieve: "Callable[[Side], Sieve]"
    sieve_on: frozenset[Side]
    admin: Callable[[], Session] | None = None
    entries_left: tuple[str, ...] = ()


AFTER_CUTOVER = frozenset({PassKind.CATCH_UP, PassKind.REVERSE})  # the receiving folder has a user


@dataclass(frozen=True)
class CopyJob:
    """One pass over one mailbox; the caller holds its lease and has taken `lanes` connections on each side.

    `canary_tokens`: of the canaries that are this mailbox's. `target_lease`: how long the lease mailbox on the target
    speaks for us after we died. `grace`: the pause between two looks for late appends where MOVE is missing.
    `order`: which of a folder's messages go first; INBOX is the first folder in any case.
    `carrying`: what else goes along, and how; None: mail only.
    A pass opens up to `lanes` connections on each side, and at least two on the receiving side after the cutover.
    """

    mailbox: Mailbox
    kind: PassKind
    connect: Callable[[Side], Session]
    lanes: int
    ledger: "Ledger"
    lease: "Lease"
    workspace_id: str
    folder_policy: FolderPolicy
    canary_tokens: frozenset[str]
    progress: Progress
    stop: StopSignal
    target_lease: timedelta = field(default=timedelta(seconds=60))
    grace: timedelta = field(default=timedelta(seconds=5))
    pace: Pace = field(default_factory=Unpaced)
    order: CopyOrder = CopyOrder.OLDEST
    carrying: "Carrying | None" = None

    @property
    def staged(self) -> bool:
        """Whether messages go through the private staging mailbox, or straight in.

        The final pass does too: no sweep comes after it, so a late append must not land in a folder.
        """
        return self.after_cutover or self.kind is PassKind.FINAL

    @property
    def after_cutover(self) -> bool:
        """Whether the receiving folders belong to their user (I4)."""
        return self.kind in AFTER_CUTOVER

    def checkpoint(self) -> None:
        """Stop here if the operator said so; everything up to here is journalled."""
        if self.stop.now():
            raise Stopped(
                f"stopped in the {self.kind} pass of {self.mailbox.address}", remedy="Run the same command again."
            )


class SourceLooksEmpty(Refused):
    """The ledger knows of mail, and the source shows none: more likely a broken server than an emptied mailbox."""

    exit_code = ExitCode.GATE_REFUSED
    runbook = "source-looks-empty"


class FolderChanged(Transient):
    """A folder was made anew, or taken away, while the pass was at work on it: the next attempt looks at it afresh."""


class TargetTaken(Locked):
    """Another workspace works on this mailbox: its lease mailbox is on the target."""


class TargetLeaseLost(Refused):
    """Another workspace took the lease mailbox on the target over, because ours had not been renewed in time."""

    exit_code = ExitCode.LOCKED
    runbook = "locked"


class Backoff(ServerBusy):
    """The receiving server asks for patience (THROTTLED, UNAVAILABLE, INUSE, LIMIT), in answer to an append."""
