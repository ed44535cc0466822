"""The servers of the wire's contract: Dovecot as it is, Dovecot with capabilities taken away, and pymap."""

from __future__ import annotations

import asyncio
import threading
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from migrator.imap import Session, connect
from migrator.model.mailbox import Endpoint, Login, Secret, Tls
from migrator.model.names import FolderName
from tests.lab.dovecot import Dovecot
from tests.lab.requirements import require

USERS = [f"user{number}" for number in range(60)]
OFFERED = {
    "dovecot": "",
    "dovecot-bare": "IMAP4rev1",
    "dovecot-single": "IMAP4rev1 LITERAL+ UIDPLUS ID",
    "dovecot-literal-minus": "IMAP4rev1 LITERAL- UIDPLUS MULTIAPPEND LIST-EXTENDED CONDSTORE",
}


@dataclass(frozen=True)
class Server:
    """One running server; `prefix` is what every folder but INBOX begins with."""

    kind: str
    endpoint: Endpoint
    login: Callable[[], Login]
    prefix: str = ""

    def enter(self) -> Session:
        """A session of a user that no other test has used."""
        return self.enter_as(self.login())

    def enter_as(self, login: Login) -> Session:
        """A session of this user."""
        return connect(self.endpoint, login, allow_plaintext=True, timeout=20)

    def name(self, name: str) -> FolderName:
        """A folder name that this server takes."""
        return FolderName(self.prefix + name)


@contextmanager
def running(kind: str) -> Iterator[Server]:
    """A server of this kind: a key of OFFERED, "dovecot-dots" or "pymap"."""
    if kind == "pymap":
        pytest.importorskip("pymap")
        with _pymap() as server:
            yield server
        return
    require("dovecot")
    dots: dict[str, Any] = {"separator": ".", "prefix": "INBOX."} if kind == "dovecot-dots" else {}
    extra = f"imap_capability = {OFFERED[kind]}" if OFFERED.get(kind) else ""
    with Dovecot("wire", users=USERS, extra=extra, **dots) as dovecot:
        logins = (Login(user, Secret(dovecot.passwords[user])) for user in USERS)
        yield Server(
            kind, Endpoint(dovecot.host, dovecot.imap_port, Tls.NONE), lambda: next(logins), dots.get("prefix", "")
        )


@contextmanager
def _pymap() -> Iterator[Server]:
    ready, ports = threading.Event(), list[int]()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(_serve(ready, stop, ports),), daemon=True)
    thread.start()
    assert ready.wait(20)
    users = iter(USERS)
    yield Server("pymap", Endpoint("127.0.0.1", ports[0], Tls.NONE), lambda: Login(next(users), Secret("pw")))
    loop.call_soon_threadsafe(stop.set)
    thread.join(10)


async def _serve(ready: threading.Event, stop: asyncio.Event, ports: list[int]) -> None:
    from proxyprotocol.reader import ProxyProtocolReader
    from pymap.backend.dict import Config, DictBackend, Identity
    from pymap.backend.dict import Login as PymapLogin
    from pymap.concurrent import Subsystem
    from pymap.imap import IMAPServer
    from pymap.user import UserMetadata
    from pysasl.hashing import Cleartext

    settings = {
        "debug": False, "host": "127.0.0.1", "port": 0, "cert": None, "key": None, "tls": False, "proxy_protocol": None,
        "passlib_cfg": None, "demo_data": False, "demo_user": "", "demo_password": "", "inherited_sockets": None,
    }  # fmt: skip
    here = Subsystem.for_asyncio()
    config = Config.from_args(Namespace(**settings), hash_context=Cleartext(), cpu_subsystem=here, subsystem=here)
    login = PymapLogin(config)
    config.apply_context()
    for user in USERS:
        await Identity(user, login, None, frozenset()).set(UserMetadata(config, user, password="pw"))
    answer = ProxyProtocolReader(config.proxy_protocol).get_callback(
        IMAPServer(DictBackend(login, config).login, config)
    )
    async with AsyncExitStack() as stack:
        listening = await stack.enter_async_context(await asyncio.start_server(answer, "127.0.0.1", 0))
        ports.append(listening.sockets[0].getsockname()[1])
        ready.set()
        await stop.wait()
