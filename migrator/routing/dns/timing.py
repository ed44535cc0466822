"""The time to live of MX records, lowered ahead of a flip and put back afterwards; each may be repeated at any time."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import ceil

from migrator.routing.dns.ttl import Lowered, Memory
from migrator.routing.dns.zone import Change, Moved, Records, Zone
from migrator.routing.errors import RouteNotInForce


def lower(zone: Zone, memory: Memory, ttl: int, found: Mapping[str, Records | None]) -> datetime:
    """Lower to `ttl` seconds what is higher; when every answer with the old TTL is gone from all caches (aware, UTC).

    That is the old TTL counted from the moment when the last name server had the new one. NameServersDisagree when one
    does not have it in time.
    """
    there = {domain: records for domain, records in found.items() if records}
    high = {domain: records for domain, records in there.items() if records.ttl > ttl}
    for domain, records in high.items():
        memory.remember(domain, _lowered(memory.recall(domain), records, ttl))
    _retime(zone, {domain: (records, ttl) for domain, records in high.items()})
    zone.settle(lambda _, said: said is not None and said.ttl <= ttl, tuple(there))
    return max((_gone(memory, domain) for domain in there), default=datetime.now(UTC))


def restore(zone: Zone, memory: Memory, found: Mapping[str, Records | None]) -> None:
    """Put back what `lower` found first; a TTL that is not as it left it is somebody else's, and stays."""
    lowered = {domain: known for domain in found if (known := memory.recall(domain))}
    ours = {
        domain: (records, known.old)
        for domain, known in lowered.items()
        if (records := found[domain]) and records.ttl == known.low
    }
    _retime(zone, ours)
    zone.settle(lambda domain, said: said is not None and said.ttl == lowered[domain].old, tuple(ours))
    for domain in lowered:
        memory.forget(domain)


def _lowered(known: Lowered | None, records: Records, ttl: int) -> Lowered:
    """What to remember before the TTL is lowered, for the first time or again."""
    if known is None:
        return Lowered(records.ttl, ttl, records.ttl)
    rest = ceil((known.until - datetime.now(UTC)).total_seconds()) if known.until else known.wait
    return replace(known, low=ttl, wait=max(records.ttl, rest), until=None)


def _gone(memory: Memory, domain: str) -> datetime:
    """When the old answers of a domain are gone, all servers having the lower TTL now."""
    known, now = memory.recall(domain), datetime.now(UTC)
    if known is None:
        return now
    if known.until is None:
        known = replace(known, until=now + timedelta(seconds=known.wait))
        memory.remember(domain, known)
    return known.until or now


def _retime(zone: Zone, changes: Mapping[str, tuple[Records, int]]) -> None:
    """Give records another TTL, as long as they are as found."""
    if not changes:
        return
    try:
        zone.change({domain: Change(found, replace(found, ttl=ttl)) for domain, (found, ttl) in changes.items()})
    except Moved:
        raise RouteNotInForce(
            f"{zone}: the records were changed by somebody else at the same moment; no TTL was touched",
            remedy="Run the same command again.",
        ) from None
