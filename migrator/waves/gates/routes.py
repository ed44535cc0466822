"""Gates that look at where mail goes: today's routes, those after the flip, and how soon a flip is in force."""

from collections.abc import Iterator
from datetime import UTC, datetime

from migrator.model.canary import CanaryState
from migrator.model.errors import MigratorError
from migrator.routing import Severity, shown
from migrator.waves.flips import expected_at_source, observe, to_server
from migrator.waves.gates.result import Seen, listed
from migrator.waves.loops import wrong_ways
from migrator.waves.operation import Operation
from migrator.waves.places import Place
from migrator.waves.proof import prove_present_route
from migrator.waves.readiness import prepare_places


def routes_are_expected(op: Operation) -> Seen:
    """Every place sends every address to its source today, can be written, and would take the flip."""
    wrong = [f"{place.name}: {text}" for place in op.places for text in wrong_at(op, place)]
    return Seen(
        not wrong and bool(op.places),
        listed("routes are not as expected", wrong) if op.places else "no `routing:` in migrator.yaml: nothing to flip",
        "Compare with `migrator route show`; correct the map, or `nexthop:` in migrator.yaml.",
    )


def wrong_at(op: Operation, place: Place) -> Iterator[str]:
    """What is wrong at one place; where it does not answer, that, and the others are looked at all the same."""
    try:
        found, expected = observe(op, place), expected_at_source(op, place)
        for address in sorted(address for address in found if found[address] != expected[address]):
            yield f"{address} is {shown(found[address])}, expected {shown(expected[address])}"
        for finding in place.routing.check():
            if finding.severity is Severity.ERROR:
                yield finding.text
            else:
                op.progress.note(f"{place.name}: warning: {finding.text.rstrip('.')}. {finding.remedy}")
        # The flip could be refused though all is as expected: an entry that is doubled, or that only people make.
        place.routing.plan(to_server(op, place))
    except MigratorError as error:
        yield error.in_full


def nothing_loops(op: Operation) -> Seen:
    """After the flip, mail of the wave's people ends on the target by every way in, and everyone else's where it is."""
    wrong, looked_at = wrong_ways(op)
    return Seen(
        not wrong,
        f"{looked_at} ways followed; " + listed("would not end where they must after the flip", wrong),
        "The old server must hand on mail of those who have moved, the new one of those who have not, and neither to "
        "a place that sends it back: correct the entries, or `nexthop:` and `at:` in migrator.yaml.",
    )


def old_answers_are_gone(op: Operation) -> Seen:
    """A flip is in force soon: what caches elsewhere may keep has a short time to live by now."""
    due = prepare_places(op)
    late = [f"{name}: until {when:%Y-%m-%d %H:%M:%S} UTC" for name, when in due.items() if when > datetime.now(UTC)]
    text = listed("places whose old time to live has not run out", late)
    return Seen(not late, text, "It has been lowered: wait until then, `wave run` does so by itself.")


def canaries_arrive(op: Operation) -> Seen:
    """One canary through each ingress by today's route; it stays on the source, which is never written (I1)."""
    proof = prove_present_route(op)
    lost = [f"{c.ingress}: {c.state}, {c.detail}" for c in proof.canaries if c.state is not CanaryState.PROVEN]
    text = f"{proof.found} of {len(proof.canaries)} arrived by today's route" + "".join(f"; {one}" for one in lost)
    remedy = "Mend today's delivery first: the queue and the log of that ingress say why."
    return Seen(proof.proven, text, remedy)
