"""What can go wrong, graded by what the program does about it; every error carries its remedy."""

from enum import IntEnum
from typing import ClassVar

AGAIN = "Run the same command again: it resumes."


class ExitCode(IntEnum):
    """The process exit codes; they are API and documented in the README."""

    OK = 0
    FAILED = 1
    USAGE = 2
    FAILED_MAILBOXES = 3
    AUTH = 4
    CONFIG = 5
    GATE_REFUSED = 6
    LOCKED = 7
    UNREACHABLE = 8
    CHANGES = 9
    INTERRUPTED = 130
    TERMINATED = 143


class MigratorError(Exception):
    """Base of all errors that an operator can meet.

    `str(error)` says what happened and where; `remedy` what to do next; `runbook` names the page runbooks/<name>.md,
    when there is one. Neither may ever contain a secret.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.FAILED
    runbook: ClassVar[str | None] = None

    def __init__(self, what: str, *, remedy: str = "") -> None:
        super().__init__(what)
        self.remedy = remedy

    @property
    def in_full(self) -> str:
        """What happened, and what to do next."""
        return f"{str(self).rstrip('.')}. {self.remedy}".strip()


class Transient(MigratorError):
    """May go away by itself.

    A pass is retried in one place (`dispatch`), never around an APPEND whose outcome is unknown; a verb of a place that
    routes, which may always be repeated, in `routing.retries`.

    `retry_after` is the wait in seconds that the server asked for, when it named one.
    """

    def __init__(self, what: str, *, remedy: str = AGAIN, retry_after: float | None = None) -> None:
        super().__init__(what, remedy=remedy)
        self.retry_after = retry_after


class Refused(MigratorError):
    """Will not go away by itself: stop and tell a person."""


class ServerBusy(Transient):
    """A server asks for patience (RFC 5530 and kin: THROTTLED, UNAVAILABLE, LIMIT, INUSE).

    `peer` is its "host:port"; "" where only the caller knows which one it was. `alone`: it is about this mailbox only.
    """

    def __init__(self, what: str, *, peer: str = "", alone: bool = False, retry_after: float | None = None) -> None:
        super().__init__(what, retry_after=retry_after)
        self.peer, self.alone = peer, alone


class Unreachable(Transient):
    """A server does not answer, or the connection broke."""

    exit_code = ExitCode.UNREACHABLE


class LoginRefused(Refused):
    """The server does not accept these credentials."""

    exit_code = ExitCode.AUTH
    runbook = "login-refused"


class CertificateRefused(Refused):
    """The server's certificate does not prove that it is the server we mean, or TLS could not be agreed."""

    exit_code = ExitCode.UNREACHABLE
    runbook = "certificate-refused"


class ConfigInvalid(Refused):
    """A file that the operator wrote cannot be accepted; the text names file, line and column."""

    exit_code = ExitCode.CONFIG


class Locked(Refused):
    """Somebody else works on this; the text names the holder, and since when."""

    exit_code = ExitCode.LOCKED
    runbook = "locked"


class GateRefused(Refused):
    """A condition for going on is not met."""

    exit_code = ExitCode.GATE_REFUSED
    runbook = "gate-refused"


class Stopped(MigratorError):
    """The operator asked to stop, and work ended at a safe point; running the same command again resumes."""

    exit_code = ExitCode.INTERRUPTED
