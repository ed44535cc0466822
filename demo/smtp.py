"""What takes mail and decides where it goes, by a transport map that is read afresh for each mail."""

import asyncio
import itertools
import logging
import re
import smtplib
from contextlib import AsyncExitStack
from email.utils import formatdate
from functools import partial
from pathlib import Path

from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, Envelope, Session

from demo.imap import MailServer

NEXTHOP = re.compile(r"(smtp|lmtp):(?:inet:)?\[(.+)\]:(\d+)")
IDENT = "demo"
TIMEOUT = 20.0  # seconds; everything is on this machine


class Mta:
    """An SMTP or LMTP server. An address that the map has goes to its nexthop; else it is delivered to `local`.

    `retry:TEXT` in the map answers 451, so that the sender keeps the mail and tries again. There is no queue: a mail
    is accepted only once the server behind has accepted it.
    """

    def __init__(self, name: str, map_file: Path | None = None, local: MailServer | None = None) -> None:
        self.name = name
        self.port = 0
        self.held = 0
        """How often `retry:` was answered."""
        self._map_file = map_file
        self._local = local
        self._numbers = itertools.count(1)

    async def start(self, stack: AsyncExitStack, protocol: type[SMTP] = SMTP) -> None:
        """Listen on a free port of 127.0.0.1 until `stack` closes."""
        logging.getLogger("mail").setLevel(logging.CRITICAL)
        loop = asyncio.get_running_loop()
        make = partial(protocol, self, hostname=self.name, ident=IDENT, loop=loop)
        listening = await stack.enter_async_context(await loop.create_server(make, "127.0.0.1", 0))
        self.port = listening.sockets[0].getsockname()[1]

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """One recipient at a time, since its answer is the answer of the server behind (RFC 5321, 4.5.3.1.10)."""
        if envelope.rcpt_tos:
            return "452 4.5.3 one recipient at a time"
        if refusal := self._refusal(address.lower()):
            return refusal
        envelope.rcpt_tos.append(address.lower())
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Deliver or pass on; the map is asked again, since it may have changed after RCPT."""
        (address,) = envelope.rcpt_tos
        assert isinstance(envelope.content, bytes)
        octets = self._received(session, address) + envelope.content
        if refusal := self._refusal(address):
            return refusal
        if nexthop := self._nexthop(address):
            return await asyncio.to_thread(_pass_on, self.name, nexthop, envelope.mail_from or "", address, octets)
        assert self._local is not None
        await self._local.deliver(address, octets, is_test=b"\r\nX-Migrator-Canary:" in octets)
        return f"250 2.0.0 delivered to {self._local.name}"

    def _refusal(self, address: str) -> str | None:
        nexthop = self._nexthop(address)
        if nexthop is None:
            known = self._local is not None and self._local.knows(address)
            return None if known else "550 5.1.1 nobody here has this address"
        if nexthop.startswith("retry:"):
            self.held += 1
            return "451 " + nexthop.removeprefix("retry:")
        return None if NEXTHOP.fullmatch(nexthop) else f"451 4.3.5 {nexthop} is no nexthop"

    def _nexthop(self, address: str) -> str | None:
        if self._map_file is None:
            return None
        lines = self._map_file.read_text("utf-8").splitlines()
        entries = (line.split(None, 1) for line in lines if line.strip() and not line.startswith("#"))
        return next((value for key, value in entries if key.lower() == address), None)

    def _received(self, session: Session, address: str) -> bytes:
        line = f"Received: from {session.host_name} by {self.name} id {next(self._numbers)} for <{address}>; "
        return (line + formatdate() + "\r\n").encode()


def _pass_on(name: str, nexthop: str, sender: str, address: str, octets: bytes) -> str:
    """Offer the mail to the next server; its answer is ours."""
    found = NEXTHOP.fullmatch(nexthop)
    assert found is not None
    client = {"smtp": smtplib.SMTP, "lmtp": smtplib.LMTP}[found[1]]
    try:
        with client(found[2], int(found[3]), local_hostname=name, timeout=TIMEOUT) as server:
            server.sendmail(sender, [address], octets)
    except smtplib.SMTPRecipientsRefused as error:
        return _answer(*error.recipients[address])
    except smtplib.SMTPResponseException as error:
        return _answer(error.smtp_code, error.smtp_error)
    except (smtplib.SMTPException, OSError) as error:
        return f"451 4.4.1 {nexthop}: {error}"
    return f"250 2.0.0 passed on to {nexthop}"


def _answer(code: int, text: bytes | str) -> str:
    return f"{code} {text.decode('utf-8', 'replace') if isinstance(text, bytes) else text}"


class LocalDelivery(Mta):
    """A server's LMTP: where others hand over mail for its mailboxes."""

    async def start(self, stack: AsyncExitStack, protocol: type[SMTP] = LMTP) -> None:
        await super().start(stack, protocol)
