"""What an operator may decide about a single mailbox, and when it is too late."""

from collections.abc import Iterable

from migrator.model.errors import GateRefused, Locked
from migrator.model.names import Address
from migrator.model.wave import OUTSIDE_CUTOVER, Wave, WaveState
from migrator.state import Store
from migrator.state.records import WaveRecord

_FIRST = WaveState.PLANNED
AT_THE_GATES = frozenset({WaveState.SYNCED, WaveState.CUTOVER_READY})


def refuse_in_cutover(store: Store, address: Address) -> None:
    """GateRefused when the mailbox's wave is between its freeze and its rollback: its routes move as one.

    Locked when a run is at the wave's gates: it would freeze other mailboxes than those it has looked at.
    """
    for record in store.waves.all():
        if address in record.mailboxes and record.state in AT_THE_GATES and store.leases.holder(f"wave:{record.name}"):
            raise Locked(
                f"{address} belongs to wave {record.name}, of which a run is at the gates of the cutover just now",
                remedy="Say no to its question, or stop it (Ctrl-C); then decide, and run it again.",
            )
        if address in record.mailboxes and record.state not in OUTSIDE_CUTOVER:
            raise GateRefused(
                f"{address} belongs to wave {record.name}, which is {record.state}: its mailboxes move as one",
                remedy=f"Roll the wave back first (`migrator wave rollback {record.name}`), then decide.",
            )


def refuse_taken(store: Store, wave: Wave) -> None:
    """GateRefused when a mailbox of `wave` is in another one that is in its cutover, or on the target already."""
    for record in store.waves.all():
        taken = sorted(set(record.mailboxes) & set(wave.mailboxes))
        if taken and record.name != wave.name and record.state not in OUTSIDE_CUTOVER:
            raise GateRefused(
                f"{taken[0]} of wave {wave.name} belongs to wave {record.name}, which is {record.state}"
                + (f"; so do {len(taken) - 1} more" if len(taken) > 1 else ""),
                remedy=f"Take it out of waves/{wave.name}.yaml and put it back into waves/{record.name}.yaml; "
                f"or first roll {record.name} back.",
            )


def standing(records: Iterable[WaveRecord]) -> dict[Address, WaveState]:
    """The state of each mailbox's wave; of several, that of the one which has it in its cutover or on the target, then
    of one that was rolled back or copies. A part of a wave and a wave that is planned may both have it."""
    ranked = sorted(records, key=lambda record: (record.state not in OUTSIDE_CUTOVER, record.state is not _FIRST))
    return {address: record.state for record in ranked for address in record.mailboxes}
