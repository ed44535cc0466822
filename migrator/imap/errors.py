"""What can go wrong on the wire, on top of the errors of `model`."""

from typing import ClassVar

from migrator.model.errors import ExitCode, LoginRefused, Refused, ServerBusy, Unreachable


class ConnectionLost(Unreachable):
    """The connection broke or went silent. `during` names the command; whether it took effect is unknown."""

    def __init__(self, what: str, *, during: str) -> None:
        super().__init__(f"{what} during {during}")
        self.during = during


class BodyTruncated(ConnectionLost):
    """The connection ended inside a message: what was read of it must not be stored anywhere."""


class TokenRefused(LoginRefused):
    """The server does not accept a token; the text holds its report (RFC 7628, 3.2.2)."""


class PlaintextRefused(Refused):
    """A password would have crossed the network unprotected, or protection was tampered with."""

    exit_code: ClassVar[ExitCode] = ExitCode.CONFIG
    runbook: ClassVar[str | None] = "plaintext-refused"


class CommandRefused(Refused):
    """The server answered NO or BAD. `code` is the response code in upper case ("TRYCREATE"), "" when there is none."""

    def __init__(self, command: str, code: str, text: str, *, remedy: str = "") -> None:
        super().__init__(f"{command}: the server refused: {f'[{code}] ' if code else ''}{text}", remedy=remedy)
        self.command, self.code, self.text = command, code, text


class OverQuota(CommandRefused):
    """The mailbox is full (RFC 5530, OVERQUOTA)."""


class Throttled(ServerBusy):
    """The server asks us to slow down or come back (THROTTLED, UNAVAILABLE, INUSE, LIMIT)."""


class ProtocolViolation(Refused):
    """The server said what IMAP does not allow, or more than our limits: the session is of no use any more."""


class Unsupported(Refused):
    """The server lacks a capability that this needs; ask `Session.has` first."""


class FolderNameChanged(Refused):
    """CREATE said OK, but the server made a folder with another name (`wanted`, `found`)."""

    def __init__(self, wanted: str, found: tuple[str, ...]) -> None:
        shown = ", ".join(map(repr, found)) or "no such folder"
        super().__init__(
            f"the server was asked to create the folder {wanted!r} and made {shown}",
            remedy="Map this folder to a name that the server keeps (folders.map in migrator.yaml).",
        )
        self.wanted, self.found = wanted, found


class UnsafeValue(Refused):
    """A flag, date or name that the strict grammar does not allow on the wire; nothing was sent."""
