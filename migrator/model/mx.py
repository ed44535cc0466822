"""What MX records say, as a routing value: "10 mx1.example.co.jp., 20 mx2.example.co.jp." in one fixed spelling."""

import re
from functools import lru_cache
from typing import NamedTuple

from migrator.model.names import Nexthop

KEPT = 4096  # answers remembered: a wave asks the same of each of its addresses
_RECORD = re.compile(r"(\d{1,5})\s+(\S+)")
_HOST = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))+\.")
_IPV4 = re.compile(r"[0-9.]+")


class Exchange(NamedTuple):
    """One MX record (RFC 5321, 5.1): the lower `preference` is tried first; `host` is lower case with its final dot."""

    preference: int
    host: str


@lru_cache(KEPT)
def parse(value: str) -> tuple[Exchange, ...]:
    """The records of a routing value, in order, none twice; case and a missing final dot do not matter.

    ValueError when it is none.
    """
    return tuple(sorted({_record(part.strip()) for part in value.split(",")}))


def spell(records: tuple[Exchange, ...]) -> Nexthop:
    """The value that stands for these records; `parse` of it gives them back."""
    return Nexthop(", ".join(f"{each.preference} {each.host}" for each in sorted(records)))


def spell_new(value: str) -> Nexthop:
    """`value` as it is spelled, for records that are to be written. ValueError when no server should hold them."""
    records = parse(value)
    for record in records:
        if _IPV4.fullmatch(record.host) or ":" in record.host:
            raise ValueError(f"an MX record names a host, never an address; not {record.host.rstrip('.')}")
        if not _HOST.fullmatch(record.host):
            raise ValueError(f"not the full name of a host: {record.host.rstrip('.')}")
    return spell(records)


@lru_cache(KEPT)
def canonical(host: str) -> str:
    """A host name in lower case with its final dot, other scripts in their ASCII form (RFC 3490)."""
    host = host.strip().rstrip(".")
    if not host.isascii():
        host = host.encode("idna").decode("ascii")
    return host.lower() + "."


def _record(text: str) -> Exchange:
    found = _RECORD.fullmatch(text)
    if found is None or int(found[1]) > 65535:
        raise ValueError("not MX records; write `PREFERENCE HOST`, several with a comma between: 10 mx.example.co.jp.")
    return Exchange(int(found[1]), canonical(found[2]))
