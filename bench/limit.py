"""The servers' own limit: how fast one can be drained while a prebuilt stream is blasted into the other.

Two connections each, everything sent ahead of the answers, no parsing, no state, nothing checked but that every command
ended with OK. So it is what the servers, and the wire before them, can do at best with two connections each; more
connections may do better where the wire is slow and the mailboxes are many.
"""

from __future__ import annotations

import queue
import resource
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from tests.lab.corpus import BATCH_OCTETS, Item
from tests.lab.wire import Imap, encode_utf7, quoted

CONNECTIONS = 2
BATCH_MESSAGES = 100
WINDOW = 64
"""Commands sent ahead of their answers: no wait on a slow wire, and answers that fit into the sockets' buffers."""

Plan = Sequence[tuple[str, Mapping[str, Iterable[bytes]]]]
"""Address and, for each folder, the commands that fill it."""
Unit = tuple[str, Iterable[bytes]]
"""A folder and the commands that fill it."""
Connect = Callable[[str], Imap]
"""A connection that is logged in as this user."""
Work = Callable[[Imap, Sequence[Unit]], None]


def batches(folder: str, items: Iterable[Item], most: int = BATCH_MESSAGES) -> Iterator[bytes]:
    """MULTIAPPEND commands, without their tags, of at most `most` messages each, for the messages of one folder."""
    parts: list[bytes] = []
    octets = 0
    for one in items:
        if len(parts) == most or (parts and octets + len(one.octets) > BATCH_OCTETS):
            yield _append(folder, parts)
            parts, octets = [], 0
        head = f' ({" ".join(one.flags)}) "{one.internaldate}" {{{len(one.octets)}+}}\r\n'.encode()
        parts.append(head + one.octets)
        octets += len(one.octets)
    if parts:
        yield _append(folder, parts)


def _append(folder: str, parts: list[bytes]) -> bytes:
    return b" APPEND " + quoted(encode_utf7(folder)) + b"".join(parts) + b"\r\n"


def limit(source: Connect, target: Connect, plan: Plan) -> tuple[float, float, None]:
    """Drain and blast at once; wall and CPU seconds of this process."""
    began, used = time.monotonic(), _cpu()
    failed: list[BaseException] = []
    drained = threading.Thread(target=_share, args=(drain, source, plan, failed))
    drained.start()
    _share(blast, target, plan, failed)
    drained.join()
    if failed:
        raise failed[0]
    return time.monotonic() - began, _cpu() - used, None


def fill(server: Connect, plan: Plan) -> None:
    """Make the folders and fill them."""
    failed: list[BaseException] = []
    _share(blast, server, plan, failed)
    if failed:
        raise failed[0]


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _share(work: Work, connect: Connect, plan: Plan, failed: list[BaseException]) -> None:
    """Share the folders (of many mailboxes: the mailboxes) among the connections."""
    todo: queue.SimpleQueue[tuple[str, list[Unit]]] = queue.SimpleQueue()
    for address, folders in plan:
        by_size = sorted(folders.items(), key=lambda unit: -sum(map(len, unit[1])))
        parts = CONNECTIONS if len(plan) == 1 else 1
        for part in range(parts):
            todo.put((address, by_size[part::parts]))
    threads = [threading.Thread(target=_work, args=(work, connect, todo, failed)) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _work(
    work: Work, connect: Connect, todo: queue.SimpleQueue[tuple[str, list[Unit]]], failed: list[BaseException]
) -> None:
    try:
        while True:
            user, units = todo.get_nowait()
            with connect(user) as connection:
                work(connection, units)
    except queue.Empty:
        pass
    except BaseException as error:
        failed.append(error)


def blast(connection: Imap, units: Iterable[Unit]) -> None:
    """Fill folders."""
    waiting: deque[bytes] = deque()
    for number, command in enumerate(_fillings(units)):
        waiting.append(tag := b"B%d" % number)
        connection.socket.sendall(tag)
        connection.socket.sendall(command)
        if len(waiting) == WINDOW:
            _until_ok(connection, waiting.popleft())
    while waiting:
        _until_ok(connection, waiting.popleft())


def _fillings(units: Iterable[Unit]) -> Iterator[bytes]:
    for folder, commands in units:
        if folder != "INBOX":
            yield b" CREATE " + quoted(encode_utf7(folder)) + b"\r\n"
        yield from commands


def _until_ok(connection: Imap, tag: bytes) -> None:
    while not (line := connection._line()).startswith(tag + b" "):
        pass
    if not line.startswith(tag + b" OK"):
        raise RuntimeError(f"the server refused a batch: {line!r}")


def drain(connection: Imap, units: Sequence[Unit]) -> None:
    """Read folders as fast as they come; only the ends of what is read are looked at."""
    asked = b""
    for number, (folder, _) in enumerate(units):
        name = quoted(encode_utf7(folder))
        asked += b"E%d EXAMINE %b\r\nD%d UID FETCH 1:* (BODY.PEEK[])\r\n" % (number, name, number)
    connection.socket.sendall(asked)
    buffer = bytearray(1 << 18)
    mark, tail, octets = b"\r\nD%d OK " % (len(units) - 1), b"", 0
    while mark not in tail:
        count = connection.socket.recv_into(buffer)
        if not count:
            raise RuntimeError("the server closed the connection while it was drained")
        tail = (tail + bytes(buffer[max(0, count - 200) : count]))[-200:]
        octets += count
    if octets < 0.9 * sum(len(command) for _, commands in units for command in commands):
        raise RuntimeError("the server did not send all messages")
