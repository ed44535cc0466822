"""Entries that people and programs keep with a folder, or with the account (RFC 5464)."""

from collections.abc import Mapping

from migrator.imap.acl import answered, text
from migrator.imap.channel import Channel, Exchange, Words
from migrator.imap.errors import CommandRefused
from migrator.imap.grammar import LiteralText, astring
from migrator.imap.refusal import refusal
from migrator.model.names import FolderName

ACCOUNT = FolderName("")  # stands for the entries that belong to no folder
_FOLDERS = b"(/private /shared)"
_ACCOUNTS = b"(/private /private/comment /private/vendor)"  # Dovecot lists those only where they are named (measured)


def get(channel: Channel, raws: Mapping[FolderName, bytes]) -> dict[FolderName, dict[str, bytes] | CommandRefused]:
    """All entries of each folder, in one pipeline; or why they may not be seen. ACCOUNT's raw name is empty."""
    commands: list[Words] = [
        (b"GETMETADATA", b"(DEPTH infinity)", astring(raw), _FOLDERS if raw else _ACCOUNTS) for raw in raws.values()
    ]
    found: dict[FolderName, dict[str, bytes] | CommandRefused] = {}
    exchanges = channel.run_all(commands)
    entries: dict[str, dict[str, bytes]] = {}
    for exchange in exchanges:
        _gather(exchange, entries)
    for (name, raw), exchange in zip(raws.items(), exchanges, strict=True):
        assert exchange.status is not None
        if exchange.status.status == "OK":
            found[name] = entries.get(text(raw), {})
            continue
        error = refusal("GETMETADATA", exchange.status, channel.peer)
        if not isinstance(error, CommandRefused):
            raise error
        found[name] = error
    return found


def _gather(exchange: Exchange, into: dict[str, dict[str, bytes]]) -> None:
    """A server may spread the entries of one folder over several answers."""
    for answer in answered(exchange.untagged, b"METADATA"):
        if len(answer) > 2 and isinstance(values := answer[2], list):
            pairs = zip(values[::2], values[1::2], strict=False)
            told = {text(key): value for key, value in pairs if isinstance(value, bytes)}
            into.setdefault(text(answer[1]), {}).update(told)


def put(channel: Channel, raw: bytes, entry: str, value: bytes | None) -> None:
    """SETMETADATA of one entry; None removes it. CommandRefused, also where the value cannot be sent as a string."""
    name = astring(entry.encode())
    if value is None:
        channel.run(b"SETMETADATA", astring(raw), b"(" + name + b" NIL)")
        return
    if b"\0" in value:
        raise CommandRefused("SETMETADATA", "", "the value is binary (it holds NUL), which a string cannot")
    _run(channel, raw, name, value)


def _run(channel: Channel, raw: bytes, name: bytes, value: bytes) -> None:
    if b"\r" not in value and b"\n" not in value and value.isascii():
        quoted = value.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
        channel.run(b"SETMETADATA", astring(raw), b"(" + name + b' "' + quoted + b'")')
        return
    channel.run(b"SETMETADATA", astring(raw), b"(" + name, LiteralText(value), b")")
