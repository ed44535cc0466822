"""How long mail was held up: from when it was first sent to when the first server took it into its mailbox."""

from __future__ import annotations

import datetime
import statistics
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from tests.lab.dovecot import DELIVERY, Dovecot
from tests.lab.traffic import Sent


@dataclass(frozen=True)
class Pause:
    """Seconds: the median, the 95th percentile and the longest of the mailboxes' pauses.

    `usual` is the median delay of all these mails: what a delivery takes when nothing is held back.
    """

    median: float
    p95: float
    longest: float
    usual: float


class Arrivals:
    """When each mail was first delivered, by the servers' own logs; `refresh` reads what they have written since."""

    def __init__(self, servers: Iterable[Dovecot]) -> None:
        self._read = {server.log_path: 0 for server in servers}
        self._first: dict[str, float] = {}

    def refresh(self) -> None:
        for path, begin in self._read.items():
            with path.open("rb") as file:
                file.seek(begin)
                text, _, _ = file.read().rpartition(b"\n")
            self._read[path] = begin + len(text) + bool(text)
            for match in DELIVERY.finditer(text.decode("utf-8", "replace")):
                moment = datetime.datetime.fromisoformat(match[1]).timestamp()
                self._first[match[3]] = min(moment, self._first.get(match[3], moment))

    def of(self, mail: Sent) -> float | None:
        """Seconds since 1970; None: not yet."""
        return self._first.get(f"<{mail.token}@outside.test>")


def pause(sent: Iterable[Sent], arrivals: Arrivals) -> Pause | None:
    """The pause in which these mails were sent; None where none of them has arrived.

    A mailbox's pause is the longest delay of its mails: where few were sent to it, it may have been longer.
    """
    delays: dict[str, list[float]] = defaultdict(list)
    for mail in sent:
        if (moment := arrivals.of(mail)) is not None:
            delays[mail.address].append(max(0.0, moment - mail.first_tried))
    if not delays:
        return None
    longest = sorted(max(each) for each in delays.values())
    usual = statistics.median(delay for each in delays.values() for delay in each)
    return Pause(statistics.median(longest), longest[round(0.95 * (len(longest) - 1))], longest[-1], usual)
