"""Where a mailbox is, by the waves that know it."""

from migrator.model.names import Address
from migrator.model.wave import OUTSIDE_CUTOVER, WaveState
from migrator.state import Store
from migrator.state.records import WaveRecord


def states(store: Store) -> dict[Address, WaveState]:
    """The state of each mailbox that a wave knows. One that has gone from wave to wave is where the wave is that has
    moved it, or is moving it (there is one at most: `refuse_taken`); else where the last that was at work left it.
    """
    return {address: record.state for record in sorted(store.waves.all(), key=_weight) for address in record.mailboxes}


def _weight(record: WaveRecord) -> tuple[bool, bool, float]:
    return (
        record.state not in OUTSIDE_CUTOVER,
        record.state is not WaveState.PLANNED,
        record.since.timestamp(),
    )
