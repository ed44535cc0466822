"""Who may do what with a folder (RFC 4314)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from migrator.imap.channel import Channel, Exchange, Words
from migrator.imap.errors import CommandRefused, ProtocolViolation
from migrator.imap.grammar import astring
from migrator.imap.refusal import refusal
from migrator.imap.responses import Token, tokens
from migrator.model.names import FolderName


def get(channel: Channel, raws: Mapping[FolderName, bytes]) -> dict[FolderName, dict[str, str] | CommandRefused]:
    """Rights by identifier, of each folder, in one pipeline; or why a folder's may not be seen."""
    names = list(raws)
    commands: list[Words] = [(b"GETACL", astring(raws[name])) for name in names]
    found: dict[FolderName, dict[str, str] | CommandRefused] = {}
    asked = channel.run_all(commands)
    answers = {text(answer[1]): answer for each in asked for answer in answered(each.untagged, b"ACL")}
    for name, exchange in zip(names, asked, strict=True):
        if error := _refused(channel, exchange):
            found[name] = error
            continue
        if (answer := answers.get(text(raws[name]))) is None:
            raise ProtocolViolation(f"{channel.peer}: GETACL ended without an answer")
        values = [text(one) for one in answer[2:]]
        found[name] = dict(zip(values[::2], values[1::2], strict=False))
    return found


def put(channel: Channel, wanted: Sequence[tuple[bytes, str, str]]) -> list[CommandRefused | None]:
    """(folder, identifier, rights) each: SETACL, exactly these rights, or DELETEACL for none. In one pipeline, done in
    this order; what the server says to each that it refuses."""
    return [_refused(channel, exchange) for exchange in channel.run_all([_put(*each) for each in wanted])]


def _put(raw: bytes, identifier: str, rights: str) -> Words:
    folder, who = astring(raw), astring(identifier.encode())
    return (b"SETACL", folder, who, astring(rights.encode())) if rights else (b"DELETEACL", folder, who)


def _refused(channel: Channel, exchange: Exchange) -> CommandRefused | None:
    assert exchange.status is not None
    if exchange.status.status == "OK":
        return None
    error = refusal(exchange.name, exchange.status, channel.peer)
    if isinstance(error, CommandRefused):
        return error
    raise error


@dataclass(frozen=True, slots=True)
class Grantable:
    """What LISTRIGHTS tells: how the server spells the identifier, the rights that it always has, and those that can be
    given, tied ones together."""

    identifier: str
    always: str
    groups: tuple[str, ...]


def grantable(channel: Channel, raw: bytes, identifiers: Sequence[str]) -> dict[str, Grantable | CommandRefused]:
    """LISTRIGHTS for each identifier, in one pipeline; or why the server does not take it."""
    found: dict[str, Grantable | CommandRefused] = {}
    asked = channel.run_all([(b"LISTRIGHTS", astring(raw), astring(each.encode())) for each in identifiers])
    for identifier, exchange in zip(identifiers, asked, strict=True):
        if error := _refused(channel, exchange):
            found[identifier] = error
        for answer in answered(exchange.untagged, b"LISTRIGHTS"):
            values = [text(one) for one in answer[2:]]
            found[identifier] = Grantable(values[0], "".join(values[1:2]), tuple(values[2:]))
    return found


def answered(untagged: Sequence[list[bytes]], kind: bytes) -> list[list[Token]]:
    """The answers of one kind, as tokens."""
    return [tokens(parts) for parts in untagged if parts[0].upper().startswith(kind + b" ")]


def text(value: Token) -> str:
    """A string of the server; UTF-8 where it is that."""
    if isinstance(value, list):
        raise ProtocolViolation("the server sent a list where a string must be")
    octets = b"NIL" if value is None else value  # an atom NIL is a name here
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return octets.decode("latin-1")
