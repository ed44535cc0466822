"""Before a flip: every way of mail after it, followed through all places. A loop found here costs no mail."""

from collections.abc import Mapping

from migrator.model.mailbox import Mailbox
from migrator.model.names import Address, Nexthop, ServerName
from migrator.model.wave import OUTSIDE_CUTOVER, WaveState
from migrator.waves.decisions import standing
from migrator.waves.operation import Operation
from migrator.waves.places import Place
from migrator.waves.ways import Endpoint, Stop, astray, follow

OTHERS = 1000  # mailboxes outside the wave that are looked at; more are sampled evenly


def wrong_ways(op: Operation) -> tuple[list[str], int]:
    """Each way, in words, that would loop or end on the wrong server after the flip; and how many were followed.

    The wave's mailboxes are taken as flipped; others of the workspace as they are, so that the new server is seen to
    hand on mail for those who have not moved.
    """
    home = _home(op)
    stops = [_stop(op, place, home) for place in op.places if place.routing.carries_mail]
    ways = [follow(address, stop, stops) for stop in stops for address in stop.routes]
    return [str(way) for way in astray(ways, home)], len(ways)


def _home(op: Operation) -> dict[Address, ServerName]:
    """Where mail must end after the flip: the wave's mailboxes on their target, others where their wave has them now.

    Mailboxes of a wave that is between the two are left out.
    """
    moving = {mailbox.address for mailbox in op.mailboxes}
    states = standing(op.store.waves.all())
    others = [mailbox for mailbox in op.workspace.mailboxes.values() if mailbox.address not in moving]
    step = -(-len(others) // OTHERS) or 1
    home = {mailbox.address: mailbox.target for mailbox in op.mailboxes}
    for mailbox in others[::step]:
        state = states.get(mailbox.address, WaveState.PLANNED)
        if state is WaveState.COMPLETED or state in OUTSIDE_CUTOVER:
            home[mailbox.address] = mailbox.target if state is WaveState.COMPLETED else mailbox.source
    return home


def _stop(op: Operation, place: Place, home: Mapping[Address, ServerName]) -> Stop:
    moving = {mailbox.address: mailbox for mailbox in op.mailboxes}
    found = place.routing.read(place.serves([address for address in home if address not in moving]))
    flipped = place.nexthops({mailbox: mailbox.target for mailbox in op.mailboxes})
    means = {address: _means(place, op.workspace.mailboxes[address]) for address in home}
    return Stop(place.name, _listens(op, place), place.entry.at, {**found, **flipped}, means)


def _means(place: Place, mailbox: Mailbox) -> Mapping[ServerName, Nexthop | None]:
    return {server: place.nexthop(mailbox.address, server) for server in place.entry.nexthop}


def _listens(op: Operation, place: Place) -> frozenset[Endpoint]:
    """Where mail comes in here: the entry's own SMTP, and that of the server whose mail system it is."""
    found = [place.entry.smtp_endpoint]
    if place.entry.at is not None and (smtp := op.workspace.server(place.entry.at).smtp):
        found.append(smtp.endpoint)
    return frozenset((one.host.lower(), one.port) for one in found if one is not None)
