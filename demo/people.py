"""What people do with their mail while it is moved: those outside write, those inside read, flag and answer."""

import imaplib
import itertools
import smtplib
import socket
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.header import Header
from types import TracebackType
from typing import Self

from demo.letters import Letter

RETRY = 0.3  # seconds until a mail that was not accepted is offered again; a real server waits minutes
TIMEOUT = 20.0  # seconds


@dataclass(frozen=True)
class Posted:
    """A mail that was accepted for delivery: from now on it may be neither lost nor doubled."""

    address: str
    octets: bytes


@dataclass
class _Mail:
    address: str
    ingress: str
    octets: bytes
    next_try: float = 0.0


class Senders:
    """Mail at a steady rate to `addresses`, through every ingress (name and port) in turn, while the block lasts.

    At its end what no server has taken yet is offered on, for TIMEOUT at most. A mail that is refused with 4xx is
    offered again, as every mail server does: `deferred` counts how often.
    """

    def __init__(self, ingresses: Mapping[str, int], addresses: Sequence[str], rate: float) -> None:
        self.posted: list[Posted] = []
        self.deferred = 0
        self._bounced: list[str] = []
        self._ports = dict(ingresses)
        self._turns = itertools.cycle([(address, name) for address in addresses for name in self._ports])
        self._pause = 1 / rate
        self._waiting: list[_Mail] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="senders", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop.set()
        if error is None:
            self._thread.join(2 * TIMEOUT)

    @property
    def untaken(self) -> list[str]:
        """Sentences on mails that were refused for good, or never accepted."""
        return self._bounced + [f"{mail.address} through {mail.ingress}: never accepted" for mail in self._waiting]

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stop.wait(0.05):
            while time.monotonic() >= due:
                due += self._pause
                self._write(*next(self._turns))
            self._offer_all()
        give_up = time.monotonic() + TIMEOUT
        while self._waiting and time.monotonic() < give_up:
            self._offer_all()
            time.sleep(0.05)

    def _write(self, address: str, ingress: str) -> None:
        subject = Header("本日のご連絡", "iso-2022-jp").encode()
        octets = (
            f"From: customer@customer.example\r\nTo: {address}\r\nSubject: {subject}\r\n"
            f"Message-ID: <{uuid.uuid4().hex}@customer.example>\r\nMIME-Version: 1.0\r\n"
            f"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
            f"移行中に届いたメールです(入口: {ingress})。\r\n"
        ).encode()
        self._waiting.append(_Mail(address, ingress, octets))

    def _offer_all(self) -> None:
        for mail in [mail for mail in self._waiting if mail.next_try <= time.monotonic()]:
            if self._offer(mail):
                self._waiting.remove(mail)
            else:
                self.deferred += 1
                mail.next_try = time.monotonic() + RETRY

    def _offer(self, mail: _Mail) -> bool:
        """Whether it is settled: accepted, or bounced."""
        try:
            with smtplib.SMTP("127.0.0.1", self._ports[mail.ingress], "customer.example", TIMEOUT) as server:
                server.sendmail("customer@customer.example", [mail.address], mail.octets, ["BODY=8BITMIME"])
        except smtplib.SMTPRecipientsRefused as error:
            return self._is_bounced(mail, *error.recipients[mail.address])
        except smtplib.SMTPResponseException as error:
            return self._is_bounced(mail, error.smtp_code, error.smtp_error)
        except OSError:
            return False
        self.posted.append(Posted(mail.address, mail.octets))
        return True

    def _is_bounced(self, mail: _Mail, code: int, text: bytes | str) -> bool:
        if code >= 500:
            self._bounced.append(f"{mail.address} through {mail.ingress}: {code} {text!r}")
        return code >= 500


@dataclass(frozen=True)
class Day:
    """What people did on a server: letters that they wrote, messages (as they are now) whose flags they changed."""

    written: Mapping[str, tuple[Letter, ...]]
    starred: Mapping[str, tuple[bytes, ...]]


def work(port: int, addresses: Sequence[str], password: str, sent_folder: str) -> Day:
    """Everybody answers one mail and keeps the answer in `sent_folder`, reads and flags three messages of INBOX."""
    written: dict[str, tuple[Letter, ...]] = {}
    starred: dict[str, tuple[bytes, ...]] = {}
    for address in addresses:
        with mailbox(port, address, password) as server:
            written[address] = (_answer(server, address, sent_folder),)
            starred[address] = tuple(_star(server, 3))
    return Day(written, starred)


@contextmanager
def mailbox(port: int, address: str, password: str):
    """A logged-in connection to somebody's mailbox."""
    with imaplib.IMAP4("127.0.0.1", port, TIMEOUT) as server:
        server.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        server.login(address, password)
        yield server


def _answer(server: imaplib.IMAP4, address: str, folder: str) -> Letter:
    when = datetime.now(UTC).replace(microsecond=0)
    octets = (
        f"From: {address}\r\nTo: customer@customer.example\r\nSubject: Re: =?utf-8?b?6KaL56mN5pu4?=\r\n"
        f"Message-ID: <{uuid.uuid4().hex}@example.co.jp>\r\nMIME-Version: 1.0\r\n"
        f"Content-Type: text/plain; charset=utf-8\r\n\r\n新しいサーバーから返信します。\r\n"
    ).encode()
    date = imaplib.Time2Internaldate(when)
    kind, data = server.append(folder, "(\\Seen \\Answered)", date, octets)
    if kind != "OK":
        raise RuntimeError(f"{address}: APPEND to {folder}: {data}")
    return Letter(folder, octets, frozenset({"\\Seen", "\\Answered"}), when)


def _star(server: imaplib.IMAP4, count: int) -> list[bytes]:
    """Flag the first `count` messages of INBOX; their octets."""
    server.select("INBOX")
    octets = []
    for number in range(1, count + 1):
        _, data = server.fetch(str(number), "(BODY.PEEK[])")
        octets.append(next(part[1] for part in data if isinstance(part, tuple)))
        server.store(str(number), "+FLAGS", "(\\Seen \\Flagged)")
    return octets
