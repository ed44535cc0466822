"""The error for a command that the server refused."""

from migrator.imap.errors import CommandRefused, OverQuota, Throttled
from migrator.imap.responses import StatusLine, backoff
from migrator.model.names import neutral

_COME_BACK = {"THROTTLED", "UNAVAILABLE", "INUSE", "LIMIT"}


def refusal(command: str, status: StatusLine, peer: str) -> CommandRefused | Throttled:
    """The error for a NO or BAD, by its response code."""
    text, wait = neutral(status.text), backoff(status.text)
    if status.code == "OVERQUOTA":
        return OverQuota(command, status.code, text, remedy="Raise the quota of this mailbox on the target.")
    if status.status == "NO" and (status.code in _COME_BACK or wait is not None):
        said = f"{command}: the server asks to wait: [{status.code}] {text}"
        return Throttled(said, peer=peer, alone=status.code == "INUSE", retry_after=wait)
    return CommandRefused(command, status.code, text)
