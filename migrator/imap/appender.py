"""Messages to a folder, in batches, without waiting for each answer."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache

from migrator.imap.channel import Channel, Exchange
from migrator.imap.errors import CommandRefused
from migrator.imap.grammar import LiteralText, astring, flag_list, quoted_date
from migrator.imap.records import AppendResult, Chunk, Refusal
from migrator.imap.responses import StatusLine, expand
from migrator.model.message import Flags
from migrator.model.names import FolderName, neutral

COALESCE = 128 * 1024  # octets to a write: fewer system calls and TLS records
ASK_ABOVE = 256 * 1024  # octets; a larger message is announced first, so that it can be refused before it is sent
ASK_FOR_HEAD = 1000  # octets of flags; servers limit command lines, and answer a longer one with BAD
BATCHES = 16  # unanswered MULTIAPPEND commands
SINGLES = 100  # unanswered APPEND commands


@dataclass(slots=True)
class _Batch:
    exchanges: list[Exchange] = field(default_factory=list)
    messages: int = 0
    tag: object = None
    unsent: set[bytes] = field(default_factory=set)  # tags of those answered instead of a "+": no text followed


class Appender:
    """turn_to, then begin, (message, chunk..., message_done)..., end; results come later, in order of the batches.

    One batch is one atomic MULTIAPPEND where the server has it, else one APPEND a message. Literals are sent without
    asking only to a server with LITERAL+ (LITERAL- up to its limit), and the first one of a connection never: so a
    server that takes no mail from us says so while it waits, not while message text is on its way. The caller knows
    that the folder is there.
    """

    def __init__(self, channel: Channel, octets: Callable[[FolderName], bytes], atomic: bool) -> None:
        """`octets`: a folder's name as the server spells it."""
        self.atomic = atomic  # a batch is stored as a whole or not at all
        self._channel = channel
        self._octets = octets
        self._folder = b""
        self._window = BATCHES if atomic else SINGLES
        self._out = bytearray()
        self._batches: deque[_Batch] = deque()
        self._batch: _Batch | None = None
        self._left = 0  # octets of the message at hand that are still to come
        self._drop = False  # the message at hand was refused before it was sent

    def turn_to(self, folder: FolderName) -> None:
        """The batches that follow go to `folder` (need not be selected); what was sent before is not waited for."""
        self._folder = astring(self._octets(folder))

    def begin(self) -> None:
        """Start a batch; waits while too many batches are unanswered."""
        self._wait_for_window()
        self._batch = _Batch()
        self._drop = False

    def message(self, flags: Flags, internaldate: datetime | None, size: int) -> None:
        """Announce a message of exactly `size` octets. UnsafeValue (and nothing is sent) for a bad flag or date."""
        head = _flag_words(flags) + (b" " + quoted_date(internaldate) if internaldate else b"")
        batch = self._open_batch()
        batch.messages += 1
        self._left = size
        if self.atomic and self._drop:
            return
        if not self.atomic:
            self._wait_for_window()
        if not self.atomic or len(batch.exchanges) == 0:
            self._command(batch)
        self._announce(batch.exchanges[-1], head, size)

    def chunk(self, data: Chunk) -> None:
        """A part of the message; copied or sent before this returns."""
        self._left -= len(data)
        if self._left < 0:
            self._mismatch("more")
        if not self._drop:
            self._put(data)

    def message_done(self) -> None:
        """The message is complete. When octets are missing, the connection is dropped and ValueError raised."""
        if self._left:
            self._mismatch("fewer")
        if not self.atomic and not self._drop:
            self._put(b"\r\n")

    def end(self, tag: object) -> None:
        """The batch is complete; `tag` comes back in its result."""
        batch = self._open_batch()
        if self.atomic and batch.exchanges and not self._drop:
            self._put(b"\r\n")
        batch.tag = tag
        self._batches.append(batch)
        self._batch = None

    def flush(self) -> None:
        """Send what is still held back for coalescing."""
        out, self._out = self._out, bytearray()
        self._channel.send(out)

    def results(self, wait: bool) -> list[AppendResult]:
        """The answers that are there; with `wait`, at least one when any batch is unanswered. Flushes first.

        CommandRefused for a BAD: the connection is dropped, since the server may have lost its place in the text;
        what was in flight is then unknown.
        """
        self.flush()
        results: list[AppendResult] = []
        while self._batches:
            while self._channel.waiting and self._channel.pump(wait=False):
                pass
            if self._answered(self._batches[0]):
                results.append(self._result(self._batches.popleft()))
            elif wait and not results:
                self._channel.pump()
            else:
                break
        return results

    @property
    def unanswered(self) -> int:
        """Batches whose results are to come."""
        return len(self._batches)

    def abort(self) -> None:
        """Drop the connection: a half-sent message must never be stored."""
        self._channel.wire.abort()

    def _open_batch(self) -> _Batch:
        if self._batch is None:
            raise ValueError("no batch has begun")
        return self._batch

    def _wait_for_window(self) -> None:
        if len(self._channel.waiting) >= self._window:
            self.flush()
        while len(self._channel.waiting) >= self._window:
            self._channel.pump()

    def _command(self, batch: _Batch) -> None:
        exchange = self._channel.begin("APPEND")
        batch.exchanges.append(exchange)
        self._drop = False
        self._put(exchange.tag + b" APPEND ")
        if isinstance(self._folder, LiteralText) and not self._ask(exchange, b"{%d}\r\n" % len(self._folder)):
            return
        self._put(self._folder)

    def _announce(self, exchange: Exchange, head: bytes, size: int) -> None:
        if self._drop:
            return
        free = self._channel.takes_mail and len(head) <= ASK_FOR_HEAD
        if free and size <= min(ASK_ABOVE, self._channel.non_sync_limit):
            self._put(head + b" {%d+}\r\n" % size)
        else:
            self._channel.takes_mail |= self._ask(exchange, head + b" {%d}\r\n" % size)

    def _ask(self, exchange: Exchange, announcement: bytes) -> bool:
        """Announce a literal and wait for the server to want it."""
        self._put(announcement)
        self.flush()
        self._drop = not self._channel.wait_to_go_on(exchange)
        if self._drop:
            self._open_batch().unsent.add(exchange.tag)
        return not self._drop

    def _put(self, data: Chunk) -> None:
        if len(data) >= COALESCE // 2:
            self.flush()
            self._channel.send(data)
            return
        self._out += data
        if len(self._out) >= COALESCE:
            self.flush()

    def _mismatch(self, which: str) -> None:
        self.abort()
        raise ValueError(f"{which} octets than announced: the message is not what it was said to be")

    def _answered(self, batch: _Batch) -> bool:
        return all(exchange.status for exchange in batch.exchanges)

    def _result(self, batch: _Batch) -> AppendResult:
        statuses = [exchange.status for exchange in batch.exchanges if exchange.status]
        for exchange, status in zip(batch.exchanges, statuses, strict=True):
            if status.status == "BAD" and exchange.tag not in batch.unsent:
                self.abort()
                raise CommandRefused("APPEND", status.code, neutral(status.text))
        return self._atomic_result(batch, statuses) if self.atomic else self._single_results(batch, statuses)

    def _atomic_result(self, batch: _Batch, statuses: list[StatusLine]) -> AppendResult:
        if not statuses:
            return AppendResult(batch.tag, (), None)
        refused = _refused(statuses[0])
        uidvalidity, uids = (None, None) if refused else _append_uid(statuses[0], batch.messages)
        return AppendResult(batch.tag, tuple(uids) if uids else None, uidvalidity, refused)

    def _single_results(self, batch: _Batch, statuses: list[StatusLine]) -> AppendResult:
        refusals = tuple(map(_refused, statuses))
        named = [_append_uid(status, 1) for status in statuses]
        uids = tuple(uids[0] if uids else None for _, uids in named)
        known = next((uidvalidity for uidvalidity, _ in named if uidvalidity), None)
        return AppendResult(batch.tag, uids if known or any(refusals) else None, known, refusals=refusals)


@lru_cache(maxsize=1024)
def _flag_words(flags: Flags) -> bytes:
    return b" " + flag_list(flags)


def _refused(status: StatusLine) -> Refusal | None:
    return None if status.status == "OK" else Refusal(status.code, neutral(status.text))


def _append_uid(status: StatusLine, messages: int) -> tuple[int | None, list[int] | None]:
    """UIDVALIDITY and UIDs of [APPENDUID v set] (RFC 4315); (None, None) unless it names as many as were sent."""
    words = status.args.split()
    if status.code != "APPENDUID" or len(words) != 2 or not words[0].isdigit():
        return None, None
    uids = expand(words[1], messages)
    return (int(words[0]), uids) if len(uids) == messages else (None, None)
