"""Sieve scripts over ManageSieve (RFC 5804): the library speaks it, over our socket and by our rules for TLS.

The library's own ways to connect would wait for ever at the end of a stream, trust only the system's CAs, and log the
password of a command that failed. Scripts pass byte for byte.
"""

import contextlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from managesieve import MANAGESIEVE, sieve_string  # type: ignore[import-untyped]

from migrator.imap.errors import CommandRefused, ConnectionLost, PlaintextRefused, ProtocolViolation
from migrator.imap.sasl import exchange, without
from migrator.imap.tls import verifying
from migrator.imap.wire import Wire, dial
from migrator.model.bearer import Credentials
from migrator.model.errors import LoginRefused, MigratorError
from migrator.model.mailbox import Endpoint, Login, Tls
from migrator.model.names import has_control, neutral

CAP = 4 << 20  # octets of a script or a line; servers take some hundred thousand
RECEIVE = 64 * 1024
_QUOTED, _ESCAPED, _LITERAL = re.compile(r'"((?:[^"\\]|\\.)*)"'), re.compile(r"\\(.)"), re.compile(r"\{(\d{1,20})\+?\}")
_WORDS = 500  # of what a server says about a script


@dataclass(frozen=True, slots=True)
class Scripts:
    """Names of the scripts, and the one that is active ("" for none)."""

    names: tuple[str, ...]
    active: str


class Sieve:
    """One logged-in connection. Errors: CommandRefused with the server's words, ConnectionLost, ProtocolViolation."""

    def __init__(self, client: "_Client") -> None:
        self._client = client

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(MigratorError):
            self._client._send(b"LOGOUT\r\n")
        self._client._close()

    @property
    def extensions(self) -> frozenset[str]:
        """What scripts may `require` here."""
        return frozenset(self._client.capabilities)

    def scripts(self) -> Scripts:
        """LISTSCRIPTS."""
        listed = self._run(b"LISTSCRIPTS")
        active = next((name for name, mark in listed if mark is not None), "")
        return Scripts(tuple(str(name) for name, _ in listed), active)

    def read(self, name: str) -> bytes:
        """GETSCRIPT."""
        found = self._run(b"GETSCRIPT", _string(name))
        if len(found) != 1:
            raise ProtocolViolation(f"{self._client.wire.peer}: GETSCRIPT brought {len(found)} scripts")
        return str(found[0][0]).encode("utf-8", "surrogateescape")

    def put(self, name: str, script: bytes) -> None:
        """PUTSCRIPT: makes it, or replaces it as a whole. CommandRefused when the server does not take it."""
        try:
            text = script.decode()
        except UnicodeDecodeError:
            raise CommandRefused("PUTSCRIPT", "", "the script is not UTF-8, as RFC 5804 wants it") from None
        self._run(b"PUTSCRIPT", _string(name), sieve_string(text))

    def activate(self, name: str) -> None:
        """SETACTIVE; "": none is active any more."""
        self._run(b"SETACTIVE", _string(name))

    def delete(self, name: str) -> None:
        """DELETESCRIPT; the active one cannot be deleted."""
        self._run(b"DELETESCRIPT", _string(name))

    def _run(self, command: bytes, *arguments: bytes) -> list[list[str]]:
        """The answer's lines, two strings each, the second None where there is none.

        Names go as literals: Cyrus takes quoted ones in ASCII only.
        """
        status, found = _spoken(self._client, command.decode(), self._client._command, command, *arguments)
        if status != "OK":
            raise self._refused(command.decode())
        if any(len(line) != 2 for line in found):
            raise ProtocolViolation(f"{self._client.wire.peer}: {command.decode()} brought more than it may")
        return list(found)

    def _refused(self, command: str) -> CommandRefused:
        code, text = self._client.response_code or "", self._client.response_text or ""
        return CommandRefused(command, neutral(code), " ".join(neutral(text.replace("\r\n", " ")).split())[:_WORDS])


def connect_sieve(
    endpoint: Endpoint, login: Credentials, *, allow_plaintext: bool = False, timeout: float = 30
) -> Sieve:
    """A logged-in Sieve. Unreachable, LoginRefused, PlaintextRefused, CertificateRefused, ProtocolViolation."""
    peer = f"{endpoint.host}:{endpoint.port}"
    if endpoint.tls is Tls.NONE and not allow_plaintext:
        raise PlaintextRefused(
            f"{peer}: the password would cross the network unprotected",
            remedy="Set tls of `sieve:` to starttls; or, on a network you trust, allow_plaintext: true.",
        )
    wire = dial(endpoint, timeout)
    try:
        wire.during = "the greeting of ManageSieve"
        if endpoint.tls is Tls.IMPLICIT:
            wire.start_tls(verifying(endpoint.ca_file), endpoint.host)
        client: _Client = _spoken(wire, "greeting", lambda: _Client(wire))
        if endpoint.tls is Tls.STARTTLS:
            _spoken(wire, "STARTTLS", client.secure, endpoint)
        _log_in(client, login, endpoint)
        return Sieve(client)
    except BaseException:
        wire.abort()
        raise


def _log_in(client: "_Client", login: Credentials, endpoint: Endpoint) -> None:
    peer = client.wire.peer
    secret = login.secret if isinstance(login, Login) else login.tokens.token()
    said = exchange(login, secret, endpoint)
    if said.mechanism not in client.loginmechs:
        raise LoginRefused(f"{peer}: ManageSieve offers no SASL {said.mechanism}", remedy="Allow that there, over TLS.")
    if has_control(login.user) or has_control(secret.reveal()):
        raise LoginRefused(f"{peer}: user or password contains a control character")
    mechanism, response = sieve_string(said.mechanism), sieve_string(said.at_once())
    if _spoken(client, "AUTHENTICATE", client._command, b"AUTHENTICATE", mechanism, response)[0] != "OK":
        words = without((secret.reveal(),), neutral(client.response_text or ""))
        raise LoginRefused(
            f"{peer}: ManageSieve does not let {login.user!r} in: {words}",
            remedy="It takes the same login as IMAP; ask the server's administrator.",
        )
    client.state = "AUTH"


def _spoken(peer: "_Client | Wire", during: str, call: Callable[..., Any], *arguments: Any) -> Any:
    """What the library answers; what it makes of nonsense is a ProtocolViolation."""
    wire = peer if isinstance(peer, Wire) else peer.wire
    wire.during = during
    try:
        return call(*arguments)
    except (MANAGESIEVE.error, ValueError, TypeError, AssertionError, IndexError) as error:
        raise ProtocolViolation(f"{wire.peer}: this is not ManageSieve as we know it: {type(error).__name__}") from None


class _Client(MANAGESIEVE):  # type: ignore[misc]
    """The library over our Wire: `_open`, `_read`, `_readline`, `_send`, `_close` are all of its input and output."""

    def __init__(self, wire: Wire) -> None:
        self.wire, self._unread = wire, bytearray()
        super().__init__(wire.peer)

    def secure(self, endpoint: Endpoint) -> None:
        """STARTTLS. What the server told before does not count; octets that came behind its OK are an attack."""
        if not self.supports_tls:
            raise PlaintextRefused(
                f"{self.wire.peer}: ManageSieve does not offer STARTTLS (or somebody on the way took it out)",
                remedy="Use tls: implicit if the port has it, or find out why STARTTLS is missing.",
            )
        if self._simple_command(b"STARTTLS") != "OK" or self._unread:
            raise ProtocolViolation(f"{self.wire.peer}: STARTTLS failed")
        self.wire.start_tls(verifying(endpoint.ca_file), endpoint.host)
        self.__dict__.update(capabilities=[], loginmechs=[], implementation="")
        status, told = self._get_response()
        if status != "OK":
            raise ProtocolViolation(f"{self.wire.peer}: no capabilities after STARTTLS")
        self._parse_capabilities(told)

    def _open(self, host: str, port: int) -> None:
        pass  # the wire is there

    def _close(self) -> None:
        self.wire.abort()

    def _send(self, data: bytes) -> None:
        self.wire.send(data)

    def _read(self, size: int) -> bytes:
        if size > CAP:
            raise ProtocolViolation(f"{self.wire.peer}: a string of {size} octets")
        while len(self._unread) < size:
            self._receive()
        return self._take(size)

    def _readline(self) -> str:
        while (end := self._unread.find(b"\r\n")) < 0:
            if len(self._unread) > CAP:
                raise ProtocolViolation(f"{self.wire.peer}: a line of more than {CAP} octets")
            self._receive()
        line = self._take(end + 2).decode("utf-8", "surrogateescape")
        if line.startswith("BYE"):
            raise ConnectionLost(f"{self.wire.peer}: the server hung up: {neutral(line[3:-2])}", during="ManageSieve")
        return line

    def _receive(self) -> None:
        buffer = bytearray(RECEIVE)
        self._unread += buffer[: self.wire.receive(memoryview(buffer))]

    def _take(self, size: int) -> bytes:
        taken = bytes(self._unread[:size])
        del self._unread[:size]
        return taken

    def _readstring(self, data: str) -> tuple[str, str]:
        """A string at the start of `data`, and what follows. The library stumbles over escapes and over octets that are
        not UTF-8; the latter are kept as surrogates, which nothing of ours sends."""
        if found := _QUOTED.match(data):
            return _ESCAPED.sub(r"\1", found[1]), data[found.end() :]
        if found := _LITERAL.fullmatch(data):
            return self._read(int(found[1])).decode("utf-8", "surrogateescape"), self._readline()[:-2]
        word, _, rest = data.partition(" ")
        return word, rest

    def _log(self, level: int, msg: str, *args: object) -> None:
        pass  # it would log passwords

    def _print_log(self) -> None:
        pass


def _string(name: str) -> bytes:
    if has_control(name) or "\u2028" in name or "\u2029" in name:
        raise CommandRefused("ManageSieve", "", f"the name {neutral(name)!r} is not one that a script may have")
    try:
        return bytes(sieve_string(name))
    except UnicodeEncodeError:
        raise CommandRefused("ManageSieve", "", f"the name {name!r} is not UTF-8") from None
