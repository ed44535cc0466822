"""The way back: freeze, drain, carry the new mail back, flip every place back, release, prove.

Nothing is deleted on the target. Each step may be entered again.
"""

from collections.abc import Collection

from migrator.model.names import Address
from migrator.model.wave import PassKind, WaveEvent
from migrator.waves.cutover import before_deadline, flush, wait_for_queues
from migrator.waves.flips import frozen, home, originals, restore, to_server
from migrator.waves.operation import Operation
from migrator.waves.passes import catch_up_until_quiet, most_of_it, one_round
from migrator.waves.proof import prove_return, refuse_unproven, tidy_after_return


def refuse_apart(op: Operation, chosen: Collection[Address]) -> None:
    """Raise what a place raises that cannot take back the routes of `chosen` alone (an MX record, say), or not now."""
    for place in op.places:
        found = originals(op, place)
        place.routing.plan({address: value for address, value in found.items() if address in chosen})


def freeze_and_drain(op: Operation) -> WaveEvent:
    """Carry most of the mail back, then hold the rest and wait until nothing is being delivered to the target."""
    op.progress.note(f"rollback: {most_of_it(op, PassKind.REVERSE)} messages carried back")
    op.post_guard()
    restore(op, "freeze for rollback", frozen, op.places)
    wait_for_queues(op)
    return WaveEvent.DONE


def let_go(op: Operation) -> None:
    """The way back cannot go on now: no mail is left waiting, it goes on to the target until the next attempt (I8)."""
    try:
        restore(op, "let go", to_server, op.places)
    finally:
        flush(op)


def is_let_go(op: Operation) -> bool:
    """Whether every place sends all mail to the target: nothing of this way back waits anywhere."""
    return not any(place.routing.plan(to_server(op, place)).changes for place in op.places)


def reverse_pass(op: Operation) -> WaveEvent:
    """Carry back what came since, while the rest is held back; not beyond the freeze's deadline (I8).

    One round: nothing more comes, and what a place that cannot hold lets through is carried after the flip back.
    """
    before_deadline(op, _carry_back)
    return WaveEvent.DONE


def _carry_back(op: Operation) -> None:
    op.progress.note(f"rollback: {one_round(op, PassKind.REVERSE).copied} messages carried back")


def flip_back(op: Operation) -> WaveEvent:
    """Every place as it was found before the cutover, in the reverse order: the flip that came last goes first.

    Raises RouteConflict, after all that is ours is back, for the entries that somebody else has changed.
    """
    if conflicts := restore(op, "flip back", home, reversed(op.places)):
        raise conflicts[0]
    return WaveEvent.DONE


def release_back(op: Operation) -> WaveEvent:
    """Let the held mail go to the source; then carry back what reached the target in between, until it is quiet."""
    flush(op)
    wait_for_queues(op)
    op.progress.note(f"rollback: {catch_up_until_quiet(op, PassKind.REVERSE)} late messages carried back")
    return WaveEvent.DONE


def verify_back(op: Operation) -> WaveEvent:
    """Prove by canaries that delivery goes to the source, and only there; then none is left on either server."""
    refuse_unproven(op, prove_return(op, since=op.record().since))
    if removed := tidy_after_return(op):
        op.progress.note(f"rollback: {removed} canaries of the cutover removed")
    return WaveEvent.DONE
