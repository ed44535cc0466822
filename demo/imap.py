"""A mail server's mailboxes: pymap, in memory."""

import asyncio
import logging
from argparse import Namespace
from collections import Counter
from collections.abc import Iterable
from contextlib import AsyncExitStack
from datetime import UTC, datetime

from proxyprotocol.reader import ProxyProtocolReader
from pymap.backend.dict import Config, DictBackend, Identity, Login
from pymap.backend.dict.mailbox import MailboxData
from pymap.concurrent import Subsystem
from pymap.imap import IMAPServer
from pymap.parsing.message import AppendMessage
from pymap.parsing.specials.flag import Flag, Recent, Wildcard, get_system_flags
from pymap.user import UserMetadata
from pysasl.hashing import Cleartext

from demo.letters import Letter

SETTINGS = {
    "debug": False, "host": "127.0.0.1", "port": 0, "cert": None, "key": None, "tls": False, "proxy_protocol": None,
    "passlib_cfg": None, "demo_data": False, "demo_user": "", "demo_password": "", "inherited_sockets": None,
}  # fmt: skip

# pymap's dictionary keeps keywords, and yet does not say so in PERMANENTFLAGS: a program that believes it would not
# bring any. `\*` says what is true (RFC 9051, 7.1).
MailboxData.permanent_flags = property(lambda self: (get_system_flags() - {Recent}) | {Wildcard})  # type: ignore[assignment, method-assign]


class _Config(Config):
    @property
    def greeting(self) -> bytes:
        return b"ready"  # pymap's own asks the DNS for this machine's name at each connection


class MailServer:
    """One server; `port` is where its IMAP listens on 127.0.0.1. All methods belong to the event loop's thread."""

    def __init__(self, name: str, users: Iterable[str], password: str) -> None:
        self.name = name
        self.port = 0
        self.delivered: Counter[str] = Counter()
        """Mail delivered to each address here; test messages of the migration are not mail."""
        self._users = dict.fromkeys(users, password)
        self._login = Login(self._config())

    @staticmethod
    def _config() -> Config:
        here = Subsystem.for_asyncio()
        # Cleartext: the passwords are random, and end with the demo; hashing takes longer than everything else here
        return _Config.from_args(Namespace(**SETTINGS), hash_context=Cleartext(), cpu_subsystem=here, subsystem=here)

    async def start(self, stack: AsyncExitStack) -> None:
        """Listen until `stack` closes."""
        logging.getLogger("pymap").setLevel(logging.CRITICAL)
        config = self._login.config
        config.apply_context()
        for user, password in self._users.items():
            await self._identity(user).set(UserMetadata(config, user, password=password))
        answer = ProxyProtocolReader(config.proxy_protocol).get_callback(
            IMAPServer(DictBackend(self._login, config).login, config)
        )
        listening = await stack.enter_async_context(await asyncio.start_server(answer, "127.0.0.1", 0))
        self.port = listening.sockets[0].getsockname()[1]

    def knows(self, address: str) -> bool:
        """Whether somebody has this address here."""
        return address in self._users

    async def create_folder(self, address: str, folder: str) -> None:
        """An empty folder that its owner has subscribed to."""
        async with self._identity(address).new_session() as session:
            await session.create_mailbox(folder)
            await session.subscribe(folder)

    async def put(self, address: str, letter: Letter) -> None:
        """Store a letter with its flags and date."""
        flags = frozenset(Flag(flag) for flag in letter.flags)
        async with self._identity(address).new_session() as session:
            await session.append_messages(letter.folder, [AppendMessage(letter.octets, letter.when, flags)])

    async def deliver(self, address: str, octets: bytes, is_test: bool) -> None:
        """What arrives for somebody goes into INBOX; `is_test` keeps it out of `delivered`."""
        await self.put(address, Letter("INBOX", octets, frozenset(), datetime.now(UTC)))
        self.delivered[address] += not is_test

    def _identity(self, user: str) -> Identity:
        return Identity(user, self._login, None, frozenset())
