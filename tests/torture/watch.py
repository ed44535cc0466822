"""Reading what a run says while it runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

POLL = 0.02  # seconds


@dataclass
class Watch:
    """The lines of a run's output with the moment when each was seen; calls `then` at the first that has `text`."""

    path: Path
    text: str = ""
    then: Callable[[], None] | None = None
    lines: list[tuple[float, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.path.unlink(missing_ok=True)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._stop.set()
        self._thread.join()

    def _follow(self) -> None:
        read, last = 0, False
        while not last:
            last = self._stop.wait(POLL)
            if not self.path.exists():
                continue
            with self.path.open("rb") as file:
                file.seek(read)
                fresh, _, _ = file.read().rpartition(b"\n")
            read += len(fresh) + bool(fresh)
            for line in fresh.decode("utf-8", "replace").splitlines():
                self.lines.append((time.time(), line))
                if self.then and self.text and self.text in line:
                    self.then()
                    self.then = None

    def seconds(self, begin: str) -> float:
        """From the first line with `begin` to the next line that is another step's."""
        moments = [moment for moment, line in self.lines if begin in line or "->" in line or "pass over" in line]
        first = next((moment for moment, line in self.lines if begin in line), None)
        after = [moment for moment in moments if first is not None and moment > first]
        return after[0] - first if first is not None and after else 0.0
