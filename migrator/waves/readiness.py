"""Places whose old answers live on elsewhere for a while: their time to live is lowered ahead of a flip."""

from datetime import datetime

from migrator.model.errors import MigratorError
from migrator.model.names import Ingress
from migrator.routing import Prepared
from migrator.waves.operation import Operation


def prepare_places(op: Operation) -> dict[Ingress, datetime]:
    """Lower what can be lowered, and for each such place when the old answers are gone (aware, UTC). Repeatable."""
    return {
        place.name: place.routing.prepare(place.serves(op.addresses))
        for place in op.places
        if isinstance(place.routing, Prepared)
    }


def finish_places(op: Operation) -> None:
    """Put it back as it was. Where that fails it is told, no more: it costs queries, no mail; the next run tries it."""
    for place in op.places:
        if isinstance(place.routing, Prepared):
            try:
                place.routing.finish(place.serves(op.addresses))
            except MigratorError as error:
                op.progress.note(f"{place.name}: the time to live stays lowered: {error.in_full}")
