"""A small IMAP client on a raw socket: sends exactly the bytes it is given, and shows exactly the bytes it gets."""

from __future__ import annotations

import base64
import re
import socket
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

LITERAL_END = re.compile(rb"\{(\d+)\}\r\n$")
TOKEN = re.compile(rb'\s*(\(|\)|"(?:[^"\\]|\\.)*"|(?:\[[^\]]*\]|[^\s()"\[])+)')
PLAIN_NAME = re.compile(rb"^[\x20-\x7e]*$")

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

Token = bytes | list["Token"] | None


class ImapError(Exception):
    """The server refused a command, broke the protocol or went away."""


@dataclass(frozen=True)
class Literal:
    """Octets to be sent as a literal."""

    octets: bytes


@dataclass
class Response:
    """One untagged response: its text lines, with the literals that stood between them."""

    parts: list[bytes | Literal]

    @property
    def head(self) -> bytes:
        first = self.parts[0]
        assert isinstance(first, bytes)
        return first

    def tokens(self) -> list[Token]:
        """The response after `* `, as nested lists of atoms, strings and None for NIL."""
        stack: list[list[Token]] = [[]]
        for part in self.parts:
            if isinstance(part, Literal):
                stack[-1].append(part.octets)
                continue
            for match in TOKEN.finditer(LITERAL_END.sub(b"", part).removeprefix(b"* ")):
                _shift(stack, match.group(1))
        return stack[0]


def _shift(stack: list[list[Token]], token: bytes) -> None:
    if token == b"(":
        stack.append([])
    elif token == b")":
        inner = stack.pop()
        stack[-1].append(inner)
    elif token[:1] == b'"':
        stack[-1].append(re.sub(rb"\\(.)", rb"\1", token[1:-1]))
    else:
        stack[-1].append(None if token.upper() == b"NIL" else token)


class Imap:
    """One IMAP connection. `context` means TLS from the first byte; `capabilities` are those after the login."""

    def __init__(self, host: str, port: int, *, context: ssl.SSLContext | None = None, timeout: float = 60) -> None:
        raw = socket.create_connection((host, port), timeout)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = context.wrap_socket(raw, server_hostname=host) if context else raw
        self._reader = self.socket.makefile("rb", buffering=1 << 20)
        self._count = 0
        self.capabilities: frozenset[str] = frozenset()
        if not self._line().startswith(b"* OK"):
            raise ImapError(f"{host}:{port} did not greet")

    def __enter__(self) -> Imap:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Drop the connection; nothing is said to the server."""
        self._reader.close()
        self.socket.close()

    def login(self, user: str, password: str) -> Imap:
        """LOGIN, then ask what the server can do."""
        self.command(b"LOGIN", quoted(user.encode()), quoted(password.encode()))
        answers = [response.head for response in self.command(b"CAPABILITY")]
        words = next(head for head in answers if head.upper().startswith(b"* CAPABILITY")).split()[2:]
        self.capabilities = frozenset(word.decode().upper() for word in words)
        return self

    def command(self, *parts: bytes | Literal) -> list[Response]:
        """Send one command, its parts joined by spaces; the untagged responses. ImapError unless it ends with OK."""
        return list(self.stream(*parts))

    def stream(self, *parts: bytes | Literal) -> Iterator[Response]:
        """Like `command`, but yields each response as it arrives."""
        tag = self.send(*parts)
        while True:
            response = self._response()
            if response.head.startswith(tag + b" "):
                self.done = response.head
                if not response.head[len(tag) + 1 :].upper().startswith(b"OK"):
                    raise ImapError(f"{parts[0]!r}: {response.head.decode('utf-8', 'replace').strip()}")
                return
            yield response

    def send(self, *parts: bytes | Literal) -> bytes:
        """Send a command without waiting for its end; literals go out non-synchronising (LITERAL+). Returns its tag."""
        self._count += 1
        tag = b"t%d" % self._count
        chunks = [tag]
        for part in parts:
            chunks.append(b" ")
            chunks.append(b"{%d+}\r\n" % len(part.octets) + part.octets if isinstance(part, Literal) else part)
        self.socket.sendall(b"".join([*chunks, b"\r\n"]))
        return tag

    def examine(self, name: str) -> dict[str, int]:
        """EXAMINE a folder: exists, uidvalidity, uidnext. The folder is never changed by this."""
        found: dict[str, int] = {}
        for response in self.command(b"EXAMINE", mailbox(name)):
            if match := re.match(rb"\* (\d+) EXISTS", response.head):
                found["exists"] = int(match[1])
            elif match := re.match(rb"\* OK \[(UIDVALIDITY|UIDNEXT) (\d+)\]", response.head):
                found[match[1].decode().lower()] = int(match[2])
        return found

    def folders(self) -> list[ListedFolder]:
        """All folders the user can see, with the personal namespace's prefix taken off in `path`."""
        prefix = self._prefix()
        subscribed = {
            _name(response.tokens()[3]) for response in self.command(b'LSUB "" "*"') if _is(response, b"LSUB")
        }
        listed = []
        for response in self.command(b'LIST "" "*"'):
            if _is(response, b"LIST"):
                _, attributes, separator, name = response.tokens()[:4]
                assert isinstance(attributes, list)
                flags = frozenset(item.decode().lower() for item in attributes if isinstance(item, bytes))
                mark = separator.decode() if isinstance(separator, bytes) else ""
                listed.append(ListedFolder(_name(name), mark, flags, prefix, _name(name) in subscribed))
        return listed

    def _prefix(self) -> str:
        if "NAMESPACE" not in self.capabilities:
            return ""
        for response in self.command(b"NAMESPACE"):
            tokens = response.tokens()
            if _is(response, b"NAMESPACE") and isinstance(tokens[1], list):
                first = tokens[1][0]
                assert isinstance(first, list)
                return _name(first[0])
        return ""

    def fetch(self, uids: str, items: str) -> Iterator[Mapping[str, Token]]:
        """UID FETCH; one mapping of upper-case item names to values a message, as they arrive."""
        for response in self.stream(b"UID FETCH", uids.encode(), f"({items})".encode()):
            if re.match(rb"\* \d+ FETCH ", response.head):
                pairs = response.tokens()[2]
                assert isinstance(pairs, list)
                keys = [key.decode().upper() for key in pairs[::2] if isinstance(key, bytes)]
                yield dict(zip(keys, pairs[1::2], strict=True))

    def _response(self) -> Response:
        parts: list[bytes | Literal] = [self._line()]
        while match := LITERAL_END.search(parts[-1]):  # type: ignore[arg-type]
            size = int(match[1])
            octets = self._reader.read(size)
            if len(octets) != size:
                raise ImapError("the connection ended inside a literal")
            parts += [Literal(octets), self._line()]
        return Response(parts)

    def _line(self) -> bytes:
        line = self._reader.readline()
        if not line.endswith(b"\n"):
            raise ImapError("the connection ended")
        return line


@dataclass(frozen=True)
class ListedFolder:
    """A line of LIST: full decoded name, separator, attributes (lower case), namespace prefix, subscription."""

    name: str
    separator: str
    attributes: frozenset[str] = field(default_factory=frozenset)
    prefix: str = ""
    subscribed: bool = False

    @property
    def selectable(self) -> bool:
        return not self.attributes & {"\\noselect", "\\nonexistent"}

    @property
    def path(self) -> str:
        """The name as people see it, parts joined by "/": without the namespace prefix, INBOX in capitals."""
        if self.name.upper() == "INBOX":
            return "INBOX"
        bare = self.name.removeprefix(self.prefix) if self.prefix else self.name
        parts = bare.split(self.separator) if self.separator else [bare]
        return "/".join(part.replace("/", "\\/") for part in parts)


def _is(response: Response, word: bytes) -> bool:
    return response.head[2:].upper().startswith(word + b" ")


def _name(token: Token) -> str:
    if not isinstance(token, bytes):
        raise ImapError(f"a folder name was expected, not {token!r}")
    return decode_utf7(token)


def mailbox(name: str) -> bytes | Literal:
    """A folder name as it goes into a command: modified UTF-7, quoted, or a literal where quotes will not do."""
    encoded = encode_utf7(name)
    return quoted(encoded) if PLAIN_NAME.match(encoded) else Literal(encoded)


def quoted(octets: bytes) -> bytes:
    """An IMAP quoted string."""
    return b'"' + octets.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def encode_utf7(name: str) -> bytes:
    """Modified UTF-7 of RFC 3501, section 5.1.3."""

    def shifted(match: re.Match[str]) -> str:
        packed = base64.b64encode(match[0].encode("utf-16-be")).decode().rstrip("=")
        return "&" + packed.replace("/", ",") + "-"

    return re.sub(r"[^\x20-\x7e]+", shifted, name.replace("&", "&-")).encode("ascii")


def decode_utf7(octets: bytes) -> str:
    """The reverse of `encode_utf7`; what is not valid is kept as it stands."""

    def unshifted(match: re.Match[str]) -> str:
        packed = match[1].replace(",", "/")
        if not packed:
            return "&"
        return base64.b64decode(packed + "=" * (-len(packed) % 4)).decode("utf-16-be", "replace")

    return re.sub(r"&([A-Za-z0-9+,]*)-", unshifted, octets.decode("utf-8", "replace"))
