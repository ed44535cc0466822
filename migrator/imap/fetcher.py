"""Message bodies, streamed past any parser, with requests sent ahead."""

from collections.abc import Iterator, Sequence

from migrator.imap.records import Body


class Fetcher:
    """Pipelined UID FETCH (UID BODY.PEEK[]): ask for batch n+1 before batch n is consumed. No other command meanwhile."""

    def request(self, uids: Sequence[int]) -> None:
        """Send the request for one batch; returns at once."""
        raise NotImplementedError

    def replies(self) -> Iterator[Body]:
        """The bodies of the oldest request, then stops. UIDs without an answer are absent: compare.

        An unread rest of a Body is skipped. ProtocolViolation for a body that was not asked for, or comes twice.
        """
        raise NotImplementedError
