"""Sends canaries: one SMTP connection for all canaries of an ingress."""

import smtplib
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from migrator.delivery.message import compose
from migrator.imap.tls import verifying
from migrator.model.canary import Canary, CanaryState
from migrator.model.errors import CertificateRefused
from migrator.model.mailbox import Endpoint, Tls
from migrator.model.names import neutral

_TIMEOUT = 30.0  # seconds for each answer


@dataclass(frozen=True, slots=True)
class Envelope:
    """How canaries are sent: the envelope sender ("" is the null sender), the mail domain, the name for EHLO."""

    sender: str
    domain: str
    helo: str


class NotUsable(Exception):
    """The connection cannot carry (more) canaries; `final` when trying again cannot help."""

    def __init__(self, words: str, *, final: bool) -> None:
        super().__init__(words)
        self.final = final


def send(canaries: Sequence[Canary], smtp: Endpoint, envelope: Envelope) -> Iterator[Canary]:
    """Offer each canary to `smtp`; yields each as it then is: sent, refused (5xx), or as before, to be sent again.

    `detail` holds the server's words. A broken connection leaves the canary at work in doubt (it may have been
    accepted) and the others unsent; sending the same token again does no harm. Raises nothing of smtplib's.
    """
    left = list(canaries)
    try:
        with connected(smtp, envelope.helo) as server:
            while left:
                offered = _offer(server, left[0], envelope)
                del left[0]
                yield offered
    except NotUsable as error:
        words = f"{smtp.host}:{smtp.port}: {error}"
        for canary in left:
            yield replace(canary, state=CanaryState.REFUSED if error.final else canary.state, detail=words)


def _offer(server: smtplib.SMTP, canary: Canary, envelope: Envelope) -> Canary:
    now = datetime.now(UTC)
    message = compose(canary, envelope.sender, envelope.domain, now)
    options = [] if canary.address.isascii() else ["SMTPUTF8"]
    try:
        server.sendmail(envelope.sender, [canary.address], message, options)
    except smtplib.SMTPRecipientsRefused as error:
        return _answered(canary, *error.recipients[canary.address])
    except smtplib.SMTPNotSupportedError as error:
        return replace(canary, state=CanaryState.REFUSED, detail=_words(error))
    except smtplib.SMTPResponseException as error:
        _end_transaction(server)
        return _answered(canary, error.smtp_code, error.smtp_error)
    return replace(canary, state=CanaryState.SENT, sent_at=now, detail="")


def _end_transaction(server: smtplib.SMTP) -> None:
    """After a refusal of DATA smtplib leaves it open, and the next MAIL would be answered 503 (RFC 5321, 4.1.4)."""
    with suppress(smtplib.SMTPException, OSError):  # of a broken connection the next canary tells
        server.rset()


def _answered(canary: Canary, code: int, text: bytes | str) -> Canary:
    """4xx leaves it to be sent again, 5xx is final (RFC 5321, 4.2.1)."""
    words = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    state = CanaryState.REFUSED if code >= 500 else canary.state
    return replace(canary, state=state, detail=_line(f"{code} {words}"))


@contextmanager
def connected(smtp: Endpoint, helo: str) -> Iterator[smtplib.SMTP]:
    """A connection that has said EHLO, under TLS where `smtp` says so; what breaks it becomes NotUsable."""
    try:
        with _open(smtp, helo) as server:
            yield server
    except (smtplib.SMTPNotSupportedError, ssl.SSLCertVerificationError, CertificateRefused) as error:
        raise NotUsable(_words(error), final=True) from error
    except (smtplib.SMTPException, OSError) as error:
        raise NotUsable(_words(error), final=False) from error


def _open(smtp: Endpoint, helo: str) -> smtplib.SMTP:
    if smtp.tls is Tls.IMPLICIT:
        context = verifying(smtp.ca_file)
        server: smtplib.SMTP = smtplib.SMTP_SSL(smtp.host, smtp.port, helo, timeout=_TIMEOUT, context=context)
    else:
        server = (smtplib.LMTP if smtp.lmtp else smtplib.SMTP)(smtp.host, smtp.port, helo, timeout=_TIMEOUT)
    try:
        server.ehlo()
        if smtp.tls is Tls.STARTTLS:  # mandatory where chosen: SMTPNotSupportedError when it is not offered
            server.starttls(context=verifying(smtp.ca_file))
            server.ehlo()
    except BaseException:
        server.close()
        raise
    return server


def _words(error: Exception) -> str:
    return _line(str(error)) or type(error).__name__


def _line(text: str) -> str:
    """A reply of several lines as one."""
    return neutral(" ".join(text.split()))
