"""The socket: the only file that touches one. Bytes out, bytes in, TLS, time limits."""

import contextlib
import select
import socket
import ssl
import time
from datetime import UTC, datetime
from operator import itemgetter

from migrator.imap.errors import ConnectionLost, ProtocolViolation
from migrator.model.errors import CertificateRefused, Unreachable
from migrator.model.mailbox import Endpoint

INBOX_CAP = 16 << 20  # octets that may arrive while we are sending; answers to 100 APPENDs are 10 KB
ABSORB = 64 * 1024
Octets = bytes | bytearray | memoryview
_KEEPALIVE = (  # a peer that is gone without a word is noticed within a minute, however patient we are with a live one
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, getattr(socket, "TCP_KEEPIDLE", 0), 30),
    (socket.IPPROTO_TCP, getattr(socket, "TCP_KEEPINTVL", 0), 10),
    (socket.IPPROTO_TCP, getattr(socket, "TCP_KEEPCNT", 0), 3),
    (socket.IPPROTO_TCP, getattr(socket, "TCP_USER_TIMEOUT", 0), 60_000),
)


class Wire:
    """A connected socket. It never blocks for longer than `timeout` seconds without a byte moving.

    `peer` and `during` say with whom and what, for errors. `deadline` (time.monotonic) ends all waiting when it is set.
    TCP buffers are left to the kernel: a fixed SO_RCVBUF would end its autotuning and cap the rate over long paths.
    """

    def __init__(self, connected: socket.socket, timeout: float, peer: str) -> None:
        self.peer = peer
        self.during = "connecting"
        self.greeting = ""  # the server's first line
        self.deadline: float | None = None
        self._socket = connected
        self.timeout = timeout
        self._inbox = bytearray()
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for level, option, value in filter(itemgetter(1), _KEEPALIVE):
            connected.setsockopt(level, option, value)
        connected.setblocking(False)
        self._attach(connected)

    def send(self, data: Octets) -> None:
        """Send all of `data`. What arrives while the peer takes none is kept for `receive`: no deadlock.

        ConnectionLost when the connection breaks or nothing moves for `timeout`.
        """
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[self._socket.send(rest) :]
            except ssl.SSLWantReadError:
                self._wait(select.POLLIN)
                self._absorb()
            except (BlockingIOError, ssl.SSLWantWriteError):
                if self._wait(select.POLLOUT | select.POLLIN) & select.POLLIN:
                    self._absorb()
            except OSError as error:
                raise self._lost(_reason(error)) from error

    def receive(self, into: memoryview, wait: bool = True) -> int:
        """Put what arrives into `into` and return how many octets; 0 only without `wait`, when nothing is there.

        ConnectionLost at the end of the stream, or when nothing arrives for `timeout`.
        """
        if self._inbox:
            return self._take(into)
        while True:
            try:
                count = self._socket.recv_into(into)
            except (BlockingIOError, ssl.SSLWantReadError):
                if not wait:
                    return 0
                self._wait(select.POLLIN)
            except ssl.SSLWantWriteError:
                self._wait(select.POLLOUT)
            except OSError as error:
                raise self._lost(_reason(error)) from error
            else:
                if not count:
                    raise self._lost("the server closed the connection")
                return count + self._more(into[count:]) if self._tls else count

    def _more(self, into: memoryview) -> int:
        """What else has arrived. TLS hands out records of 16 KB; to work on each by itself costs as much as to decrypt
        it."""
        count = 0
        with contextlib.suppress(OSError):  # of which the next call will hear, too
            while count < len(into) and (got := self._socket.recv_into(into[count:])):
                count += got
        return count

    def start_tls(self, context: ssl.SSLContext, host: str) -> None:
        """TLS from here on, with a verified certificate for `host`. CertificateRefused, ConnectionLost."""
        try:
            secured = context.wrap_socket(self._socket, server_hostname=host, do_handshake_on_connect=False)
            self._attach(secured)
            self._handshake(secured)
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError) as error:
            raise self._lost("the server closed the connection") from error
        except ssl.SSLError as error:
            raise self._refused(error) from error
        except OSError as error:
            raise self._lost(_reason(error)) from error

    @property
    def certificate_ends(self) -> datetime | None:
        """When the peer's certificate runs out (aware); None without TLS."""
        found = self._socket.getpeercert() if isinstance(self._socket, ssl.SSLSocket) else None
        return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(found["notAfter"])), UTC) if found else None

    def abort(self) -> None:
        """Close, whatever is under way; never raises.

        The orderly way (FIN): a reset in the middle of an APPEND over TLS makes Dovecot's login process abort, and with
        it go the sessions of other users.
        """
        with contextlib.suppress(OSError):
            self._socket.close()

    def _attach(self, connected: socket.socket) -> None:
        self._socket = connected
        self._tls = isinstance(connected, ssl.SSLSocket)
        self._poll = select.poll()
        self._poll.register(connected, select.POLLIN)

    def _handshake(self, secured: ssl.SSLSocket) -> None:
        while True:
            try:
                return secured.do_handshake()
            except ssl.SSLWantReadError:
                self._wait(select.POLLIN)
            except ssl.SSLWantWriteError:
                self._wait(select.POLLOUT)

    def _wait(self, events: int) -> int:
        patience = self.timeout
        if self.deadline is not None:
            patience = min(patience, self.deadline - time.monotonic())
        self._poll.modify(self._socket, events)
        ready = self._poll.poll(max(0, patience) * 1000)
        if not ready:
            raise self._lost(f"no answer for {self.timeout:g} seconds")
        return ready[0][1]

    def _absorb(self) -> None:
        data = bytearray(ABSORB)
        count = 0
        try:
            count = self._socket.recv_into(data)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        except OSError as error:
            raise self._lost(_reason(error)) from error
        if not count:
            raise self._lost("the server closed the connection")
        self._inbox += data[:count]
        if len(self._inbox) > INBOX_CAP:
            raise ProtocolViolation(f"{self.peer}: more than {INBOX_CAP} octets came while it was being sent a message")

    def _take(self, into: memoryview) -> int:
        count = min(len(into), len(self._inbox))
        into[:count] = self._inbox[:count]
        del self._inbox[:count]
        return count

    def _lost(self, what: str) -> ConnectionLost:
        return ConnectionLost(f"{self.peer}: {what}", during=self.during)

    def _refused(self, error: ssl.SSLError) -> CertificateRefused:
        reason = getattr(error, "verify_message", "") or error.reason or str(error)
        return CertificateRefused(
            f"{self.peer}: TLS failed: {reason}",
            remedy="Name the CA that signed the server's certificate (ca_file), and the host as it is in there.",
        )


def dial(endpoint: Endpoint, timeout: float) -> Wire:
    """A TCP connection to `endpoint`, without TLS yet. Unreachable names host, port and reason."""
    peer = f"{endpoint.host}:{endpoint.port}"
    try:
        return Wire(socket.create_connection((endpoint.host, endpoint.port), timeout), timeout, peer)
    except OSError as error:
        raise Unreachable(
            f"{peer} does not answer: {error.strerror or error}",
            remedy="Check host and port in migrator.yaml, and that the server is up and reachable from here.",
        ) from error


def _reason(error: OSError) -> str:
    return f"the connection broke ({error.strerror or error})"
