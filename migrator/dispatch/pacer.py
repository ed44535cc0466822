"""Waiting for the budgets: a short while beside open connections, longer without any."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from migrator.dispatch.budgets import Budgets
from migrator.dispatch.clock import Clock
from migrator.model.doing import WORKING, HeldBy, Hold
from migrator.model.errors import ExitCode, Refused, Stopped, Transient
from migrator.model.mailbox import Mailbox
from migrator.model.names import ServerName
from migrator.model.progress import StopSignal
from migrator.model.wave import PassKind

PATIENCE = 120.0  # seconds that an open connection may wait: some servers close it after 5 minutes
SLICE = 0.2  # seconds between two looks at the operator's wish to stop
SHORTEST = 0.001  # seconds: what rounding leaves of a wait shall end, too
MAY_REST = frozenset({PassKind.INITIAL, PassKind.DELTA})  # in the others mail is held back, or lives on two servers

Tell = Callable[[Mailbox, Hold], None]


class HeldBack(Transient):
    """The budgets hold the pass back for longer than connections may be left open; it goes on when they allow."""

    def __init__(self, mailbox: Mailbox, hold: Hold) -> None:
        super().__init__(f"{mailbox.address} is held back: {hold.detail}", retry_after=hold.seconds)


class WindowTooShort(Refused):
    """The budgets or the hours of rest allow nothing more before the wave's window ends."""

    exit_code = ExitCode.FAILED_MAILBOXES
    runbook = "mailboxes-failed"


class CannotPause(Refused):
    """The budgets hold back for long what cannot be continued, only begun anew: an audit."""

    exit_code = ExitCode.FAILED_MAILBOXES
    runbook = "mailboxes-failed"

    def __init__(self, held: HeldBack) -> None:
        super().__init__(
            f"{held}; that is longer than an audit can wait",
            remedy="Audit when the budgets and windows allow, or read less: `--sample 5%`.",
        )


@dataclass(frozen=True)
class Pacer:
    """Holds passes of one kind back; `tell` hears of what a mailbox waits for, and when it goes on (WORKING)."""

    budgets: Budgets
    clock: Clock
    kind: PassKind
    stop: StopSignal
    tell: Tell

    def spend(self, mailbox: Mailbox, messages: int, octets: int) -> bool:
        """What model.progress.Pace says: HeldBack where it would take longer than PATIENCE."""
        servers, waited = _servers(mailbox), 0.0
        while hold := self.budgets.spend(servers, messages, octets, self.kind in MAY_REST):
            self.tell(mailbox, hold)
            if waited + min(hold.seconds, SLICE) > PATIENCE or hold.seconds > PATIENCE:
                raise HeldBack(mailbox, hold)
            if self.stop.now():
                raise Stopped(f"stopped in the {self.kind} pass of {mailbox.address}", remedy="Run it again.")
            waited += self._sleep(hold)
        if waited:
            self.tell(mailbox, WORKING)
        return waited > 0

    def admit(self, mailbox: Mailbox, window_ends: datetime | None) -> None:
        """Wait, before any connection is made, until the budgets allow a start.

        Raises Stopped when the operator lets no other mailbox begin, and WindowTooShort where it would take until after
        `window_ends`.
        """
        servers = _servers(mailbox)
        while hold := self.budgets.hold(servers, self.kind in MAY_REST):
            self.tell(mailbox, hold)
            if self.stop.draining():
                raise Stopped(f"{mailbox.address} waits: {hold.detail}", remedy="Run the same command again.")
            late = hold.until and window_ends and hold.until > window_ends and hold.by is not HeldBy.SERVER
            if late and hold.until and window_ends:
                raise WindowTooShort(
                    f"{mailbox.address}: {hold.detail}; nothing more before {hold.until:%Y-%m-%d %H:%M} UTC, "
                    f"and the wave's window ends at {window_ends.astimezone(hold.until.tzinfo):%Y-%m-%d %H:%M} UTC",
                    remedy="Run the same command again then with a later `window:`, or raise that limit.",
                )
            self._sleep(hold)

    def _sleep(self, hold: Hold) -> float:
        seconds = min(max(hold.seconds, SHORTEST), SLICE)
        self.clock.sleep(seconds)
        return seconds


def _servers(mailbox: Mailbox) -> frozenset[ServerName]:
    return frozenset({mailbox.source, mailbox.target})
