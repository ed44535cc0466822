"""A proof of delivery by hand: to one mailbox, at any time, whoever else is at work on its wave."""

from collections.abc import Collection

from migrator.delivery import Proof
from migrator.model.mailbox import Mailbox
from migrator.model.names import Ingress, WaveName
from migrator.model.wave import MAY_HOLD, MOVED, RETURNED, Wave, WaveState
from migrator.state import Store
from migrator.waves.operation import Operation
from migrator.waves.proof import Side, prove_by_hand, tidy_probes
from migrator.waves.whereabouts import states


def probe_wave(mailbox: Mailbox) -> Wave:
    """What stands for a wave while a mailbox is probed: a name of its own, so that its wave's run is not in the way."""
    return Wave(WaveName(f"probe {mailbox.address}"), (mailbox.department,), mailbox.target, (mailbox.address,))


def expected_side(store: Store, mailbox: Mailbox) -> tuple[Side, WaveState]:
    """Where mail for `mailbox` must arrive now, and the state of its wave, which says so."""
    state = states(store).get(mailbox.address, WaveState.PLANNED)
    return ("target" if state in MOVED else "source"), state


def probe(op: Operation, through: Collection[Ingress] = ()) -> Proof:
    """Send a canary through each ingress, and look where it arrives. `op` is that of a `probe_wave`.

    It is removed afterwards where that may be, with what killed probes have left there: on the target once mail goes
    there, on the source after a rollback. On a source whose mailbox has not moved it stays, as the gate's does (I1).
    """
    (mailbox,) = op.mailboxes
    side, state = expected_side(op.store, mailbox)
    if state in MAY_HOLD:
        op.progress.note(f"its wave is {state}: mail may wait, or arrive on either server")
    remove = side == "target" or state in RETURNED
    if remove:
        tidy_probes(op, mailbox.target if side == "target" else mailbox.source)
    else:
        op.progress.note(f"{mailbox.address} has not moved: the test messages stay in its old mailbox")
    return prove_by_hand(op, side, through, remove=remove)
