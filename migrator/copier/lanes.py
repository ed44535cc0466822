"""Lanes: threads that share a pass's work, each with connections of its own."""

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from migrator.copier.job import CopyJob, Side
from migrator.imap import Selected, Session
from migrator.model.names import FolderName

ENOUGH = 16 * 1024 * 1024  # octets of waiting work for which one more lane pays: it has to log in twice


class Lane:
    """One thread's connections, opened when first asked for. `mover` is a second one on the receiving side."""

    def __init__(self, job: CopyJob) -> None:
        self._job = job
        self._open: dict[str, Session] = {}

    @property
    def source(self) -> Session:
        return self._session("source", "source")

    @property
    def target(self) -> Session:
        return self._session("target", "target")

    def examine(self, name: FolderName, again: bool = True) -> Selected:
        """EXAMINE a source folder; unless `again`, only if it is not the one that this lane has open."""
        opened = self.source.opened
        if again or opened is None or opened[0] != name:
            return self.source.examine(name)
        return opened[1]

    @property
    def connected(self) -> bool:
        """Whether it has any connection already."""
        return bool(self._open)

    def mover(self, side: Side) -> Session:
        """Moves what has been staged: an APPEND and a MOVE in one session do not see each other (measured)."""
        return self._session(f"mover-{side}", side)

    def open_both(self) -> None:
        """Connect to both sides at once, where neither is open: both are going to be needed."""
        if "source" in self._open or "target" in self._open:
            return
        with ThreadPoolExecutor(1, "dial") as helper:
            source = helper.submit(self._session, "source", "source")
            self._session("target", "target")
            source.result()

    def farewell(self) -> None:
        """Say LOGOUT to all, and do not wait; then `close`."""
        for session in self._open.values():
            session.farewell()

    def close(self) -> None:
        """Log out of all."""
        self.farewell()
        for session in self._open.values():
            session.close()

    def abort(self) -> None:
        """Drop all: nothing half-sent may become a message."""
        for session in self._open.values():
            session.abort()

    def _session(self, name: str, side: Side) -> Session:
        if name not in self._open:
            self._open[name] = self._job.connect(side)
        return self._open[name]


Work = Callable[[Lane], None]
W = TypeVar("W")


class Lanes:
    """A queue of work and the lanes that do it. The first error ends all of them and is raised by `run`.

    The first lane is the caller's thread; another one begins when ENOUGH waits. Work may add work. A lane that waits
    for the network notices an error of another lane at its next checkpoint, at the latest after its own timeout.
    """

    def __init__(self, job: CopyJob) -> None:
        self._job = job
        self.first = Lane(job)
        self._queue: deque[tuple[Work, int]] = deque()
        self._next_up: deque[tuple[Work, int]] = deque()
        self._octets = 0  # of both
        self._changed = threading.Condition()
        self._busy = 0
        self.error: BaseException | None = None

    def add(self, work: Work, next_up: bool = False, octets: int = ENOUGH) -> None:
        """Queue `work` on so many octets; what is `next_up` before all that is not."""
        with self._changed:
            (self._next_up if next_up else self._queue).append((work, octets))
            self._octets += octets
            self._changed.notify_all()

    def take_if(self, kind: type[W]) -> W | None:
        """The next work, if it is of this kind: for a lane that can begin it before it has ended what it is at."""
        with self._changed:
            if self.error is None and self._next_up and isinstance(self._next_up[0][0], kind):
                return self._pop()  # type: ignore[return-value]
            return None

    def fail(self, error: BaseException) -> None:
        """End all lanes at their next checkpoint with `error`; the first one counts."""
        with self._changed:
            self.error = self.error or error
            self._changed.notify_all()

    def checkpoint(self) -> None:
        """Stop here if the operator said so, or something else failed (LaneStopped; `error` is what)."""
        self._job.checkpoint()
        if self.error is not None:
            raise LaneStopped

    def run(self, most: int) -> None:
        """Do all queued work with up to `most` lanes; returns when it is done, or raises the first error."""
        others = [threading.Thread(target=self._extra_lane, name=f"lane-{n}") for n in range(2, most + 1)]
        for thread in others:
            thread.start()
        self._work(self.first)
        for thread in others:
            thread.join()
        if self.error is not None:
            raise self.error

    def _extra_lane(self) -> None:
        lane = Lane(self._job)
        self._work(lane)
        (lane.close if self.error is None else lane.abort)()

    def _work(self, lane: Lane) -> None:
        while (work := self._take(lane)) is not None:
            try:
                work(lane)
            except BaseException as error:
                self.fail(error)
            finally:
                self._done()

    def _take(self, lane: Lane) -> Work | None:
        with self._changed:
            self._changed.wait_for(lambda: self._has_work(lane) or not self._busy or self.error is not None)
            if self.error is not None or not self._has_work(lane):
                return None
            self._busy += 1
            return self._pop()

    def _pop(self) -> Work:
        work, octets = (self._next_up or self._queue).popleft()
        self._octets -= octets
        return work

    def _has_work(self, lane: Lane) -> bool:
        if not (self._next_up or self._queue):
            return False
        return lane is self.first or lane.connected or self._octets >= ENOUGH

    def _done(self) -> None:
        with self._changed:
            self._busy -= 1
            self._changed.notify_all()


class LaneStopped(Exception):
    """Another lane failed; its error is the pass's."""
