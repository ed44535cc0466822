"""Which way messages are put down."""

from collections.abc import Sequence

from migrator.copier.direct import DirectTransfer
from migrator.copier.lanes import Lane
from migrator.copier.plan import Batch
from migrator.copier.staged import StagedTransfer
from migrator.copier.work import FolderWork, Pass


def transfer(shared: Pass, lane: Lane, work: FolderWork, batches: Sequence[Batch]) -> None:
    """Copy `batches`; the origin's folder is selected. Staged after the cutover, where the server can MOVE."""
    if shared.job.staged and work.mover(lane).has("MOVE"):
        StagedTransfer(shared, lane, work).run(batches)
        return
    if shared.job.staged:
        shared.tally.warn(
            f"{work.destination_name}: the server has no MOVE: appended directly; "
            "should this run be killed, a late append may show as a second copy"
        )
    DirectTransfer(shared, lane, work).run(batches)
