"""Mail as it is found in such mailboxes: old and new encodings, attachments, headers that are missing."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from email.header import Header
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from random import Random


@dataclass(frozen=True)
class Letter:
    """One message in one folder. `octets` has CRLF line ends; `when` is INTERNALDATE."""

    folder: str
    octets: bytes
    flags: frozenset[str]
    when: datetime


@dataclass(frozen=True)
class Envelope:
    """What the header of a message says."""

    number: str
    sender: str
    recipient: str
    when: datetime


Writer = Callable[[Envelope, Random], bytes]

JAPANESE = (
    ("見積書をお送りします", "いつもお世話になっております。\r\n見積書をお送りいたしますので、ご確認ください。\r\n"),
    ("打ち合わせの日程について", "次回の打ち合わせは木曜日の午後ではいかがでしょうか。\r\n"),
    ("【至急】納期のご相談", "納期の件でご相談があります。お手すきの際にお電話ください。\r\n"),
    ("議事録(第12回)", "本日の議事録です。\r\n・移行計画の確認\r\n・次回までの宿題\r\n"),
)
ENGLISH = (
    ("Minutes of Monday's meeting", "Please find the minutes below.\r\n\r\n- budget\r\n- hiring\r\n"),
    ("Re: purchase order", "Thank you, the order has been placed.\r\n"),
    ("Lunch on Friday?", "There is a new place near the station.\r\n"),
)


def jis(letter: Envelope, random: Random) -> bytes:
    """ISO-2022-JP, as Japanese mail was written for thirty years."""
    subject, text = random.choice(JAPANESE)
    return _assemble(letter, subject, "iso-2022-jp", "7bit", text.encode("iso2022_jp"))


def utf8(letter: Envelope, random: Random) -> bytes:
    """UTF-8, sent as it is."""
    subject, text = random.choice(JAPANESE)
    return _assemble(letter, subject, "utf-8", "8bit", (text + "よろしくお願いいたします 🙇\r\n").encode())


def english(letter: Envelope, random: Random) -> bytes:
    """Plain text."""
    subject, text = random.choice(ENGLISH)
    return _assemble(letter, subject, "us-ascii", "7bit", text.encode())


def without_message_id(letter: Envelope, random: Random) -> bytes:
    """As scanners and old web forms send it."""
    text = f"Scan {letter.number} is ready.\r\n".encode()
    return _assemble(letter, "Scan", "us-ascii", "7bit", text, message_id=False)


def with_attachment(letter: Envelope, random: Random) -> bytes:
    """A text, the same as HTML, and a file with a Japanese name."""
    subject, text = random.choice(JAPANESE)
    message = EmailMessage(SMTP)
    message["From"], message["To"], message["Subject"] = letter.sender, letter.recipient, subject
    message["Date"] = format_datetime(letter.when)
    message["Message-ID"] = _message_id(letter)
    message.set_content(text)
    message.add_alternative(f"<p>{text}</p>", subtype="html")
    content = random.randbytes(random.choice((2_000, 20_000, 60_000)))
    message.add_attachment(content, maintype="application", subtype="pdf", filename=f"見積書-{letter.number}.pdf")
    return message.as_bytes()


WRITERS: tuple[Writer, ...] = (jis, utf8, english, without_message_id, with_attachment, jis, utf8)


def _message_id(letter: Envelope) -> str:
    return f"<{letter.number}@{letter.sender.partition('@')[2]}>"


def _assemble(
    letter: Envelope, subject: str, charset: str, encoding: str, body: bytes, *, message_id: bool = True
) -> bytes:
    lines = [
        f"From: {letter.sender}",
        f"To: {letter.recipient}",
        f"Subject: {Header(subject, charset).encode(linesep=chr(13) + chr(10))}",
        f"Date: {format_datetime(letter.when)}",
        *([f"Message-ID: {_message_id(letter)}"] if message_id else []),
        "MIME-Version: 1.0",
        f"Content-Type: text/plain; charset={charset}",
        f"Content-Transfer-Encoding: {encoding}",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body
