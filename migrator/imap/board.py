"""A folder whose messages are notes: one is put up, and all of them are read, in one round trip."""

from collections.abc import Callable, Iterable, Sequence

from migrator.imap.channel import Channel, Exchange, Words
from migrator.imap.errors import Throttled
from migrator.imap.grammar import LiteralText
from migrator.imap.refusal import refusal
from migrator.imap.responses import fetched, number

NO_FOLDER = frozenset({"TRYCREATE", "NONEXISTENT"})  # response codes of an APPEND to a folder that is not there


class Board:
    """`folder` is its name as it goes into a command; `leave`: what is said so that no folder is selected any more.

    A note is text of our own. So it may be sent without asking first, where the server takes that: one that refuses
    it and reads it as commands finds none in it.
    """

    def __init__(self, channel: Channel, folder: bytes, leave: Sequence[Words]) -> None:
        self._channel, self._folder, self._leave = channel, folder, leave

    def post(self, text: bytes, ahead: Callable[[], None]) -> dict[int, bytes]:
        """Make the folder (it may be there), put a note up, and read all: texts by UID, none where there is no folder.

        `ahead` sends commands of the caller's in the same packet, behind these; nothing is selected then. All of it
        takes one round trip; one more where a note's literal must be asked for. Errors are those of `put`.
        """
        with self._channel.together():
            made = self._channel.start(b"CREATE", self._folder)
            stored = self._append(text)
            asked = self._ask()
            left = [self._channel.start(*words) for words in self._leave]
            ahead()
        notes = self._answers(asked)
        for exchange in (made, *left):
            self._channel.settle(exchange)
        if made.status and isinstance(error := refusal("CREATE", made.status, self._channel.peer), Throttled):
            raise error
        self._stored(stored)
        return notes

    def put(self, text: bytes) -> bool:
        """Put a note up; False when there is no folder. CommandRefused (or OverQuota, Throttled) for other refusals."""
        return self._stored(self._append(text))

    def read(self) -> dict[int, bytes]:
        """All notes: texts by UID, none where there is no folder. The folder stays selected."""
        with self._channel.together():
            asked = self._ask()
        return self._answers(asked)

    def _append(self, text: bytes) -> Exchange:
        return self._channel.start(b"APPEND", self._folder, LiteralText(text))

    def _stored(self, exchange: Exchange) -> bool:
        status = self._channel.settle(exchange)
        if status.status == "OK":
            self._channel.takes_mail = True
        elif status.code not in NO_FOLDER:
            raise refusal("APPEND", status, self._channel.peer)
        return status.status == "OK"

    def _ask(self) -> Sequence[Exchange]:
        opened = self._channel.start(b"SELECT", self._folder)
        return opened, self._channel.start(b"UID FETCH", b"1:*", b"(UID BODY.PEEK[])")

    def _answers(self, asked: Sequence[Exchange]) -> dict[int, bytes]:
        """None when not all could be read: the folder went away before, or meanwhile."""
        statuses = {self._channel.settle(exchange).status for exchange in asked}
        return dict(_texts(parts for exchange in asked for parts in exchange.untagged)) if statuses == {"OK"} else {}


def _texts(answers: Iterable[list[bytes]]) -> Iterable[tuple[int, bytes]]:
    for attributes in map(fetched, answers):
        text = attributes.get(b"BODY[]")
        if isinstance(text, bytes):
            yield number(attributes.get(b"UID")), text
