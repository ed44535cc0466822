"""Greeting, STARTTLS and login by imapclient, over our Wire: all that a server may say before login is capped."""

import imaplib
import re
import ssl

from imapclient import IMAPClient  # type: ignore[import-untyped]

from migrator.imap.errors import PlaintextRefused, ProtocolViolation
from migrator.imap.sasl import Exchange
from migrator.imap.wire import Wire

BEFORE_LOGIN_CAP = 256 * 1024  # octets that a server may send before we are logged in
_CAPABILITY = re.compile(rb"\[CAPABILITY ([^\]]*)\]", re.IGNORECASE)


def told_capabilities(text: bytes) -> frozenset[str]:
    """Those of a response code (RFC 9051, 7.1: greeting and login may carry them), in upper case; empty if none."""
    found = _CAPABILITY.search(text)
    return frozenset(found[1].decode("ascii", "replace").upper().split()) if found else frozenset()


class CappedImap4(imaplib.IMAP4):
    """imaplib's protocol engine on a Wire, with its own read buffer: what is left in it after login is known."""

    def __init__(self, wire: Wire, host: str) -> None:
        self.wire = wire
        self.unread = bytearray()
        self._received = 0
        super().__init__(host, 143)

    def open(self, host: str = "", port: int = 143, timeout: float | None = None) -> None:
        self.host, self.port = host, port

    def read(self, size: int) -> bytes:
        while len(self.unread) < size:
            self._receive(size)
        data = bytes(self.unread[:size])
        del self.unread[:size]
        return data

    def readline(self) -> bytes:
        while (end := self.unread.find(b"\n") + 1) == 0:
            self._receive(0)
        return self.read(end)

    def send(self, data: bytes) -> None:  # type: ignore[override]
        self.wire.send(data)

    def shutdown(self) -> None:
        self.wire.abort()

    def authenticate_by(self, exchange: Exchange) -> bytes:
        """AUTHENTICATE, in one round trip where the server has SASL-IR (RFC 4959). The text of the OK."""
        first = (exchange.at_once(),) if "SASL-IR" in self.capabilities else ()
        self.literal = exchange.answer  # type: ignore[assignment]  # imaplib calls it at each `+`
        status, data = self._simple_command("AUTHENTICATE", exchange.mechanism, *first)
        if status != "OK":
            raise self.error(data[-1].decode("utf-8", "replace"))
        self.state = "AUTH"
        return bytes(data[-1])

    def starttls(self, ssl_context: ssl.SSLContext | None = None) -> tuple[str, list[bytes]]:  # type: ignore[override]
        """STARTTLS; anything that came in plaintext behind its OK could be forged: PlaintextRefused."""
        assert ssl_context is not None
        status, data = self._simple_command("STARTTLS")
        if status != "OK":
            return status, data
        if self.unread:
            raise PlaintextRefused(
                f"{self.wire.peer}: the server sent plaintext after agreeing to STARTTLS: somebody may be interfering"
            )
        self.wire.start_tls(ssl_context, self.host)
        self._tls_established = True
        self.untagged_responses.clear()
        self._get_capabilities()
        return status, data

    def login(self, user: str, password: str) -> tuple[str, list[bytes]]:  # type: ignore[override]
        """LOGIN with both quoted, in UTF-8: servers take that, though RFC 3501 does not say so."""
        self._encoding = "utf-8"
        status, data = self._simple_command("LOGIN", self._quote(user), self._quote(password))
        if status != "OK":
            raise self.error(data[-1].decode("utf-8", "replace"))
        self.state = "AUTH"
        return status, data

    def _get_capabilities(self) -> None:
        """Ask, unless the greeting has told. After STARTTLS always: the greeting was in the clear."""
        told = frozenset() if self._tls_established else told_capabilities(self.welcome)
        if told:
            self.capabilities = tuple(sorted(told))
        else:
            super()._get_capabilities()  # type: ignore[misc]

    def _receive(self, wanted: int) -> None:
        space = memoryview(bytearray(16 * 1024))
        if self._received + wanted > BEFORE_LOGIN_CAP:
            raise ProtocolViolation(
                f"{self.wire.peer}: the server sent more than {BEFORE_LOGIN_CAP} octets before login"
            )
        count = self.wire.receive(space)
        self._received += count
        self.unread += space[:count]


class Client(IMAPClient):  # type: ignore[misc]
    """IMAPClient for the time until login."""

    def __init__(self, wire: Wire, host: str) -> None:
        self._wire = wire
        super().__init__(host, 143, ssl=False)
        self._imap.debug = 0  # its log would hold a copy of every line

    def _create_IMAP4(self) -> CappedImap4:
        return CappedImap4(self._wire, self.host)

    def _set_read_timeout(self) -> None:
        pass  # the Wire has its own
