"""How large a mailbox is, folder by folder, and who may use its folders. Nothing is changed: EXAMINE at the most."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from migrator.imap.channel import Channel, Exchange, Words
from migrator.imap.errors import CommandRefused, ProtocolViolation
from migrator.imap.grammar import astring
from migrator.imap.listing import SPECIAL_USES
from migrator.imap.records import Folder, Namespace
from migrator.imap.responses import Token, fetched, folder_name, number, pairs, tokens
from migrator.imap.session import Session
from migrator.model.errors import Refused
from migrator.model.inventory import FolderStock, Whose
from migrator.model.names import FolderName

SLICE = 20_000  # messages whose sizes are asked for with one command
FEW = 200  # messages; of so many it costs less to ask for each one's size than to find out whether that is needed
DEPTH = 100  # commands in flight
_SIZE = b"(RFC822.SIZE)"
_SIZE_LINE = re.compile(rb"\d+ FETCH \(RFC822\.SIZE (\d{1,19})\)")
_CLOSED = (
    "Give the login the right to read it. A master user on a Dovecot with ACLs has no rights of its own unless "
    "`plugin { acl_user = %u }` lends it those of the mailbox's owner."
)


class ClosedToUs(Refused):
    """A folder of the mailbox's own that its login may not read: the size would be wrong without it."""


@dataclass(frozen=True, slots=True)
class Survey:
    """The folders that hold messages, in the server's order; `own`: the prefix of its own; `others`: where those of
    other people begin."""

    folders: tuple[FolderStock, ...]
    own: str = ""
    others: tuple[Namespace, ...] = ()


def survey(session: Session) -> Survey:
    """Look at all folders.

    Of a folder with few messages each one's size is asked for, all such folders in one go. The others tell their octets
    by STATUS=SIZE (RFC 8438), and are read through only where they may hold the largest message; or always, where the
    server lacks that. Five rounds, with LIST-STATUS (RFC 5819). ClosedToUs; CommandRefused where a folder has gone.
    """
    channel = session._channel
    others, public = _not_own(channel) if session.has("NAMESPACE") else ((), ())
    listed = [folder for folder in session.folders() if folder.selectable]
    raws = {folder.name: folder.raw for folder in listed}
    stocks = [_stock(session, folder, others, public) for folder in listed]
    stocks = list(_read_small(session, stocks, raws))
    if session.has("STATUS=SIZE"):
        stocks = list(_sized(channel, stocks, raws))
    stocks = _read_large(session, stocks)
    if session.has("ACL"):
        stocks = list(_with_rights(channel, stocks, raws))
    return Survey(tuple(stocks), session.namespace.prefix, others)


def _not_own(channel: Channel) -> tuple[tuple[Namespace, ...], tuple[Namespace, ...]]:
    """The namespaces of other people, and the public ones (RFC 2342)."""
    for parts in channel.run(b"NAMESPACE").untagged:
        if parts[0].upper().startswith(b"NAMESPACE "):
            answer = tokens(parts)
            return tuple(_spaces(answer[2:3])), tuple(_spaces(answer[3:4]))
    return (), ()


def _spaces(values: list[Token]) -> Iterator[Namespace]:
    for one in values[0] if values and isinstance(values[0], list) else ():
        if isinstance(one, list) and len(one) > 1 and isinstance(one[0], bytes):
            yield Namespace(folder_name(one[0]), one[1].decode("latin-1") if isinstance(one[1], bytes) else None)


def _stock(session: Session, folder: Folder, others: Iterable[Namespace], public: Iterable[Namespace]) -> FolderStock:
    """What LIST and STATUS tell; an empty folder has 0 octets. ClosedToUs for an own folder without a status."""
    spaces = [(Whose.OTHERS, others), (Whose.PUBLIC, public)]
    whose = next((kind for kind, some in spaces if any(_inside(folder, one) for one in some)), Whose.OWN)
    status = folder.status
    if status is None and whose is Whose.OWN:  # LIST-STATUS leaves out what it may not tell
        try:
            status = session.status(folder.name)
        except CommandRefused as error:
            raise ClosedToUs(f"the folder {folder.name} cannot be looked at: {error}", remedy=_CLOSED) from None
    messages = status.messages if status else 0
    uses = sorted(folder.attributes & SPECIAL_USES)
    empty = None if messages or whose is not Whose.OWN else 0
    return FolderStock(folder.name, whose, messages, empty, empty, uses[0] if uses else None)


def _inside(folder: Folder, space: Namespace) -> bool:
    root = space.prefix.removesuffix(space.separator or "")
    return bool(root) and (folder.name == root or folder.name.startswith(space.prefix))


def _sized(channel: Channel, stocks: list[FolderStock], raws: Mapping[FolderName, bytes]) -> Iterator[FolderStock]:
    unknown = [stock for stock in stocks if stock.whose is Whose.OWN and stock.octets is None]
    asked = channel.run_all([(b"STATUS", astring(raws[stock.name]), b"(SIZE)") for stock in unknown], DEPTH)
    for exchange in asked:
        channel.finish(exchange)
    told = [tokens(parts) for each in asked for parts in each.untagged if parts[0].upper().startswith(b"STATUS ")]
    sizes = {answer[1]: pairs(answer[2]).get(b"SIZE") for answer in told if isinstance(answer[1], bytes)}
    found = {stock.name: number(size) for stock in unknown if (size := sizes.get(raws[stock.name])) is not None}
    return (replace(stock, octets=found.get(stock.name, stock.octets)) for stock in stocks)


def _with_rights(
    channel: Channel, stocks: list[FolderStock], raws: Mapping[FolderName, bytes]
) -> Iterator[FolderStock]:
    """GETACL of own folders (RFC 4314, 3.3), and MYRIGHTS of others' and of those that do not tell."""
    own = [stock.name for stock in stocks if stock.whose is Whose.OWN]
    rights: dict[FolderName, dict[str, str]] = {}
    for name, answer in _ask(channel, b"GETACL", b"ACL ", own, raws):
        words = [_text(value) for value in answer[2:]]
        rights[name] = dict(zip(words[::2], words[1::2], strict=False))
    silent = [stock.name for stock in stocks if stock.name not in rights]
    mine = {name: _text(answer[2]) for name, answer in _ask(channel, b"MYRIGHTS", b"MYRIGHTS ", silent, raws)}
    return (replace(stock, rights=rights.get(stock.name, {}), mine=mine.get(stock.name, "")) for stock in stocks)


def _ask(
    channel: Channel, command: bytes, kind: bytes, names: Sequence[FolderName], raws: Mapping[FolderName, bytes]
) -> Iterator[tuple[FolderName, list[Token]]]:
    """The answers about folders, all asked in one pipeline; nothing of those that are refused."""
    commands: list[Words] = [(command, astring(raws[name])) for name in names]
    asked = channel.run_all(commands, DEPTH)
    told = (tokens(parts) for each in asked for parts in each.untagged if parts[0].upper().startswith(kind))
    by_raw = {raws[name]: name for name in names}
    for answer in told:
        if len(answer) > 2 and isinstance(answer[1], bytes) and answer[1] in by_raw:
            yield by_raw[answer[1]], answer


def _text(value: Token) -> str:
    if isinstance(value, list):
        raise ProtocolViolation("the server sent a list where a string must be")
    return (b"NIL" if value is None else value).decode("utf-8", "replace")


def _read_small(session: Session, stocks: list[FolderStock], raws: Mapping[FolderName, bytes]) -> Iterator[FolderStock]:
    """The sizes of messages in folders that have few; each is opened once, and nothing is waited for between them."""
    few = [stock for stock in stocks if stock.whose is Whose.OWN and 0 < stock.messages <= FEW]
    session._folder.opened = None  # nobody may rely on the one that stays open
    words: list[Words] = []
    for stock in few:
        words += [(b"EXAMINE", astring(raws[stock.name])), (b"FETCH", b"1:*", _SIZE)]
    asked = session._channel.run_all(words)
    found = {}
    for stock, opened, looked in zip(few, asked[::2], asked[1::2], strict=True):
        refused = any(one.status is None or one.status.status != "OK" for one in (opened, looked))
        sizes = _message_sizes(session, stock) if refused else list(_sizes(looked))
        found[stock.name] = replace(stock, octets=sum(sizes), largest=max(sizes, default=0))
    return (found.get(stock.name, stock) for stock in stocks)


def _read_large(session: Session, stocks: list[FolderStock]) -> list[FolderStock]:
    """Read the sizes of messages where only that tells: a folder smaller than the largest message needs no look."""
    found = {stock.name: stock for stock in stocks}
    largest = max((stock.largest or 0 for stock in stocks), default=0)
    for stock in sorted(stocks, key=lambda one: (one.octets is None, one.octets or 0), reverse=True):
        unread = stock.whose is Whose.OWN and stock.largest is None
        if unread and (stock.octets is None or stock.octets > largest):
            sizes = _message_sizes(session, stock)
            octets = sum(sizes) if stock.octets is None else stock.octets
            found[stock.name] = replace(stock, octets=octets, largest=max(sizes, default=0))
            largest = max([largest, *sizes])
    return [found[stock.name] for stock in stocks]


def _message_sizes(session: Session, stock: FolderStock) -> list[int]:
    """The octets of each message. No message number shifts meanwhile: a FETCH tells of no EXPUNGE (RFC 9051, 7.5.1)."""
    exists = session.examine(stock.name).exists
    sizes: list[int] = []
    for first in range(1, exists + 1, SLICE):
        last = min(exists, first + SLICE - 1)
        sizes += _sizes(session._channel.run(b"FETCH", b"%d:%d" % (first, last), _SIZE))
    return sizes


def _sizes(done: Exchange) -> Iterator[int]:
    for parts in done.untagged:
        if found := _SIZE_LINE.fullmatch(parts[0]):
            yield int(found[1])
        elif b"RFC822.SIZE" in (told := fetched(parts)):
            yield number(told[b"RFC822.SIZE"])
