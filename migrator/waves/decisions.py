"""What an operator may decide about a single mailbox, and when it is too late."""

from migrator.model.errors import GateRefused
from migrator.model.names import Address
from migrator.model.wave import WaveState
from migrator.state import Store

OPEN = frozenset(
    {WaveState.PLANNED, WaveState.SYNCING, WaveState.SYNCED, WaveState.CUTOVER_READY, WaveState.ROLLED_BACK}
)


def refuse_in_cutover(store: Store, address: Address) -> None:
    """GateRefused when the mailbox's wave is between its freeze and its rollback: its routes move as one."""
    for record in store.waves.all():
        if address in record.mailboxes and record.state not in OPEN:
            raise GateRefused(
                f"{address} belongs to wave {record.name}, which is {record.state}: its mailboxes move as one",
                remedy=f"Roll the wave back first (`migrator wave rollback {record.name}`), then decide.",
            )
