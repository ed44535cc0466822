"""What an operator may decide about a single mailbox, and when it is too late."""

from migrator.model.errors import GateRefused
from migrator.model.names import Address
from migrator.model.wave import OUTSIDE_CUTOVER
from migrator.state import Store


def refuse_in_cutover(store: Store, address: Address) -> None:
    """GateRefused when the mailbox's wave is between its freeze and its rollback: its routes move as one."""
    for record in store.waves.all():
        if address in record.mailboxes and record.state not in OUTSIDE_CUTOVER:
            raise GateRefused(
                f"{address} belongs to wave {record.name}, which is {record.state}: its mailboxes move as one",
                remedy=f"Roll the wave back first (`migrator wave rollback {record.name}`), then decide.",
            )
