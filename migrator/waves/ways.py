"""Where mail goes from a way in, hop by hop, by what the places say. Pure: the routes come in as values."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from migrator.model.names import Address, Ingress, Nexthop, ServerName

_BRACKETED = re.compile(r"\[([^\]\s]+)\](?::(\d+|\w+))?")
_PLAIN = re.compile(r"(?:^|[:\s])([A-Za-z0-9][A-Za-z0-9.-]*\.[A-Za-z0-9-]+)\.?(?::(\d+|\w+))?\s*$")
_PORTS = {"smtp": 25, "submission": 587, "lmtp": 24}
SMTP_PORT = 25

Endpoint = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Stop:
    """A place on the way: where it takes mail in, the server whose own it is, and what it says for each server."""

    name: Ingress
    listens: frozenset[Endpoint]
    at: ServerName | None
    routes: Mapping[Address, Nexthop | None]
    means: Mapping[Address, Mapping[ServerName, Nexthop | None]]


@dataclass(frozen=True, slots=True)
class Way:
    """The places that mail for `address` passes, in order, and the server where it ends.

    `ends` None: it comes back to a place where it was already (`loops`), or goes where nobody here knows (`lost`).
    """

    address: Address
    through: tuple[Ingress, ...]
    ends: ServerName | None
    loops: bool = False
    unknown: Nexthop | None = None

    def __str__(self) -> str:
        end = (
            "in a loop" if self.loops else f"at {self.ends}" if self.ends else f"at {self.unknown or '(nowhere known)'}"
        )
        return f"{self.address}: {' > '.join(self.through)} ends {end}"


def destination(nexthop: Nexthop) -> Endpoint | None:
    """Host and port that a routing value names: `smtp:[host]:25`, `lmtp:inet:host:24`, `10 mx.host.`, `host:143`.

    None where it names none (a socket, a transport alone, an address).
    """
    found = _BRACKETED.search(nexthop) or (None if "@" in nexthop else _PLAIN.search(nexthop.split(", ")[0]))
    if found is None:
        return None
    port = found[2] or ""
    default = _PORTS["lmtp"] if nexthop.startswith("lmtp:") else SMTP_PORT
    return found[1].lower().rstrip("."), int(port) if port.isdigit() else _PORTS.get(port, default)


def follow(address: Address, start: Stop, stops: Collection[Stop]) -> Way:
    """The way of mail for `address` that comes in at `start`."""
    through: list[Ingress] = []
    here = start
    while here.name not in through:
        through.append(here.name)
        value = here.routes[address]
        onward = destination(value) if value is not None else None
        following = next((stop for stop in stops if onward in stop.listens), None) if onward else None
        if following is None:
            return Way(address, tuple(through), _server(here, address, value), unknown=value)
        if address not in following.routes:
            return Way(address, (*through, following.name), following.at)
        here = following
    return Way(address, (*through, here.name), None, loops=True)


def _server(stop: Stop, address: Address, value: Nexthop | None) -> ServerName | None:
    """The server to which `stop` gives mail for `address` when it says `value`, and no other place is behind that."""
    if value is None and stop.at is not None:
        return stop.at  # its own mail system delivers at home
    return next((server for server, said in stop.means[address].items() if said == value), None)


def astray(ways: Iterable[Way], home: Mapping[Address, ServerName]) -> list[Way]:
    """Those that loop, or end on another server than the one that is `home` to the address. Where nobody here knows
    where a way ends, the canaries will."""
    return [way for way in ways if way.loops or (way.ends is not None and way.ends != home[way.address])]
