"""IMAP responses without I/O: bytes in, lines and literal chunks out.

Literals are handed out as views of the receive buffer, not copied: a view is valid until more is asked for.
"""

import re

from migrator.imap.errors import ProtocolViolation

BUFFER = 256 * 1024
LINE_CAP = 1_000_000  # octets of one line; what a server may make us hold
LITERAL_CAP = 2 << 30  # octets of one literal; literals are streamed, not held
_ANNOUNCED = re.compile(rb"\{(\d{1,20})\+?\}\Z")
_STATUS = re.compile(rb"\* (?:OK|NO|BAD|BYE|PREAUTH) |\+|[^*]", re.IGNORECASE)  # text to the end of the line


class Parser:
    """`space` and `filled` put bytes in; `line` and `chunk` take them out.

    After `line`, `literal` is the size of the literal that the line announces, or -1; all of it must be taken with
    `chunk` (until `literal_left` is 0) before the next `line`.
    """

    def __init__(self, size: int = BUFFER) -> None:
        self._buffer = bytearray(size)
        self._view = memoryview(self._buffer)
        self._start = self._end = self._searched = 0
        self.literal = -1
        self.literal_left = 0

    def space(self) -> memoryview:
        """Where the next bytes go; never empty."""
        if self._start == self._end:
            self._start = self._end = self._searched = 0
        elif len(self._buffer) - self._end < len(self._buffer) // 4:
            self._make_room()
        return self._view[self._end :]

    def filled(self, count: int) -> None:
        """`count` octets were put into `space`."""
        self._end += count

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Put `data` in as it is; for what was received elsewhere."""
        rest = memoryview(data)
        while rest:
            space = self.space()
            count = min(len(space), len(rest))
            space[:count] = rest[:count]
            self.filled(count)
            rest = rest[count:]

    def release(self) -> None:
        """Forget all, and give the memory back: nothing more will come."""
        self._buffer = bytearray()
        self._view = memoryview(self._buffer)
        self._start = self._end = self._searched = self.literal_left = 0
        self.literal = -1

    def line(self) -> bytes | None:
        """The next line without CRLF; None when more bytes are needed. ProtocolViolation beyond the caps."""
        start = self._start
        at = self._buffer.find(b"\r\n", self._searched, self._end)
        if (self._end if at < 0 else at) - start > LINE_CAP:
            raise ProtocolViolation(f"the server sent a line of more than {LINE_CAP} octets")
        if at < 0:
            self._searched = max(start, self._end - 1)
            return None
        line = bytes(self._view[start:at])
        self._start = self._searched = at + 2
        if line[-1:] == b"}":
            self._announce(line)
        else:
            self.literal = -1
        return line

    def has_line(self) -> bool:
        """Whether `line` would give one."""
        return self._buffer.find(b"\r\n", self._searched, self._end) >= 0

    def chunk(self) -> memoryview | None:
        """The part of the literal that is there; None when more bytes are needed."""
        count = min(self._end - self._start, self.literal_left)
        if not count:
            return None
        view = self._view[self._start : self._start + count]
        self._start += count
        self._searched = self._start
        self.literal_left -= count
        return view

    def take_whole(self, head: re.Pattern[bytes], tail: bytes) -> tuple[int, memoryview] | None:
        """A response that is `head`, a literal, `tail`, when all of it is there; else None, and nothing is taken.

        `head` has two groups, a number and the literal's size, and ends after `{size}CRLF`. Returns the number and the
        literal. One search instead of three lines and a chunk: most messages are small.
        """
        if self.literal >= 0 or not (found := head.match(self._buffer, self._start, self._end)):
            return None
        first, last = found.end(), found.end() + int(found[2])
        if last + len(tail) > self._end or self._buffer[last : last + len(tail)] != tail:
            return None
        self._start = self._searched = last + len(tail)
        return int(found[1]), self._view[first:last]

    def _announce(self, line: bytes) -> None:
        inside, self.literal = self.literal >= 0, -1
        if not inside and _STATUS.match(line):
            return
        found = _ANNOUNCED.search(line, max(0, len(line) - 24))
        if found:
            self.literal = self.literal_left = int(found[1])
            if self.literal > LITERAL_CAP:
                raise ProtocolViolation(f"the server announced a literal of {self.literal} octets")

    def _make_room(self) -> None:
        """Move the unread rest to the front, of a larger buffer when it fills most of this one."""
        rest = self._end - self._start
        buffer = self._buffer if rest <= len(self._buffer) // 2 else bytearray(2 * len(self._buffer))
        view = memoryview(buffer)
        view[:rest] = self._view[self._start : self._end]
        self._buffer, self._view = buffer, view
        self._searched -= self._start
        self._start, self._end = 0, rest
