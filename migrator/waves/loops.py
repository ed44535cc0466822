"""Before a flip: every way of mail after it, followed through all places. A loop found here costs no mail."""

from collections.abc import Mapping

from migrator.model.errors import Refused
from migrator.model.mailbox import Mailbox
from migrator.model.names import Address, Nexthop, ServerName
from migrator.model.wave import OUTSIDE_CUTOVER, WaveState
from migrator.waves.operation import Operation
from migrator.waves.places import Place
from migrator.waves.ways import Endpoint, Stop, astray, follow
from migrator.waves.whereabouts import states

OTHERS = 1000  # mailboxes outside the wave that are looked at; more are sampled evenly
ODD = 20  # of them that a place may say nothing of; with more, something is wrong with the place
SHOWN = 5  # of these by name


def wrong_ways(op: Operation) -> tuple[list[str], int]:
    """Each way, in words, that would loop or end on the wrong server after the flip; and how many were followed.

    The wave's mailboxes are taken as flipped; others of the workspace as they are, so that the new server is seen to
    hand on mail for those who have not moved.
    """
    home, carriers = _home(op), [place for place in op.places if place.routing.carries_mail]
    found = {place.name: _others(op, place, home) for place in carriers}
    stops = [_stop(op, place, found[place.name], home) for place in carriers]
    ways = [follow(address, stop, stops) for stop in stops for address in stop.routes]
    return [str(way) for way in astray(ways, home)], len(ways)


def _home(op: Operation) -> dict[Address, ServerName]:
    """Where mail must end after the flip: the wave's mailboxes on their target, others where their wave has them now.

    Mailboxes of a wave that is between the two are left out.
    """
    moving, known = set(op.addresses), states(op.store)
    others = [mailbox for mailbox in op.workspace.mailboxes.values() if mailbox.address not in moving]
    step = -(-len(others) // OTHERS) or 1
    home = {mailbox.address: mailbox.target for mailbox in op.mailboxes}
    for mailbox in others[::step]:
        state = known.get(mailbox.address, WaveState.PLANNED)
        if state is WaveState.COMPLETED or state in OUTSIDE_CUTOVER:
            home[mailbox.address] = mailbox.target if state is WaveState.COMPLETED else mailbox.source
    return home


def _others(op: Operation, place: Place, home: dict[Address, ServerName]) -> Mapping[Address, Nexthop | None]:
    """What `place` says of those outside the wave. Whom it cannot say anything of is told, and goes out of `home`:
    a stranger's entry that is missing or odd is no reason to keep this wave back."""
    moving = set(op.addresses)
    others = place.serves([address for address in home if address not in moving])
    found, odd = _read(place, others, ODD)
    for address in odd:
        del home[address]
    if odd:
        some = ", ".join(sorted(odd)[:SHOWN]) + (", ..." if len(odd) > SHOWN else "")
        op.progress.note(f"{place.name}: the ways of {len(odd)} others are not followed, it cannot be read: {some}")
    return found


def _read(place: Place, addresses: list[Address], most: int) -> tuple[dict[Address, Nexthop | None], list[Address]]:
    """What can be read, and of whom nothing can. Raises when that is more than `most`, or the place does not answer."""
    try:
        return dict(place.routing.read(addresses)), []
    except Refused:
        if not most:
            raise
        if len(addresses) <= 1:
            return {}, addresses
    half = len(addresses) // 2
    found, odd = _read(place, addresses[:half], most)
    more, odder = _read(place, addresses[half:], most - len(odd))
    return found | more, odd + odder


def _stop(
    op: Operation, place: Place, found: Mapping[Address, Nexthop | None], home: Mapping[Address, ServerName]
) -> Stop:
    found = {address: value for address, value in found.items() if address in home}
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
