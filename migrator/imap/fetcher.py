"""Message bodies, streamed past any parser, with requests sent ahead."""

import re
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import IO

from migrator.imap.channel import Channel, Exchange, Words
from migrator.imap.errors import BodyTruncated, ConnectionLost
from migrator.imap.grammar import uid_sets
from migrator.imap.records import Body, Chunk, Selected
from migrator.imap.refusal import refusal
from migrator.imap.responses import number, pairs, tokens
from migrator.imap.scanning import selected
from migrator.model.names import FolderName

IN_MEMORY = 256 * 1024  # octets of a body that came too early, up to which it waits in memory; else on the disk
_USUAL = re.compile(rb"\* \d+ FETCH \(UID (\d{1,10}) BODY\[\] \{", re.IGNORECASE)
_WHOLE = re.compile(_USUAL.pattern + rb"(\d{1,10})\}\r\n", re.IGNORECASE)
_ANY = re.compile(rb"\* \d+ FETCH \((?:[^\r\n]* )?BODY\[\] ", re.IGNORECASE)
_UID = re.compile(rb"(?:\(| |^)UID (\d{1,10})(?: |\)|$)", re.IGNORECASE)


@dataclass(slots=True)
class _Request:
    """One batch of bodies; or, where `opens` is set, the EXAMINE before the batches of another folder."""

    exchanges: list[Exchange]
    wanted: set[int] = field(default_factory=set)  # UIDs without an answer so far
    opens: bool = False
    early: deque[Body] = field(default_factory=deque)  # came while an older request was being consumed

    @property
    def ended(self) -> bool:
        if self.exchanges and not self.exchanges[-1].status:  # the usual answer, once a message
            return False
        return all(exchange.status for exchange in self.exchanges)


class Fetcher:
    """Pipelined UID FETCH: ask for batch n+1 before batch n is consumed. No other command meanwhile.

    `open` sends the EXAMINE of the next folder ahead, too: a server works a SELECT only when all before it is done
    (RFC 9051, 5.5), so that UIDs after it are that folder's.

    Bodies belong to requests by UID, not by order: when we read slowly, Dovecot works on the next FETCH while the
    first waits to be sent, so that their bodies alternate; and it sends the OK of the first after bodies of the second.
    What comes early is kept until its turn: no more than the bodies of the requests that were sent ahead.
    """

    def __init__(
        self,
        channel: Channel,
        examine: Callable[[FolderName], Words],
        note_opened: Callable[[FolderName, Selected], None],
    ) -> None:
        """`examine`: the words of the command that opens a folder; `note_opened` is told what is open."""
        self._channel = channel
        self._examine, self._note_opened = examine, note_opened
        self._opening: deque[FolderName] = deque()
        self._requests: deque[_Request] = deque()
        self._open = False  # the response of the body at hand has not been read to its end

    def can_open(self, name: FolderName) -> bool:
        """Whether `open` needs not wait; when it must, bodies may not be on their way."""
        return self._channel.flows(self._examine(name))

    def open(self, name: FolderName) -> None:
        """Send EXAMINE for the folder of the batches that follow; returns at once."""
        self._opening.append(name)
        self._requests.append(_Request([self._channel.start(*self._examine(name))], opens=True))

    def opened(self) -> Selected:
        """What the oldest `open` was answered; all batches before it have been consumed. CommandRefused."""
        found = selected(self._channel.finish(self._requests.popleft().exchanges[0]))
        self._note_opened(self._opening.popleft(), found)
        return found

    def request(self, uids: Sequence[int]) -> None:
        """Send the request for one batch; returns at once."""
        exchanges = []
        for uid_set in uid_sets(uids):
            exchange = self._channel.begin("UID FETCH")
            self._channel.send(b"%b UID FETCH %b (UID BODY.PEEK[])\r\n" % (exchange.tag, uid_set))
            exchanges.append(exchange)
        self._requests.append(_Request(exchanges, set(uids)))

    def replies(self) -> Iterator[Body]:
        """The bodies of the oldest request, then stops. UIDs without an answer are absent: compare.

        An unread rest of a Body is skipped. ProtocolViolation for a body that was not asked for, or comes twice.
        BodyTruncated when the connection ends inside a body; CommandRefused when the server says NO at the end.
        """
        request = self._requests.popleft()
        yield from request.early
        while not request.ended and (request.wanted or not self._requests):
            body = self._next()
            if body and body.uid in request.wanted:
                request.wanted.remove(body.uid)
                yield body
                self._close()
            elif body:
                self._keep(body)
        for exchange in request.exchanges:
            if request.wanted and exchange.status and exchange.status.status != "OK":
                raise refusal("UID FETCH", exchange.status, self._channel.peer)

    def _keep(self, body: Body) -> None:
        """Put a body aside for the request that wants it."""
        same_folder = takewhile(lambda later: not later.opens, self._requests)
        request = next((later for later in same_folder if body.uid in later.wanted), None)
        if request is None:
            self._channel.violated(f"the server sent message {body.uid}, which was not asked for or had come before")
        request.wanted.remove(body.uid)
        request.early.append(_kept(body))
        self._close()

    def _next(self) -> Body | None:
        """The next response, when it is a body."""
        if whole := self._channel.parser.take_whole(_WHOLE, b")\r\n"):
            return Body(whole[0], len(whole[1]), iter(whole[1:]))
        line = self._channel.line()
        usual = _USUAL.match(line)
        if usual and self._channel.parser.literal >= 0:
            self._open = True
            return Body(int(usual[1]), self._channel.parser.literal, self._chunks())
        if _ANY.match(line):
            return self._unusual(line)
        self._channel.take_in(line)
        return None

    def _close(self) -> None:
        """Skip what is unread of the body at hand, and read its response to the end."""
        if self._open:
            self._open = False
            if self._channel.parser.literal_left:
                deque(self._chunks(), maxlen=0)
            rest = self._channel.line()
            if rest != b")":
                self._channel.whole(rest)

    def _chunks(self) -> Iterator[Chunk]:
        parser = self._channel.parser
        while parser.literal_left:
            chunk = parser.chunk()
            if chunk is not None:
                yield chunk
                continue
            try:
                self._channel.fill()
            except ConnectionLost as error:
                what = str(error).removesuffix(f" during {error.during}")
                raise BodyTruncated(f"{what}, {parser.literal_left} octets short", during=error.during) from error

    def _unusual(self, line: bytes) -> Body | None:
        """A body as a quoted string or NIL, or with other attributes around it, where the UID may come last."""
        literal = self._channel.parser.literal
        found = _UID.search(line)
        if literal >= 0 and not found:
            return self._uid_last(literal)
        if literal >= 0 and found:
            self._open = True
            return Body(int(found[1]), literal, self._chunks())
        attributes = pairs(tokens([line])[3])
        text = attributes.get(b"BODY[]")
        return Body(number(attributes.get(b"UID")), len(text), iter((text,))) if isinstance(text, bytes) else None

    def _uid_last(self, size: int) -> Body:
        kept = _kept(Body(0, size, self._chunks()))
        found = _UID.search(b" ".join(self._channel.whole(self._channel.line())[::2]))
        if not found:
            self._channel.violated("the server sent a message without its UID")
        kept.uid = int(found[1])
        return kept


def _kept(body: Body) -> Body:
    """The same body, read in full."""
    if body.size <= IN_MEMORY:
        return Body(body.uid, body.size, iter((b"".join(map(bytes, body.chunks)),)))
    file = tempfile.TemporaryFile()  # noqa: SIM115  (closed by _pieces)
    for chunk in body.chunks:
        file.write(chunk)
    file.seek(0)
    return Body(body.uid, body.size, _pieces(file))


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while piece := file.read(IN_MEMORY):
            yield piece
