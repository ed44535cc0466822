"""What is wrong with the places that route, and where mail would go in circles."""

from collections import defaultdict
from collections.abc import Iterator

from migrator.model.errors import MigratorError
from migrator.waves.doctor.diagnosis import Diagnosis, error, met
from migrator.waves.gates.routes import wrong_at
from migrator.waves.loops import wrong_ways
from migrator.waves.operation import Operation

SHOWN = 5  # addresses by name that go the same wrong way


def places(op: Operation) -> Iterator[Diagnosis]:
    """Places that say something else than they must today, or that would refuse a flip."""
    if not op.places:
        text = "there is no `routing:`: nothing would be flipped, and no mail would follow the wave"
        yield error("routes", "migrator.yaml", text, "Add the places that route mail: see docs/routing-*.md.")
    for place in op.places:
        for text in wrong_at(op, place):
            remedy = "Compare with `migrator route show`; correct the entry there, or `nexthop:` in migrator.yaml."
            yield error("routes", place.name, text, remedy)


def loops(op: Operation) -> Iterator[Diagnosis]:
    """Ways of mail that would not end where they must after the flip: those of one shape are one."""
    try:
        wrong, _ = wrong_ways(op)
    except MigratorError as stopped:
        yield met("loops", op.wave.name, stopped)
        return
    shapes: dict[str, list[str]] = defaultdict(list)
    for way in wrong:
        address, _, shape = way.partition(": ")
        shapes[shape].append(address)
    for shape, addresses in shapes.items():
        more = f", and {len(addresses) - SHOWN} more" if len(addresses) > SHOWN else ""
        text = f"after the flip mail for {', '.join(addresses[:SHOWN])}{more} goes by {shape}"
        yield error(
            "loops", shape.partition(" > ")[0].partition(" ends")[0], text,
            "The old server must hand on mail of those who have moved, the new one of those who have not, and neither "
            "to a place that sends it back: correct the entries, or `nexthop:` and `at:` in migrator.yaml.",
        )  # fmt: skip
