"""How a look at many mailboxes is seen: a bar on a terminal, else a line now and then; JSON events with -o json."""

import logging
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from migrator.cli.logs import PROGRESS
from migrator.cli.output import Format, neutral_lines, safe_json, size
from migrator.model.errors import MigratorError
from migrator.model.inventory import Stock
from migrator.model.mailbox import Mailbox

if TYPE_CHECKING:
    from tqdm import tqdm

    from migrator.cli.context import Settings

EVERY = 30.0  # seconds between two lines on the total


class Looks:
    """Told by many threads of each mailbox that was looked at, or that failed; what cannot be shown is dropped."""

    def __init__(self, total: int, json: bool) -> None:
        self._lock, self._json, self._all = threading.Lock(), json, total
        self._log = logging.getLogger(PROGRESS)
        self._done = self._failed = self._messages = self._octets = 0
        self._said = time.monotonic()
        self._bar: tqdm[Any] | None = None
        if sys.stderr.isatty() and not json:
            import tqdm as bars

            bars.tqdm.monitor_interval = 0  # no thread of its own beside ours
            self._bar = bars.tqdm(
                total=total, desc="mailboxes", unit="", dynamic_ncols=True, file=sys.stderr, leave=False
            )

    def ended(self, mailbox: Mailbox, found: Stock | MigratorError) -> None:
        """One look has ended."""
        failed = isinstance(found, MigratorError)
        text = f"failed: {found.in_full}" if isinstance(found, MigratorError) else _told(found)
        self._log.info("%s: %s", mailbox.address, text)
        with self._lock, suppress(OSError, ValueError):  # a terminal that went away stops nothing
            self._done, self._failed = self._done + 1, self._failed + failed
            if isinstance(found, Stock):
                self._messages += found.size.messages
                self._octets += found.size.octets
            if failed and not self._json:
                self._say(f"{mailbox.address}: {text}")
            self._count(mailbox, found)

    def _count(self, mailbox: Mailbox, found: Stock | MigratorError) -> None:
        total = f"{self._messages:,} messages, {size(self._octets)}" + (f", {self._failed} failed" * bool(self._failed))
        if self._bar is not None:
            self._bar.set_postfix_str(total, refresh=False)
            self._bar.update(1)
        elif self._json:
            what = {"error": found.in_full} if isinstance(found, MigratorError) else {"size": found.size}
            event = {"event": "failed" if isinstance(found, MigratorError) else "looked at", "at": datetime.now(UTC)}
            print(safe_json({**event, "mailbox": mailbox.address, **what}), file=sys.stderr, flush=True)
        elif time.monotonic() - self._said >= EVERY or self._done == self._all:
            self._said = time.monotonic()
            self._say(f"{self._done:,} of {self._all:,} mailboxes: {total}")

    def _say(self, text: str) -> None:
        line = f"{datetime.now():%H:%M:%S} {neutral_lines(text)}"
        if self._bar is not None:
            self._bar.write(line, file=sys.stderr)
        else:
            print(line, file=sys.stderr, flush=True)

    def close(self) -> None:
        with self._lock, suppress(OSError, ValueError):
            if self._bar is not None:
                self._bar.close()


def _told(stock: Stock) -> str:
    found = stock.size
    return f"{found.folders:,} folders, {found.messages:,} messages, {size(found.octets)}"


@contextmanager
def looking(settings: "Settings", total: int) -> Iterator[Looks]:
    """The progress of looks at `total` mailboxes, closed at the end."""
    shown = Looks(total, settings.form in (Format.JSON, Format.JSONL))
    try:
        yield shown
    finally:
        shown.close()
