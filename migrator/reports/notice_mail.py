"""Notices by mail: one message to all recipients, handed to one SMTP server."""

import smtplib
import ssl
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from datetime import datetime
from email.headerregistry import Address as HeaderAddress
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid

from migrator.imap.tls import verifying
from migrator.model.errors import CertificateRefused
from migrator.model.mailbox import Tls
from migrator.model.names import Address, neutral
from migrator.model.notice import NotSent
from migrator.reports.notice_texts import BODY, SUBJECT
from migrator.workspace.notify import MailEntry
from migrator.workspace.templates import render

TIMEOUT = 5.0  # seconds for each answer on the wire
_LONGEST = 200  # letters of a subject


def mail_label(entry: MailEntry) -> str:
    """How it is called in what people read."""
    return f"mail to {', '.join(entry.to)}"


def mail_sender(entry: MailEntry) -> Callable[[Mapping[str, object]], None]:
    """Sends one notice, given as its fields, at each call. NotSent when it was not taken for every recipient."""

    def send(fields: Mapping[str, object]) -> None:
        message = compose(entry, fields)
        smtp = entry.smtp.endpoint
        try:
            with closing(smtplib.SMTP(smtp.host, smtp.port, timeout=TIMEOUT)) as server:
                if smtp.tls is Tls.STARTTLS:  # mandatory where chosen: an error when it is not offered
                    server.starttls(context=verifying(smtp.ca_file))
                refused = server.send_message(message, entry.sender, entry.to)
                with suppress(smtplib.SMTPException, OSError):  # it is taken, whatever comes now
                    server.quit()
        except CertificateRefused as error:
            raise NotSent(error.in_full) from None
        except (smtplib.SMTPException, OSError) as error:
            raise NotSent(f"{smtp.host}:{smtp.port}: {_words(error)}") from None
        if refused:
            raise NotSent(f"{smtp.host}:{smtp.port} did not take it for {_answers(refused)}")

    return send


def compose(entry: MailEntry, fields: Mapping[str, object]) -> EmailMessage:
    """The mail: 7-bit on the wire, whatever the language (RFC 2047 in headers); no vacation notice answers it."""
    message = EmailMessage(SMTP.clone(cte_type="7bit"))
    subject = render(entry.subject.text if entry.subject else SUBJECT[entry.language], fields)
    body = render(entry.body.text if entry.body else BODY[entry.language], fields)
    at = fields["at"]
    assert isinstance(at, datetime)
    message["From"] = _header(entry.sender)
    message["To"] = tuple(map(_header, entry.to))
    message["Subject"] = neutral(" ".join(subject.split()))[:_LONGEST]
    message["Date"] = format_datetime(at)
    message["Message-ID"] = make_msgid(domain=entry.sender.rpartition("@")[2])
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834, 5
    message["Content-Language"] = entry.language
    message.set_content("".join(f"{neutral(line.expandtabs())}\n" for line in body.splitlines()))
    return message


def _header(address: Address) -> HeaderAddress:
    local, _, domain = address.rpartition("@")
    return HeaderAddress(username=local, domain=domain)


def _words(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {TIMEOUT:g} s"
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return _answers(error.recipients)
    if isinstance(error, smtplib.SMTPResponseException):
        return _answer(error.smtp_code, error.smtp_error)
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not accepted: {error.verify_message}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return neutral(" ".join(str(error).split())) or type(error).__name__


def _answers(refused: Mapping[str, tuple[int, bytes]]) -> str:
    return "; ".join(f"{recipient}: {_answer(*answer)}" for recipient, answer in refused.items())


def _answer(code: int, text: bytes | str) -> str:
    words = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return neutral(f"{code} {' '.join(words.split())}")
