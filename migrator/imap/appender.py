"""Messages to a folder, in batches, without waiting for each answer."""

from datetime import datetime

from migrator.imap.records import AppendResult, Chunk
from migrator.model.message import Flags


class Appender:
    """begin, (message, chunk..., message_done)..., end; results come later, in order of the batches.

    One batch is one atomic MULTIAPPEND where the server has it, else one APPEND a message.
    """

    atomic: bool  # a batch is stored as a whole or not at all

    def begin(self) -> None:
        """Start a batch; waits while too many batches are unanswered."""
        raise NotImplementedError

    def message(self, flags: Flags, internaldate: datetime | None, size: int) -> None:
        """Announce a message of exactly `size` octets. UnsafeValue (and nothing is sent) for a bad flag or date."""
        raise NotImplementedError

    def chunk(self, data: Chunk) -> None:
        """A part of the message; copied or sent before this returns."""
        raise NotImplementedError

    def message_done(self) -> None:
        """The message is complete. When octets are missing, the connection is dropped and ValueError raised."""
        raise NotImplementedError

    def end(self, tag: object) -> None:
        """The batch is complete; `tag` comes back in its result."""
        raise NotImplementedError

    def flush(self) -> None:
        """Send what is still held back for coalescing."""
        raise NotImplementedError

    def results(self, wait: bool) -> list[AppendResult]:
        """The answers that are there; with `wait`, at least one when any batch is unanswered. Flushes first."""
        raise NotImplementedError

    def abort(self) -> None:
        """Drop the connection: a half-sent message must never be stored."""
        raise NotImplementedError
