"""How work is seen while it goes on: bars on a terminal, lines elsewhere, JSON events with -o json. All on stderr.

Each is a model.progress.Progress, told from many threads. What cannot be shown (a terminal that went away) is dropped:
the copy goes on, and the log has it too.
"""

import logging
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from migrator.cli.logs import PROGRESS
from migrator.cli.output import Format, neutral_lines, safe_json, size
from migrator.model.errors import Stopped
from migrator.model.estimate import Estimate, Stretch, estimate, words, work
from migrator.model.mailbox import Mailbox
from migrator.model.names import Address, neutral
from migrator.model.progress import PassReport, Progress
from migrator.model.wave import PassKind

if TYPE_CHECKING:
    from tqdm import tqdm

    from migrator.cli.context import Settings

EVERY = 30.0  # seconds between two lines on the total
EVENT_EVERY = 1.0  # seconds between two JSON events on one mailbox's copying


class Tally:
    """What is known so far of one mailbox, or of all."""

    def __init__(self) -> None:
        self.begun = time.monotonic()
        self.planned_messages = self.planned_octets = self.messages = self.octets = 0

    def plan(self, messages: int, octets: int) -> None:
        self.planned_messages += messages
        self.planned_octets += octets

    def copy(self, messages: int, octets: int) -> None:
        self.messages += messages
        self.octets += octets

    def left(self) -> Estimate | None:
        """How long what is planned will take, at the pace so far; None while nothing is copied."""
        if not self.messages:
            return None
        so_far = Stretch(time.monotonic() - self.begun, self.octets, self.messages)
        return estimate(work(self.planned_octets - self.octets, self.planned_messages - self.messages), [so_far])


class _Watcher:
    """What the three have in common: counts under one lock, and a copy of the main events in the log."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._log = logging.getLogger(PROGRESS)
        self._total = Tally()
        self._at_work: dict[Address, Tally] = {}
        self._done = self._failed = 0
        self._told: Estimate | None = None

    def started(self, mailbox: Mailbox, kind: PassKind) -> None:
        self._log.info("%s: %s pass started", mailbox.address, kind)
        with self._lock, suppress(OSError, ValueError):
            self._at_work[mailbox.address] = Tally()
            self._show_started(mailbox, kind)

    def planned(self, mailbox: Mailbox, messages: int, octets: int) -> None:
        with self._lock, suppress(OSError, ValueError):
            for tally in (self._total, self._at_work.setdefault(mailbox.address, Tally())):
                tally.plan(messages, octets)
            self._show_counts(mailbox, self._at_work[mailbox.address])

    def copied(self, mailbox: Mailbox, messages: int, octets: int) -> None:
        with self._lock, suppress(OSError, ValueError):
            for tally in (self._total, self._at_work.setdefault(mailbox.address, Tally())):
                tally.copy(messages, octets)
            self._show_counts(mailbox, self._at_work[mailbox.address])

    def finished(self, mailbox: Mailbox, report: PassReport) -> None:
        self._log.info("%s: %s", mailbox.address, summary(report))
        with self._lock, suppress(OSError, ValueError):
            self._done += 1
            self._at_work.pop(mailbox.address, None)
            self._show_finished(mailbox, report)

    def failed(self, mailbox: Mailbox, error: Exception) -> None:
        self._log.info("%s: %s", mailbox.address, cause(error))
        with self._lock, suppress(OSError, ValueError):
            self._failed += not isinstance(error, Stopped)
            self._at_work.pop(mailbox.address, None)
            self._show_failed(mailbox, error)

    def estimated(self, left: Estimate | None) -> None:
        with self._lock, suppress(OSError, ValueError):
            self._told = left
            self._show_left()

    def left(self) -> Estimate | None:
        """How long all will take: as the state's measures say, else at the pace of what has been seen here."""
        return self._told or self._total.left()

    def note(self, text: str) -> None:
        self._log.info("%s", text)
        with self._lock, suppress(OSError, ValueError):
            self._show_note(text)

    def close(self) -> None: ...
    def _show_started(self, mailbox: Mailbox, kind: PassKind) -> None: ...
    def _show_counts(self, mailbox: Mailbox, tally: Tally) -> None: ...
    def _show_finished(self, mailbox: Mailbox, report: PassReport) -> None: ...
    def _show_failed(self, mailbox: Mailbox, error: Exception) -> None: ...
    def _show_note(self, text: str) -> None: ...
    def _show_left(self) -> None: ...


class Lines(_Watcher):
    """A line an event, with the time; the total every half minute."""

    def __init__(self) -> None:
        super().__init__()
        self._said = time.monotonic()

    def _show_counts(self, mailbox: Mailbox, tally: Tally) -> None:
        if time.monotonic() - self._said >= EVERY:
            self._said = time.monotonic()
            total, left = self._total, self.left()
            text = f"total: {total.messages:,} of {total.planned_messages:,} messages, {size(total.octets)}"
            text += f" of {size(total.planned_octets)}"
            self._show_note(text + (f", left: {words(left)}" if left is not None else ""))

    def _show_finished(self, mailbox: Mailbox, report: PassReport) -> None:
        self._show_note(f"{mailbox.address}: {summary(report)}")

    def _show_failed(self, mailbox: Mailbox, error: Exception) -> None:
        self._show_note(f"{mailbox.address}: {cause(error)}")

    def _show_note(self, text: str) -> None:
        print(f"{datetime.now():%H:%M:%S} {neutral_lines(text)}", file=sys.stderr, flush=True)


class Events(_Watcher):
    """A JSON object a line: `event`, `at`, and what belongs to it."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[Address, float] = {}

    def _emit(self, event: str, **what: object) -> None:
        print(safe_json({"event": event, "at": datetime.now(UTC), **what}), file=sys.stderr, flush=True)

    def _show_started(self, mailbox: Mailbox, kind: PassKind) -> None:
        self._emit("started", mailbox=mailbox.address, kind=kind)

    def _show_counts(self, mailbox: Mailbox, tally: Tally) -> None:
        now = time.monotonic()
        if now - self._said.get(mailbox.address, now - EVENT_EVERY) >= EVENT_EVERY:
            self._said[mailbox.address] = now
            counts = {name: value for name, value in vars(tally).items() if name != "begun"}
            self._emit(
                "copied",
                mailbox=mailbox.address,
                **counts,
                total_octets=self._total.octets,
                total_planned_octets=self._total.planned_octets,
                **_seconds(self.left()),
            )

    def _show_finished(self, mailbox: Mailbox, report: PassReport) -> None:
        self._emit("finished", mailbox=mailbox.address, **asdict(report))

    def _show_failed(self, mailbox: Mailbox, error: Exception) -> None:
        self._emit("failed", mailbox=mailbox.address, error=str(error))

    def _show_note(self, text: str) -> None:
        self._emit("note", text=text)


class Bars(_Watcher):
    """The total with its ETA, and below it a bar for each mailbox at work; in octets, which tell the time better."""

    def __init__(self) -> None:
        from tqdm import tqdm

        super().__init__()
        tqdm.monitor_interval = 0  # no thread of its own beside ours
        self._tqdm = tqdm
        self._total_bar: tqdm[Any] | None = None
        self._bars: dict[Address, tqdm[Any]] = {}

    def _bar(self, name: str, position: int) -> "tqdm[Any]":
        return self._tqdm(
            total=0,
            desc=_padded(name),
            position=position,
            unit="B",
            unit_scale=True,
            leave=position == 0,
            dynamic_ncols=True,
            file=sys.stderr,
        )

    def _show_started(self, mailbox: Mailbox, kind: PassKind) -> None:
        if self._total_bar is None:
            self._total_bar = self._bar("passes: 0 done", 0)
        taken = {bar.pos for bar in self._bars.values()}
        free = next(place for place in range(1, len(taken) + 2) if -place not in taken)
        self._bars[mailbox.address] = self._bar(f"{neutral(mailbox.address)} {kind}", free)
        self._count_passes()

    def _show_counts(self, mailbox: Mailbox, tally: Tally) -> None:
        for bar, counted in ((self._bars.get(mailbox.address), tally), (self._total_bar, self._total)):
            if bar is not None:
                bar.total = max(counted.planned_octets, counted.octets)
                bar.update(counted.octets - bar.n)

    def _show_finished(self, mailbox: Mailbox, report: PassReport) -> None:
        self._close(mailbox)

    def _show_failed(self, mailbox: Mailbox, error: Exception) -> None:
        self._close(mailbox)
        self._show_note(f"{mailbox.address}: {cause(error)}")

    def _show_left(self) -> None:
        if self._total_bar is not None and self._told is not None:  # a bar is falsy while its total is 0
            self._total_bar.set_postfix_str(f"left: {words(self._told)}")

    def _show_note(self, text: str) -> None:
        self._tqdm.write(f"{datetime.now():%H:%M:%S} {neutral_lines(text)}", file=sys.stderr)

    def _close(self, mailbox: Mailbox) -> None:
        if bar := self._bars.pop(mailbox.address, None):
            bar.close()
        self._count_passes()

    def _count_passes(self) -> None:
        failed = f", {self._failed} failed" if self._failed else ""
        if self._total_bar is not None:  # a bar is falsy while its total is 0
            self._total_bar.set_description_str(_padded(f"passes: {self._done} done{failed}"))

    def close(self) -> None:
        with self._lock, suppress(OSError, ValueError):
            for bar in self._bars.values():
                bar.close()
            self._bars.clear()
            if self._total_bar is not None:  # a bar is falsy while its total is 0
                self._total_bar.close()


@contextmanager
def watching(settings: "Settings") -> Iterator[Progress]:
    """The progress that suits: JSON events with JSON output, bars where stderr is a terminal, else lines."""
    kind = Bars if sys.stderr.isatty() else Lines
    watcher = Events() if settings.form in (Format.JSON, Format.JSONL) else kind()
    try:
        yield watcher
    finally:
        watcher.close()


def _seconds(left: Estimate | None) -> dict[str, float | None]:
    """For JSON: seconds, with the bounds."""
    times = (left.likely, left.low, left.high) if left else (None, None, None)
    names = ("seconds_left", "seconds_left_low", "seconds_left_high")
    return {name: None if at is None else round(at.total_seconds()) for name, at in zip(names, times, strict=True)}


def _padded(name: str) -> str:
    return name[:32].ljust(32)


def cause(error: Exception) -> str:
    """Why a pass ended early. A stop that the operator asked for is no failure."""
    return str(error) if isinstance(error, Stopped) else f"failed: {error}"


def summary(report: PassReport) -> str:
    """One line on a pass: what is zero and unremarkable is left out."""
    counts = {
        "present": report.present,
        "skipped": report.skipped,
        "failed": report.failed,
        "flags changed": report.flags_changed,
        "removed": report.removed,
        "UNACCOUNTED": report.unaccounted,
    }
    parts = [f"{report.copied:,} copied ({size(report.octets)})"]
    parts += [f"{count:,} {name}" for name, count in counts.items() if count]
    parts += [f"{len(report.warnings)} warnings"] if report.warnings else []
    return f"{report.kind} pass: " + ", ".join(parts)
