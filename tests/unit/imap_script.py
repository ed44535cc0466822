"""A scripted IMAP server at the other end of a socket pair or a listening socket, for what no real server does."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from migrator.imap.channel import Channel
from migrator.imap.parser import Parser
from migrator.imap.records import Body
from migrator.imap.session import Session
from migrator.imap.wire import Wire
from migrator.model.mailbox import Endpoint, Tls

FULL = b"IMAP4rev1 LITERAL+ MULTIAPPEND UIDPLUS CONDSTORE ESEARCH MOVE UNSELECT NAMESPACE"


class Peer:
    """The server's side: reads command lines, sends what the script says."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.input = connection.makefile("rb")
        self.tag = b""
        self.seen: list[bytes] = []

    def read(self) -> bytes:
        """The next command without its tag, which becomes `tag`; an empty text at the end."""
        line = self.input.readline().rstrip(b"\r\n")
        self.seen.append(line)
        self.tag, _, command = line.partition(b" ")
        return command

    def send(self, *lines: bytes) -> None:
        """Lines, each with CRLF; `@` at the start stands for the tag of the last command."""
        for line in lines:
            self.raw(line.replace(b"@", self.tag, 1) + b"\r\n" if line[:1] == b"@" else line + b"\r\n")

    def raw(self, data: bytes) -> None:
        self.connection.sendall(data)


Play = Callable[[Peer], None]


class _Player(threading.Thread):
    def __init__(self, connection: socket.socket, play: Play) -> None:
        super().__init__(daemon=True)
        self.connection, self.play, self.peer = connection, play, Peer(connection)

    def run(self) -> None:
        try:
            self.play(self.peer)
        except OSError:
            pass  # the client left, as some tests want
        finally:
            self.peer.input.close()
            self.connection.close()


@contextmanager
def session(play: Play, capabilities: bytes = FULL, timeout: float = 5) -> Iterator[Session]:
    """A Session whose server, after login, is `play`."""

    def played(peer: Peer) -> None:
        assert peer.read() == b"CAPABILITY"
        peer.send(b"* CAPABILITY " + capabilities, b"@ OK done")
        play(peer)

    ours, theirs = socket.socketpair()
    player = _Player(theirs, played)
    player.start()
    connected = Session(Channel(_tcp_less(ours, timeout), Parser()))
    try:
        yield connected
    finally:
        connected.abort()
        player.join(10)
        assert not player.is_alive()


@contextmanager
def listening(*plays: Play) -> Iterator[Endpoint]:
    """A plaintext endpoint; each of `plays` is run for one connection to it, in this order."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threads: list[_Player] = []

        def accept() -> None:
            for play in plays:
                connection, _ = listener.accept()
                threads.append(_Player(connection, play))
                threads[-1].start()

        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        yield Endpoint("127.0.0.1", listener.getsockname()[1], Tls.NONE)
        accepting.join(5)
        for thread in threads:
            thread.join(10)
            assert not thread.is_alive()


class _PairSocket(socket.socket):
    """A Unix socket that lets TCP options be set."""

    def setsockopt(self, level: int, *rest: Any) -> None:
        if level != socket.IPPROTO_TCP:
            super().setsockopt(level, *rest)


def _tcp_less(ours: socket.socket, timeout: float) -> Wire:
    return Wire(_PairSocket(ours.family, ours.type, ours.proto, ours.detach()), timeout, "scripted")


def say(*lines: bytes) -> Callable[[Peer], None]:
    """Answer every command with these lines."""

    def play(peer: Peer) -> None:
        while peer.read():
            peer.send(*lines)

    return play


def content(body: Body) -> bytes:
    return b"".join(map(bytes, body.chunks))


def bodies(connected: Session, *uids: int) -> list[tuple[int, bytes]]:
    return [(body.uid, content(body)) for body in connected.bodies(uids)]
