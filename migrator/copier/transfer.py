"""Which way messages are put down."""

from collections.abc import Sequence

from migrator.copier.direct import DirectTransfer, Supply
from migrator.copier.lanes import Lane
from migrator.copier.plan import Batch
from migrator.copier.staged import StagedTransfer
from migrator.copier.stream import Parcel
from migrator.copier.work import FolderWork, Pass


def transfer(shared: Pass, lane: Lane, work: FolderWork, batches: Sequence[Batch], supply: Supply = tuple) -> None:
    """Copy `batches`: staged after the cutover, where the server can MOVE, else in one stream with what `supply` gives.

    To be staged, they are of the folder that is open on the origin.
    """
    if shared.job.staged and work.mover(lane).has("MOVE"):
        StagedTransfer(shared, lane, work).run(batches)
        return
    if shared.job.staged:
        shared.tally.warn(
            "the receiving server has no MOVE: messages are appended directly; "
            "should this run be killed, a late append may show as a second copy"
        )
    DirectTransfer(shared, lane, work).run([Parcel(work, batch) for batch in batches], supply)
