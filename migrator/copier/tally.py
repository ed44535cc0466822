"""What a pass did, counted from all its lanes."""

import threading
from collections.abc import Iterable

from migrator.copier.job import CopyJob
from migrator.model.message import Outcome
from migrator.model.progress import PassReport
from migrator.state.records import LedgerRow


class Tally:
    """Counts of one pass; each call may come from any lane."""

    def __init__(self, job: CopyJob) -> None:
        self._job = job
        self._lock = threading.Lock()
        self._outcomes = dict.fromkeys(Outcome, 0)
        self._octets = self._flags = self._removed = self._messages = self._unaccounted = 0
        self._warnings: dict[str, None] = {}
        self.behind: int | None = None  # messages that have arrived on the source meanwhile

    def settled(self, rows: Iterable[LedgerRow]) -> None:
        """These rows are in the ledger; what was copied is told to the operator."""
        with self._lock:
            copied = octets = 0
            for row in rows:
                self._outcomes[row.outcome] += 1
                if row.outcome is Outcome.COPIED:
                    copied, octets = copied + 1, octets + row.size
            self._octets += octets
        if copied:
            self._job.progress.copied(self._job.mailbox, copied, octets)

    def flags_changed(self, messages: int) -> None:
        with self._lock:
            self._flags += messages

    def removed(self, messages: int) -> None:
        """So many messages that had gone from the source were removed from the target."""
        with self._lock:
            self._removed += messages

    def folder(self, messages: int, unaccounted: int = 0) -> None:
        """A source folder holds `messages`, of which `unaccounted` have no outcome (I3)."""
        with self._lock:
            self._messages += messages
            self._unaccounted += unaccounted

    def warn(self, text: str) -> None:
        """Something for the report that does not stop the pass; said once."""
        with self._lock:
            fresh = text not in self._warnings
            self._warnings[text] = None
        if fresh:
            self._job.progress.note(f"{self._job.mailbox.address}: {text}")

    def report(self) -> PassReport:
        """The pass's report: outcomes and octets of this pass, source_messages and unaccounted of the whole mailbox."""
        with self._lock:
            return PassReport(
                kind=self._job.kind,
                copied=self._outcomes[Outcome.COPIED],
                present=self._outcomes[Outcome.PRESENT],
                skipped=self._outcomes[Outcome.SKIPPED],
                failed=self._outcomes[Outcome.FAILED],
                flags_changed=self._flags,
                removed=self._removed,
                octets=self._octets,
                source_messages=self._messages,
                unaccounted=self._unaccounted,
                behind=self.behind,
                warnings=tuple(self._warnings),
            )
