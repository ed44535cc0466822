"""What a server tells of itself that a pass has no need of: its kind, certificate and clock, what it would refuse.

Nothing is written: the clock is told by SEARCH, and a message is announced but not sent.
"""

import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from migrator.imap.channel import Channel, Parts
from migrator.imap.records import Refusal
from migrator.imap.responses import UNKNOWN_DATE, tokens
from migrator.model.message import MessageMeta
from migrator.model.names import neutral

FURTHEST = 400 * 86_400  # seconds by which a clock may be off for us to tell by how much
LABELLED = 20_000  # messages whose labels are asked for at once
_NUMBER = re.compile(rb"\d+")


class Checkup:
    """Of the server behind a logged-in connection."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    @property
    def certificate_ends(self) -> datetime | None:
        """When the server's certificate runs out (aware); None without TLS."""
        return self._channel.wire.certificate_ends

    @property
    def greeting(self) -> str:
        """The first line that the server, or what stands in front of it, said."""
        return self._channel.wire.greeting

    def identity(self) -> dict[str, str]:
        """The fields of the server's answer to ID (RFC 2971), by lower-case name; the server offers ID."""
        done = self._channel.settle(asked := self._channel.start(b"ID", b'("name" "migrator")'))
        answers = [tokens(parts) for parts in asked.untagged if parts[0].upper().startswith(b"ID ")]
        fields = answers[0][1] if done.status == "OK" and answers and len(answers[0]) > 1 else None
        words = [each.decode("utf-8", "replace") if isinstance(each, bytes) else "" for each in fields or ()]
        return {name.lower(): neutral(value) for name, value in zip(words[::2], words[1::2], strict=False)}

    def labels(self, exists: int) -> Iterator[frozenset[bytes]]:
        """The labels of each of the `exists` messages of the folder that is open (X-GM-EXT-1), as on the wire."""
        for first in range(1, exists + 1, LABELLED):
            last = min(first + LABELLED - 1, exists)
            done = self._channel.run(b"FETCH", b"%d:%d" % (first, last), b"(X-GM-LABELS)")
            for parts in done.untagged:
                if (found := _labels(parts)) is not None:
                    yield found

    def clock_offset(self, message: MessageMeta, now: Callable[[], datetime]) -> timedelta | None:
        """How far the server's clock is ahead of `now` (negative: behind), to about a second.

        `message` is one of the folder that is open. SEARCH YOUNGER (RFC 5032; the server has WITHIN) compares its
        INTERNALDATE with the server's time: where the answer changes as the bound is moved is the message's age by the
        server's clock. None when it is off by more than FURTHEST, or when the answers make no sense.
        """
        if message.internaldate == UNKNOWN_DATE:
            return None
        age = int((now() - message.internaldate).total_seconds())
        low, high = max(0, age - FURTHEST), age + FURTHEST
        if self._younger(message.uid, low) or not self._younger(message.uid, high):
            return None
        while high - low > 1:  # the message is not younger than `low` seconds, and younger than `high`
            middle = (low + high) // 2
            low, high = (low, middle) if self._younger(message.uid, middle) else (middle, high)
        return message.internaldate + timedelta(seconds=high) - now()

    def would_refuse(self, size: int) -> Refusal | None:
        """The server's answer when it takes no message of `size` octets into INBOX; None when it would take it.

        The message is announced by a synchronising literal (RFC 9051, 4.3), and the connection dropped instead of
        sending it: a message of which the server has not all is not stored. No other command may follow.
        """
        exchange = self._channel.begin("APPEND")
        self._channel.send(b"%b APPEND INBOX {%d}\r\n" % (exchange.tag, size))
        goes_on = self._channel.wait_to_go_on(exchange)
        self._channel.wire.abort()
        said = exchange.status
        return None if goes_on or said is None else Refusal(said.code, neutral(said.text))

    def _younger(self, uid: int, seconds: int) -> bool:
        if seconds < 1:  # RFC 5032 wants a positive number; nothing is younger than no time at all
            return False
        done = self._channel.run(b"UID SEARCH", b"UID %d YOUNGER %d" % (uid, seconds))
        answers = [parts[0] for parts in done.untagged if parts[0].upper().startswith(b"SEARCH")]
        return any(int(number) == uid for answer in answers for number in _NUMBER.findall(answer))


def _labels(parts: Parts) -> frozenset[bytes] | None:
    """Of one answer to FETCH; None where it is about something else."""
    answer = tokens(parts)
    attributes = answer[2] if len(answer) == 3 and answer[1] == b"FETCH" and isinstance(answer[2], list) else []
    for name, value in zip(attributes[::2], attributes[1::2], strict=False):
        if name == b"X-GM-LABELS":
            return frozenset(each for each in value or () if isinstance(each, bytes))
    return None
