"""The servers' own limit: how fast one can be drained while a prebuilt stream is blasted into the other.

Two connections each, no parsing, no state, nothing checked but that every command ended with OK.
"""

from __future__ import annotations

import queue
import resource
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence

from tests.lab.corpus import BATCH_OCTETS, Item
from tests.lab.dovecot import Dovecot
from tests.lab.wire import Imap, encode_utf7, quoted

CONNECTIONS = 2
BATCH_MESSAGES = 100
WINDOW = 4

Plan = Sequence[tuple[str, Mapping[str, list[bytes]]]]
"""Address and, for each folder, the commands that fill it."""
Unit = tuple[str, str, list[bytes]]


def batches(folder: str, items: Iterable[Item]) -> list[bytes]:
    """MULTIAPPEND commands, without their tags, for the messages of one folder."""
    commands: list[bytes] = []
    parts: list[bytes] = []
    octets = 0
    for one in items:
        if len(parts) == BATCH_MESSAGES or (parts and octets + len(one.octets) > BATCH_OCTETS):
            commands.append(_command(folder, parts))
            parts, octets = [], 0
        head = f' ({" ".join(one.flags)}) "{one.internaldate}" {{{len(one.octets)}+}}\r\n'.encode()
        parts.append(head + one.octets)
        octets += len(one.octets)
    return [*commands, _command(folder, parts)] if parts else commands


def _command(folder: str, parts: list[bytes]) -> bytes:
    return b" APPEND " + quoted(encode_utf7(folder)) + b"".join(parts) + b"\r\n"


def limit(source: Dovecot, target: Dovecot, plan: Plan, tls: bool) -> tuple[float, float, None]:
    """Drain and blast at once; wall and CPU seconds of this process."""
    began, used = time.monotonic(), _cpu()
    drain = threading.Thread(target=_in_turn, args=(_drain, source, plan, tls))
    drain.start()
    blast(target, plan, tls)
    drain.join()
    return time.monotonic() - began, _cpu() - used, None


def blast(server: Dovecot, plan: Plan, tls: bool) -> None:
    """Make the folders and fill them."""
    _in_turn(_blast, server, plan, tls)


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _in_turn(work: Callable[[Imap, Unit], None], server: Dovecot, plan: Plan, tls: bool) -> None:
    """Share the folders (of many mailboxes: the mailboxes) among the connections."""
    todo: queue.SimpleQueue[list[Unit]] = queue.SimpleQueue()
    for address, folders in plan:
        units = [(address, folder, commands) for folder, commands in folders.items()]
        for share in [units] if len(plan) > 1 else [[unit] for unit in units]:
            todo.put(share)
    failed: list[BaseException] = []
    threads = [threading.Thread(target=_work, args=(work, server, todo, tls, failed)) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]


def _work(
    work: Callable[[Imap, Unit], None], server: Dovecot, todo: queue.SimpleQueue[list[Unit]], tls: bool,
    failed: list[BaseException],
) -> None:  # fmt: skip
    connection, user = None, ""
    try:
        while True:
            share = todo.get_nowait()
            if connection is None or user != share[0][0]:
                if connection:
                    connection.close()
                user = share[0][0]
                connection = server.connect(user, tls=tls)
            for unit in share:
                work(connection, unit)
    except queue.Empty:
        pass
    except BaseException as error:
        failed.append(error)
    finally:
        if connection:
            connection.close()


def _blast(connection: Imap, unit: Unit) -> None:
    _, folder, commands = unit
    if folder != "INBOX":
        connection.command(b"CREATE", quoted(encode_utf7(folder)))
    waiting: deque[bytes] = deque()
    for number, command in enumerate(commands):
        tag = b"B%d" % number
        connection.socket.sendall(tag)
        connection.socket.sendall(command)
        waiting.append(tag)
        if len(waiting) == WINDOW:
            _until_ok(connection, waiting.popleft())
    while waiting:
        _until_ok(connection, waiting.popleft())


def _until_ok(connection: Imap, tag: bytes) -> None:
    while not (line := connection._line()).startswith(tag + b" "):
        pass
    if not line.startswith(tag + b" OK"):
        raise RuntimeError(f"the server refused a batch: {line!r}")


def _drain(connection: Imap, unit: Unit) -> None:
    connection.examine(unit[1])
    connection.socket.sendall(b"D1 UID FETCH 1:* (BODY.PEEK[])\r\n")
    buffer = bytearray(1 << 18)
    tail = b""
    while b"\r\nD1 OK " not in tail:
        count = connection.socket.recv_into(buffer)
        if not count:
            raise RuntimeError("the server closed the connection while it was drained")
        tail = (tail + bytes(buffer[max(0, count - 200) : count]))[-200:]
