"""Source folders that go nowhere: their messages are counted all the same (I3)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from migrator.copier.lanes import Lane
from migrator.copier.work import Pass
from migrator.imap.errors import CommandRefused
from migrator.model.message import Meant, MessageMeta, Outcome
from migrator.model.names import FolderName
from migrator.state.records import FolderRecord, LedgerRow

NOWHERE = FolderName("")


@dataclass(frozen=True)
class LeftOutFolder:
    """Writes off every message of a folder that the operator skips, or whose target folder cannot be made."""

    shared: Pass
    record: FolderRecord
    outcome: Outcome
    reason: str

    def __call__(self, lane: Lane) -> None:
        """Every message without a row gets one; the next pass tries again what failed."""
        self.shared.lanes.checkpoint()
        ledger, lease = self.shared.job.ledger, self.shared.job.lease
        record = self.record
        try:
            selected = lane.examine(record.source_name)
        except CommandRefused as error:
            return self.shared.unreadable(record.source_name, error)
        if record.id and record.source_uidvalidity != selected.uidvalidity:
            ledger.drop_folder(record.id, lease)
            record = replace(record, id=0, source_uidnext=0)
        record = ledger.put_folder(replace(record, source_uidvalidity=selected.uidvalidity, gone=False), lease)
        rows = self._rows(lane, record)
        ledger.commit(lease, rows=[(record.id, row) for row in rows])
        self.shared.tally.settled(rows)
        ledger.put_folder(replace(record, source_uidnext=selected.uidnext, source_messages=selected.exists), lease)
        self.shared.tally.folder(selected.exists)

    def _rows(self, lane: Lane, record: FolderRecord) -> list[LedgerRow]:
        settled = {
            row.source_uid for row in self.shared.job.ledger.rows(record.id) if row.outcome is not Outcome.FAILED
        }
        present = lane.source.scan("1:*")
        gone = settled - {message.uid for message in present}
        self.shared.job.ledger.mark_gone(record.id, sorted(gone), self.shared.job.lease)
        return [self._row(message) for message in present if message.uid not in settled]

    def _row(self, message: MessageMeta) -> LedgerRow:
        return LedgerRow(message.uid, None, self.outcome, message.flags, b"", self.reason, message.size)


def skipped(shared: Pass, record: FolderRecord) -> LeftOutFolder:
    """Left out by the operator's wish."""
    return LeftOutFolder(shared, replace(record, target_name=NOWHERE), Outcome.SKIPPED, Meant.FOLDER)


def refused(shared: Pass, record: FolderRecord, why: str) -> LeftOutFolder:
    """Left out because there can be no such folder: its messages are failures until the operator maps it elsewhere."""
    shared.tally.warn(f"folder {record.source_name!r} refused: {why}")
    return LeftOutFolder(shared, replace(record, target_name=NOWHERE), Outcome.FAILED, f"folder-refused: {why}")


def known_places(records: Sequence[FolderRecord]) -> dict[FolderName, FolderName]:
    """Where earlier passes copied each source folder."""
    return {record.source_name: record.target_name for record in records if record.target_name != NOWHERE}
