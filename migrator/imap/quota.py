"""How much room a mailbox has, and has left (RFC 9208; RFC 2087 in older servers)."""

from migrator.imap.acl import answered, text
from migrator.imap.channel import Channel
from migrator.imap.grammar import astring
from migrator.imap.records import Quota
from migrator.imap.responses import Token, number

_UNIT = 1024  # octets in which STORAGE counts (RFC 9208, 5.1)


def storage(channel: Channel) -> Quota | None:
    """The tightest STORAGE quota over INBOX; None where there is none. CommandRefused where it may not be asked."""
    found = [
        Quota(used * _UNIT, limit * _UNIT)
        for answer in _answers(channel)
        for name, used, limit in _resources(answer)
        if name == "STORAGE"
    ]
    return min(found, key=lambda quota: quota.limit - quota.used, default=None)


def bounds(channel: Channel) -> tuple[str, dict[str, int]]:
    """The first quota root over INBOX ("" for none) and its limits by resource. CommandRefused."""
    for answer in _answers(channel):
        return text(answer[1]), {name: limit for name, _, limit in _resources(answer)}
    return "", {}


def put(channel: Channel, root: str, resource: str, limit: int) -> None:
    """SETQUOTA, which replaces the limits of a root as a whole (RFC 9208, 4.1.3): the others are said again."""
    asked = channel.start(b"GETQUOTA", astring(root.encode()))
    channel.settle(asked)  # refused where there is no such root yet
    held = {name: old for answer in answered(asked.untagged, b"QUOTA") for name, _, old in _resources(answer)}
    words = b" ".join(b"%b %d" % (name.encode(), value) for name, value in (held | {resource: limit}).items())
    channel.run(b"SETQUOTA", astring(root.encode()), b"(" + words + b")")


def _answers(channel: Channel) -> list[list[Token]]:
    return answered(channel.run(b"GETQUOTAROOT", b"INBOX").untagged, b"QUOTA")


def _resources(answer: list[Token]) -> list[tuple[str, int, int]]:
    """(name, used, limit) of each."""
    values = answer[2] if len(answer) > 2 and isinstance(answer[2], list) else []
    triples = zip(values[::3], values[1::3], values[2::3], strict=False)
    return [(text(name).upper(), number(used), number(limit)) for name, used, limit in triples]
