"""Mail at a steady rate, as senders outside and inside would send it, with a ledger of what was accepted."""

from __future__ import annotations

import itertools
import re
import smtplib
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

TOKEN = re.compile(rb"lab-token-[0-9a-f]{32}")
RETRY_SECONDS = 0.3
MAILS_PER_CONNECTION = 20


@dataclass(frozen=True)
class Sent:
    """One mail that a server has accepted: from now on it may be neither lost nor doubled."""

    token: str
    """Unique text in the body."""
    address: str
    ingress: str
    first_tried: float
    """time.time() of the first attempt."""
    accepted: float
    """time.time() of the server's final 250."""
    possible_copies: int = 1
    """1, and 1 more for each attempt whose answer was never seen (SMTP delivers at least once)."""

    def __str__(self) -> str:
        when = time.strftime("%H:%M:%S", time.localtime(self.accepted))
        return f"{self.token} to {self.address} through {self.ingress} at {when}"


@dataclass
class _Mail:
    """One mail in the sender's queue."""

    address: str
    ingress: str
    token: str = field(default_factory=lambda: f"lab-token-{uuid.uuid4().hex}")
    first_tried: float = field(default_factory=time.time)
    next_try: float = 0.0
    possible_copies: int = 1


class Traffic:
    """A sender that never gives up on 4xx or a refused connection, as real senders do.

    ingresses: name to (host, port) of SMTP servers, used in turn. addresses: used in turn, each with every ingress.
    rate: new mails a second in all. Use `start` and `stop`, or a `with` block.
    `refused` holds what a server answered with 5xx: that mail was never accepted.
    """

    def __init__(
        self, ingresses: Mapping[str, tuple[str, int]], addresses: Sequence[str], rate: float = 10.0,
        sender: str = "sender@outside.test", body_octets: int = 200,
    ) -> None:  # fmt: skip
        self.ingresses, self.rate, self.sender, self.body_octets = dict(ingresses), rate, sender, body_octets
        self.sent: list[Sent] = []
        self.refused: list[str] = []
        self._routes = itertools.cycle([(address, ingress) for address in addresses for ingress in self.ingresses])
        self._waiting: list[_Mail] = []
        self._connections: dict[str, tuple[smtplib.SMTP, int]] = {}
        self._stop = threading.Event()
        self._deadline = 0.0
        self._thread = threading.Thread(target=self._run, name="traffic", daemon=True)

    def start(self) -> Traffic:
        """Begin to send."""
        self._thread.start()
        return self

    def stop(self, drain: float = 30.0) -> list[Sent]:
        """No new mail; what is waiting is tried for `drain` seconds at most. Returns what was accepted."""
        self._deadline = time.monotonic() + drain
        self._stop.set()
        self._thread.join()
        return self.sent

    @property
    def pending(self) -> int:
        """Mails that no server has accepted yet."""
        return len(self._waiting)

    def __enter__(self) -> Traffic:
        return self.start()

    def __exit__(self, *exception: object) -> None:
        self.stop(drain=0)

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stop.is_set():
            if time.monotonic() >= due:
                due = max(due + 1 / self.rate, time.monotonic() - 1)
                self._waiting.append(_Mail(*next(self._routes)))
            self._try_waiting()
            self._stop.wait(max(0.0, min(due - time.monotonic(), RETRY_SECONDS)))
        while self._waiting and time.monotonic() < self._deadline:
            self._try_waiting()
            time.sleep(0.05)
        for ingress in list(self._connections):
            self._hang_up(ingress)

    def _try_waiting(self) -> None:
        """One attempt for each mail that is due; an ingress that cannot be reached is left alone for this round."""
        unreachable: set[str] = set()
        for mail in [mail for mail in self._waiting if mail.next_try <= time.monotonic()]:
            if mail.ingress in unreachable:
                continue
            try:
                settled = self._attempt(mail)
            except OSError:
                self._hang_up(mail.ingress)
                unreachable.add(mail.ingress)
                settled = False
            if settled:
                self._waiting.remove(mail)
            mail.next_try = time.monotonic() + RETRY_SECONDS

    def _attempt(self, mail: _Mail) -> bool:
        """Try once; True when the mail is settled (accepted, or refused for good). OSError: no connection."""
        try:
            self._transaction(self._connection(mail.ingress), mail)
        except smtplib.SMTPResponseException as error:
            self._hang_up(mail.ingress)
            if error.smtp_code >= 500:
                self.refused.append(f"{mail.address} through {mail.ingress}: {error.smtp_code} {error.smtp_error!r}")
            return error.smtp_code >= 500
        now = time.time()
        self.sent.append(Sent(mail.token, mail.address, mail.ingress, mail.first_tried, now, mail.possible_copies))
        return True

    def _transaction(self, connection: smtplib.SMTP, mail: _Mail) -> None:
        for code, answer in (connection.mail(self.sender), connection.rcpt(mail.address)):
            if code >= 400:
                raise smtplib.SMTPResponseException(code, answer)
        mail.possible_copies += 1  # until the answer is seen, the server may have it
        code, answer = connection.data(self._message(mail))
        mail.possible_copies -= 1
        if code != 250:
            raise smtplib.SMTPResponseException(code, answer)

    def _message(self, mail: _Mail) -> bytes:
        padding = "移行中のメール ".encode() * (self.body_octets // 22)
        header = (
            f"From: {self.sender}\r\nTo: {mail.address}\r\nSubject: traffic through {mail.ingress}\r\n"
            f"Message-ID: <{mail.token}@outside.test>\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
        )
        return header.encode() + mail.token.encode() + b"\r\n" + padding + b"\r\n"

    def _connection(self, ingress: str) -> smtplib.SMTP:
        connection, used = self._connections.get(ingress, (None, 0))
        if connection is None or used >= MAILS_PER_CONNECTION:
            self._hang_up(ingress)
            connection, used = smtplib.SMTP(*self.ingresses[ingress], timeout=20), 0
            connection.ehlo_or_helo_if_needed()
        self._connections[ingress] = (connection, used + 1)
        return connection

    def _hang_up(self, ingress: str) -> None:
        connection, _ = self._connections.pop(ingress, (None, 0))
        if connection is not None:
            connection.close()
