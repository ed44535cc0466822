"""How an audit is seen while it goes on: one bar on a terminal, a line now and then elsewhere, JSON with -o json."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from migrator.cli.output import Format, neutral_lines, safe_json
from migrator.model.estimate import Estimate
from migrator.model.mailbox import Mailbox
from migrator.model.progress import PassReport, Progress
from migrator.model.wave import PassKind

if TYPE_CHECKING:
    from tqdm import tqdm

    from migrator.cli.context import Settings

EVERY = 30.0  # seconds between two lines on the total


class Reading:
    """A model.progress.Progress for what is read: messages and octets of both sides together."""

    def __init__(self, json: bool) -> None:
        self._lock, self._json = threading.Lock(), json
        self._planned = self._read = 0
        self._said = time.monotonic()
        self._bar: tqdm[Any] | None = None
        if sys.stderr.isatty() and not json:
            import tqdm as bars

            bars.tqdm.monitor_interval = 0  # no thread of its own beside ours
            self._bar = bars.tqdm(
                total=0, desc="read", unit="B", unit_scale=True, dynamic_ncols=True, file=sys.stderr, leave=False
            )

    def started(self, mailbox: Mailbox, kind: PassKind) -> None: ...
    def finished(self, mailbox: Mailbox, report: PassReport) -> None: ...
    def failed(self, mailbox: Mailbox, error: Exception) -> None: ...
    def estimated(self, left: Estimate | None) -> None: ...

    def planned(self, mailbox: Mailbox, messages: int, octets: int) -> None:
        self._count(octets, 0)

    def copied(self, mailbox: Mailbox, messages: int, octets: int) -> None:
        self._count(0, octets)

    def note(self, text: str) -> None:
        with self._lock, suppress(OSError, ValueError):  # a terminal that went away does not stop an audit
            self._say(text)

    def close(self) -> None:
        with self._lock, suppress(OSError, ValueError):
            if self._bar is not None:
                self._bar.close()

    def _count(self, planned: int, read: int) -> None:
        with self._lock, suppress(OSError, ValueError):
            self._planned, self._read = self._planned + planned, self._read + read
            if self._bar is not None:
                self._bar.total = self._planned
                self._bar.update(read)
            elif time.monotonic() - self._said >= EVERY:
                self._said = time.monotonic()
                self._say(f"read {self._read:,} of {self._planned:,} octets that are known so far")

    def _say(self, text: str) -> None:
        if self._bar is not None:
            self._bar.write(neutral_lines(text), file=sys.stderr)
        elif self._json:
            print(safe_json({"event": "note", "at": datetime.now(UTC), "text": text}), file=sys.stderr, flush=True)
        else:
            print(f"{datetime.now():%H:%M:%S} {neutral_lines(text)}", file=sys.stderr, flush=True)


@contextmanager
def reading(settings: "Settings") -> Iterator[Progress]:
    """The progress of an audit, closed at the end."""
    shown = Reading(settings.form in (Format.JSON, Format.JSONL))
    try:
        yield shown
    finally:
        shown.close()
