"""Commands and their answers over one connection: tags, pipelining, literals, and how much a server may say."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NoReturn

from migrator.imap.errors import ConnectionLost, ProtocolViolation
from migrator.imap.grammar import LiteralText
from migrator.imap.parser import Parser
from migrator.imap.refusal import refusal
from migrator.imap.responses import StatusLine, status_line
from migrator.imap.wire import Octets, Wire
from migrator.model.names import neutral

UNTAGGED_CAP = 200_000  # untagged answers to one command, bodies aside
OCTETS_CAP = 64 << 20  # octets of them

Words = tuple[bytes, ...]
Parts = list[bytes]  # a response: line, literal, line, ...


@dataclass(slots=True, eq=False)
class Exchange:
    """One command that was sent, and what was answered to it so far; `status` is None until it is complete."""

    tag: bytes
    name: str
    untagged: list[Parts] = field(default_factory=list)
    status: StatusLine | None = None
    octets: int = 0


class Channel:
    """Commands out, answers in. Untagged answers are counted to the oldest command that is not complete."""

    def __init__(self, wire: Wire, parser: Parser) -> None:
        self.wire = wire
        self.parser = parser
        self.peer = wire.peer
        self.waiting: deque[Exchange] = deque()
        self._ahead: deque[tuple[Words, Exchange]] = deque()  # sent before their turn
        self.reopen: Callable[[], object] = list  # opens again what was open before what was sent ahead
        self._held = bytearray()  # to be sent together with what comes next
        self._gathers = False
        self.takes_mail = False  # the server has said "+" to an APPEND, or stored one
        self.non_sync_limit = 0  # octets up to which literals may be sent without asking (LITERAL+, LITERAL-)
        self._tag = 0
        self._bye = ""
        self._may_go_on = False

    def waits_for(self) -> set[str]:
        """The names of commands that are not complete, but for those that were sent ahead."""
        return {exchange.name for exchange in self.waiting} - {words[0].decode() for words, _ in self._ahead}

    def begin(self, name: str) -> Exchange:
        """Take a tag for a command that the caller sends itself."""
        if self._ahead:
            self.forget_ahead()
        return self._begin(name)

    def flows(self, words: Words) -> bool:
        """Whether this command can be sent without asking the server for anything; else it waits, and takes in all that
        comes meanwhile."""
        return all(len(word) <= self.non_sync_limit for word in words if isinstance(word, LiteralText))

    def start_ahead(self, *words: bytes, quietly: bool = False) -> bool:
        """Send a command before its turn: whoever starts the same one next finds its answer under way.

        It saves a round trip where the guess is right, and costs one where it is wrong. Only for commands that change
        nothing, or whose repetition changes nothing. A command that does not flow is not sent: False.
        """
        if flows := self.flows(words):
            self._ahead.append((words, self.start_quietly(*words) if quietly else self._start(words)))
        return flows

    def keep_to(self, commands: Sequence[Words]) -> None:
        """Forget what was sent ahead unless it begins as `commands` do. For who reads answers as they come: what is
        forgotten between two commands takes along the answers to the first."""
        if any(words != expected for words, (expected, _) in zip(commands, self._ahead, strict=False)):
            self.forget_ahead()

    def expects(self, *words: bytes) -> bool:
        """Whether this command was sent ahead, and nobody has asked for its answer yet."""
        return any(words == expected for expected, _ in self._ahead)

    def start_quietly(self, *words: bytes) -> Exchange:
        """Send a command (no literal in it) in one packet with the next one, or when somebody waits."""
        exchange = self._begin(words[0].decode())
        self._held += b" ".join((exchange.tag, *words)) + b"\r\n"
        return exchange

    @contextmanager
    def together(self) -> Iterator[None]:
        """What is started inside goes out in one packet, when somebody waits, or with what is started next."""
        self._gathers = True
        try:
            yield
        finally:
            self._gathers = False

    def start(self, *words: bytes) -> Exchange:
        """Send a command and do not wait. A LiteralText among `words` goes as a literal."""
        if self._ahead:
            expected, exchange = self._ahead.popleft()
            if expected == words:
                return exchange
            self._ahead.appendleft((expected, exchange))
            self.forget_ahead()
        return self._start(words)

    def forget_ahead(self) -> None:
        """What was sent before its turn is not wanted: read the answers, drop them, open the old folder again."""
        elsewhere = any(words[0] in (b"EXAMINE", b"SELECT") for words, _ in self._ahead)
        while self._ahead:
            self.settle(self._ahead.popleft()[1])
        if elsewhere:
            self.reopen()

    def _begin(self, name: str) -> Exchange:
        self._tag += 1
        exchange = Exchange(b"M%d" % self._tag, name)
        self.waiting.append(exchange)
        self.wire.during = self.waiting[0].name
        return exchange

    def _start(self, words: Words) -> Exchange:
        exchange = self._begin(words[0].decode())
        line = bytearray(exchange.tag)
        for word in words:
            line += b"" if word == b")" else b" "
            if isinstance(word, LiteralText):
                self._offer(exchange, line, word)
                if exchange.status:
                    return exchange
            line += word
        line += b"\r\n"
        if self._gathers:
            self._held += line
        else:
            self.send(line)
        return exchange

    def finish(self, exchange: Exchange) -> Exchange:
        """Wait for the end of a command. CommandRefused (or OverQuota, Throttled) unless it is OK."""
        while exchange.status is None:
            self.pump()
        if exchange.status.status != "OK":
            raise refusal(exchange.name, exchange.status, self.peer)
        return exchange

    def run(self, *words: bytes) -> Exchange:
        """Send a command and wait for its end."""
        return self.finish(self.start(*words))

    def capabilities(self) -> frozenset[str]:
        """What the server answers to CAPABILITY, in upper case."""
        lines = [parts[0] for parts in self.run(b"CAPABILITY").untagged]
        words = (word for line in lines if line.upper().startswith(b"CAPABILITY ") for word in line.split()[1:])
        return frozenset(word.decode("ascii", "replace").upper() for word in words)

    def run_all(self, commands: Sequence[Sequence[bytes]], depth: int = 32) -> list[Exchange]:
        """Run commands in one pipeline, at most `depth` at once; every one is complete, refused ones included."""
        started: list[Exchange] = []
        for count, command in enumerate(commands):
            started.append(self.start(*command))
            if count >= depth:
                self.settle(started[count - depth])
        for exchange in started:
            self.settle(exchange)
        return started

    def settle(self, exchange: Exchange) -> StatusLine:
        """Wait for the end of a command, whatever it is."""
        while exchange.status is None:
            self.pump()
        return exchange.status

    def send(self, data: Octets) -> None:
        """Send raw octets of a command."""
        if self._held:
            data, self._held = self._held + data, bytearray()
        try:
            self.wire.send(data)
        except ConnectionLost as error:
            self._lost(error)
        except ProtocolViolation:
            self.wire.abort()
            raise

    def wait_to_go_on(self, exchange: Exchange) -> bool:
        """Wait for the server's `+`; False when it ended the command instead."""
        self._may_go_on = False
        while exchange.status is None and not self._may_go_on:
            self.pump()
        return self._may_go_on

    def line(self) -> bytes:
        """The next line."""
        try:
            while (line := self.parser.line()) is None:
                self.fill()
        except ProtocolViolation:
            self.wire.abort()
            raise
        return line

    def fill(self, wait: bool = True) -> bool:
        """Receive once; False when nothing is there and `wait` is not set."""
        if self._held:
            self.send(b"")
        try:
            count = self.wire.receive(self.parser.space(), wait)
        except ConnectionLost as error:
            self._lost(error)
        self.parser.filled(count)
        return count > 0

    def pump(self, wait: bool = True) -> bool:
        """Take in one response; False when none is there and `wait` is not set."""
        if not wait and not self.parser.has_line():
            self.fill(wait=False)
            if not self.parser.has_line():
                return False
        self.take_in(self.line())
        return True

    def take_in(self, line: bytes) -> None:
        """Count a response, of which `line` is the first, to the command that it belongs to."""
        if line.startswith(b"* "):
            self._untagged(self.whole(line))
        elif line.startswith(b"+"):
            self._may_go_on = True
        else:
            self._tagged(line)

    def whole(self, line: bytes) -> Parts:
        """The response that begins with `line`, with its literals, in memory (capped)."""
        parts, size = [line], len(line)
        while self.parser.literal >= 0:
            size += self.parser.literal
            if size > OCTETS_CAP:
                self.violated(f"the server sent an answer of more than {OCTETS_CAP} octets")
            literal = bytearray()
            while self.parser.literal_left:
                chunk = self.parser.chunk()
                literal += chunk if chunk is not None else b""
                if chunk is None:
                    self.fill()
            parts += [bytes(literal), self.line()]
            size += len(parts[-1])
        return parts

    def violated(self, what: str) -> NoReturn:
        """Drop the connection and raise ProtocolViolation."""
        self.wire.abort()
        raise ProtocolViolation(f"{self.peer}: {neutral(what)} (during {self.wire.during})")

    def _offer(self, exchange: Exchange, line: bytearray, literal: bytes) -> None:
        if len(literal) <= self.non_sync_limit:
            line += b"{%d+}\r\n" % len(literal)
            return
        self.send(line + b"{%d}\r\n" % len(literal))
        line.clear()
        self.wait_to_go_on(exchange)

    def _untagged(self, parts: Parts) -> None:
        parts[0] = parts[0][2:]
        if parts[0][:4].upper() == b"BYE ":
            self._bye = parts[0][4:].decode("utf-8", "replace")
        if parts[0][:4].upper() == b"BAD ":  # the server lost its place: what it takes for commands may be message text
            self.violated(f"the server does not understand us: {parts[0][:200].decode('utf-8', 'replace')}")
        if not self.waiting:
            return
        oldest = self.waiting[0]
        oldest.untagged.append(parts)
        oldest.octets += sum(map(len, parts))
        if len(oldest.untagged) > UNTAGGED_CAP:
            self.violated(f"the server sent more than {UNTAGGED_CAP} untagged answers")
        if oldest.octets > OCTETS_CAP:
            self.violated(f"the server sent more than {OCTETS_CAP} octets of untagged answers")

    def _tagged(self, line: bytes) -> None:
        tag, _, rest = line.partition(b" ")
        status = status_line(rest)
        exchange = next((each for each in self.waiting if each.tag == tag), None)
        if exchange is None or status is None or status.status not in ("OK", "NO", "BAD"):
            self.violated(f"the server sent an answer to nothing that was asked: {line[:80]!r}")
        exchange.status = status
        self.waiting.remove(exchange)
        self.wire.during = self.waiting[0].name if self.waiting else "nothing"

    def _lost(self, error: ConnectionLost) -> NoReturn:
        self.wire.abort()
        if not self._bye:
            raise error
        what = str(error).removesuffix(f" during {error.during}")
        raise ConnectionLost(f"{what}: {neutral(self._bye)}", during=error.during) from error
