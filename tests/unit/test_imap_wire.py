"""The wire while both sides talk at once: no deadlock, no lost byte, and an end to everything."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable

import pytest

from migrator.imap import Session, wire
from migrator.imap.errors import ConnectionLost, ProtocolViolation
from migrator.imap.wire import Wire
from migrator.model.names import FolderName
from tests.unit.imap_script import FULL, Peer, session

SINGLE = FULL.replace(b"MULTIAPPEND", b"X-NONE")
TINY = 4096
NOISE = b"* OK " + b"n" * 1000


def narrow(connected: Session | Peer) -> None:
    """The smallest buffers that the kernel gives."""
    sock = connected.connection if isinstance(connected, Peer) else connected._channel.wire._socket
    for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
        sock.setsockopt(socket.SOL_SOCKET, option, TINY)


def read_append(peer: Peer) -> None:
    """Read one APPEND with its text, having said "+" where the client asks."""
    line = peer.read()
    size = int(line.rpartition(b"{")[2].rstrip(b"+}"))
    if line.endswith(b"}") and not line.endswith(b"+}"):
        peer.send(b"+ go on")
    assert peer.input.read(size) == b"x" * size
    assert peer.input.readline() == b"\r\n"


def append(connected: Session, count: int, size: int) -> list[int | None]:
    appender = connected.appender(FolderName("INBOX"))
    uids: list[int | None] = []
    for first in range(0, count, 50):
        appender.begin()
        for _ in range(min(50, count - first)):
            appender.message(frozenset(), None, size)
            for at in range(0, size, 30_000):
                appender.chunk(b"x" * min(30_000, size - at))
            appender.message_done()
        appender.end(first)
        uids += [uid for result in appender.results(wait=False) for uid in result.uids or ()]
    while results := appender.results(wait=True):
        uids += [uid for result in results for uid in result.uids or ()]
    return uids


def test_a_server_that_talks_while_we_send_does_not_block_us() -> None:
    """A hundred pipelined APPENDs, answered at length, through buffers that hold less than one answer."""

    def play(peer: Peer) -> None:
        narrow(peer)
        for number in range(300):
            read_append(peer)
            peer.send(NOISE, NOISE, NOISE, NOISE, b"@ OK [APPENDUID 1 %d] done" % (number + 1))

    with session(play, SINGLE) as connected:
        narrow(connected)
        assert append(connected, 300, 9000) == list(range(1, 301))


def test_a_server_that_says_everything_before_it_reads_on_does_not_block_us() -> None:
    def play(peer: Peer) -> None:
        narrow(peer)
        read_append(peer)
        peer.send(b"@ OK [APPENDUID 1 1] done")
        for _ in range(2000):
            peer.send(NOISE)
        read_append(peer)
        peer.send(b"@ OK [APPENDUID 1 2] done")

    with session(play, SINGLE) as connected:
        narrow(connected)
        assert append(connected, 2, 200_000) == [1, 2]


def test_what_a_server_may_say_while_we_send_is_capped(monkeypatch: pytest.MonkeyPatch) -> None:
    def play(peer: Peer) -> None:
        narrow(peer)
        read_append(peer)
        while True:
            peer.send(NOISE)

    monkeypatch.setattr(wire, "INBOX_CAP", 100_000)
    with session(play, SINGLE) as connected:
        narrow(connected)
        with pytest.raises(ProtocolViolation, match="more than 100000 octets came"):
            append(connected, 3, 200_000)


def test_a_server_that_stops_reading_is_left_after_the_time_limit() -> None:
    released = threading.Event()

    def play(peer: Peer) -> None:
        narrow(peer)
        peer.read()
        peer.send(b"+ go on")
        released.wait(10)

    with session(play, timeout=0.3) as connected:
        narrow(connected)
        with pytest.raises(ConnectionLost, match=r"no answer for 0\.3 seconds during APPEND"):
            append(connected, 1, 3_000_000)
        released.set()


@pytest.mark.parametrize(
    "leave", [lambda sock: sock.shutdown(socket.SHUT_RDWR), lambda sock: sock.shutdown(socket.SHUT_WR)]
)
def test_a_server_that_leaves_while_we_send_is_an_error(leave: Callable[[socket.socket], None]) -> None:
    def play(peer: Peer) -> None:
        narrow(peer)
        peer.read()
        peer.send(b"+ go on")
        leave(peer.connection)

    with session(play, timeout=2) as connected:
        narrow(connected)
        with pytest.raises(ConnectionLost, match="during APPEND"):
            append(connected, 1, 3_000_000)


def test_both_directions_of_a_tls_connection_stay_whole_while_both_sides_send(
    certified: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    ours_context, theirs_context = certified
    amount = 3_000_000
    with socket.create_server(("127.0.0.1", 0)) as listener:
        received = bytearray()

        def serve() -> None:
            plain, _ = listener.accept()
            with theirs_context.wrap_socket(plain, server_side=True) as peer:
                peer.sendall(b"s" * amount)  # says everything before it reads anything
                while len(received) < amount and (data := peer.recv(65536)):
                    received.extend(data)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        ours = Wire(socket.create_connection(listener.getsockname()), 5, "test")
        ours.start_tls(ours_context, "localhost")
        ours.send(b"c" * amount)
        space, seen = memoryview(bytearray(65536)), 0
        while seen < amount:
            count = ours.receive(space)
            assert bytes(space[:count]) == b"s" * count
            seen += count
        thread.join(10)
        ours.abort()
    assert bytes(received) == b"c" * amount


@pytest.fixture
def certified(authority: object) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """(client's context, server's context)."""
    from tests.lab.certificates import Authority

    assert isinstance(authority, Authority)
    made = authority.issue("wire")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(made.certificate, made.key)
    return authority.context(), server
