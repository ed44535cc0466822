"""What the mailboxes of a test hold: messages as odd as real ones, folders, flags and dates; and how they get there.

Real messages come from the directory MIGRATOR_TEST_MAIL, or from `shared/mail` beside the checkout; without either,
all are generated. Everything is a pure function of the seed (and of that directory).
"""

from __future__ import annotations

import base64
import datetime
import functools
import os
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.lab.wire import MONTHS, Imap, ImapError, Literal, mailbox

CHECKOUT = Path(__file__).resolve().parents[2]
LARGE = 1 << 20
BATCH_OCTETS = 4 << 20

FOLDERS = (
    "INBOX", "Sent", "Drafts", "Trash", "Junk", "下書き", "送信済みアイテム", "顧客/東京 支店",
    "Projects/2025/Migration", "Project Alpha", "R&D", "Grüße",
)  # fmt: skip
FLAGS = ("\\Seen", "\\Answered", "\\Flagged", "\\Draft", "$Forwarded", "$Label1", "Junk", "NonJunk")
ZONES = (0, 540, -480, 330, 765, -210, 60)
WORDS = (
    "移行", "メール", "会議", "資料", "確認", "お願いします", "明日", "打ち合わせ", "見積書", "東京",
    "quarterly", "report", "budget", "server", "please",
)  # fmt: skip


@dataclass(frozen=True)
class Item:
    """One message as it is to be appended."""

    octets: bytes
    flags: tuple[str, ...]
    internaldate: str


def messages(seed: int, count: int) -> list[bytes]:
    """`count` messages, the same for the same seed: most of them real where there are any, the rest generated.

    Among them are exact duplicates and messages that share a Message-ID with a different body.
    """
    chance = random.Random(f"messages-{seed}")
    real = real_messages()
    made: list[bytes] = []
    for number in range(count):
        roll = chance.random()
        if made and roll < 0.03:
            made.append(chance.choice(made))
        elif real and roll < 0.75:
            made.append(chance.choice(real))
        else:
            made.append(GENERATORS[number % len(GENERATORS)](chance))
    return made


@functools.cache
def real_messages() -> tuple[bytes, ...]:
    """All real messages that can be found, in order of their paths; those over 1 MB are left out for speed."""
    given = os.environ.get("MIGRATOR_TEST_MAIL")
    directory = Path(given) if given else CHECKOUT.parent / "shared" / "mail"
    paths = sorted(directory.rglob("*.eml")) if directory.is_dir() else []
    return tuple(path.read_bytes() for path in paths if 0 < path.stat().st_size <= LARGE)


def plan(seed: int, folders: Sequence[str] = FOLDERS, per_folder: int = 8) -> dict[str, list[Item]]:
    """What a mailbox shall hold: folder to items, with assorted flags, keywords and dates in different zones."""
    chance = random.Random(f"plan-{seed}")
    octets = iter(messages(seed, len(folders) * per_folder))
    return {folder: [item(chance, next(octets)) for _ in range(per_folder)] for folder in folders}


def item(chance: random.Random, octets: bytes) -> Item:
    """The message with random flags and a random date."""
    return Item(octets, tuple(flag for flag in FLAGS if chance.random() < 0.25), internaldate(chance))


def internaldate(chance: random.Random) -> str:
    """A random INTERNALDATE between 1995 and 2026, in a random zone."""
    zone = datetime.timezone(datetime.timedelta(minutes=chance.choice(ZONES)))
    return imap_date(datetime.datetime.fromtimestamp(chance.randrange(800_000_000, 1_780_000_000), zone))


def imap_date(when: datetime.datetime) -> str:
    """A date as APPEND wants it, whatever the locale."""
    return f"{when.day:02d}-{MONTHS[when.month - 1]}-{when:%Y %H:%M:%S %z}"


def fill(connection: Imap, contents: Mapping[str, Sequence[Item]], subscribe: bool = True) -> int:
    """Create the folders ("/"-separated paths) and append their items; the number of messages appended."""
    namespace = next(folder for folder in connection.folders() if folder.path == "INBOX")
    count = 0
    for path, items in contents.items():
        name = path if path == "INBOX" else namespace.prefix + path.replace("/", namespace.separator)
        if path != "INBOX":
            create(connection, name)
        if subscribe:
            connection.command(b"SUBSCRIBE", mailbox(name))
        count += append(connection, name, items)
    return count


def create(connection: Imap, name: str) -> None:
    """CREATE, unless the folder is there."""
    try:
        connection.command(b"CREATE", mailbox(name))
    except ImapError as error:
        if "ALREADYEXISTS" not in str(error):
            raise


def append(connection: Imap, name: str, items: Iterable[Item]) -> int:
    """Append byte for byte (MULTIAPPEND in batches of 4 MB); the number of messages appended."""
    batch: list[bytes | Literal] = []
    octets = count = 0
    for one in items:
        batch += [f"({' '.join(one.flags)})".encode(), f'"{one.internaldate}"'.encode(), Literal(one.octets)]
        octets, count = octets + len(one.octets), count + 1
        if octets >= BATCH_OCTETS or "MULTIAPPEND" not in connection.capabilities:
            connection.command(b"APPEND", mailbox(name), *batch)
            batch, octets = [], 0
    if batch:
        connection.command(b"APPEND", mailbox(name), *batch)
    return count


# the generated kinds


def _header(chance: random.Random, subject: str, *more: str, message_id: bool = True) -> bytes:
    number = chance.getrandbits(48)
    lines = [f"From: sender{number % 97}@outside.test", "To: someone@company.test", f"Subject: {subject}", *more]
    if message_id:
        lines.append(f"Message-ID: <{number:012x}@outside.test>")
    return "\r\n".join(lines).encode("utf-8") + b"\r\n\r\n"


def _text(chance: random.Random, words: int) -> str:
    return "".join(chance.choice(WORDS) + ("\r\n" if index % 9 == 8 else " ") for index in range(words))


def _charset(codec: str, label: str, encoding: str) -> Callable[[random.Random], bytes]:
    def generate(chance: random.Random) -> bytes:
        subject = base64.b64encode("移行のお知らせ".encode(codec)).decode()
        more = [
            "MIME-Version: 1.0",
            f"Content-Type: text/plain; charset={label}",
            f"Content-Transfer-Encoding: {encoding}",
        ]
        return _header(chance, f"=?{label}?B?{subject}?=", *more) + _text(chance, 60).encode(codec)

    return generate


def _without_message_id(chance: random.Random) -> bytes:
    return _header(chance, "no identity", message_id=False) + _text(chance, 20).encode()


def _shared_message_id(chance: random.Random) -> bytes:
    header = _header(
        chance, "same identity, other body", "Message-ID: <always-the-same@outside.test>", message_id=False
    )
    return header + f"body {chance.getrandbits(64)}\r\n".encode()


def _eight_bit_header(chance: random.Random) -> bytes:
    return _header(chance, "PLACE").replace(b"PLACE", "生の日本語".encode("shift_jis")) + b"raw header bytes\r\n"


def _attachment(chance: random.Random) -> bytes:
    data = base64.encodebytes(chance.randbytes(chance.randrange(100, 60_000))).replace(b"\n", b"\r\n")
    boundary = f"b{chance.getrandbits(32):08x}"
    header = _header(chance, "attachment", "MIME-Version: 1.0", f"Content-Type: multipart/mixed; boundary={boundary}")
    text = f"--{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{_text(chance, 12)}\r\n".encode()
    name = "Content-Type: application/pdf; name*=utf-8''%E8%A6%8B%E7%A9%8D.pdf"
    part = f"--{boundary}\r\n{name}\r\nContent-Transfer-Encoding: base64\r\n\r\n".encode()
    return header + text + part + data + f"--{boundary}--\r\n".encode()


def _long_lines(chance: random.Random) -> bytes:
    return _header(chance, "long lines") + b"x" * chance.randrange(1_000, 70_000) + b"\r\nend\r\n"


def _bare_line_feeds(chance: random.Random) -> bytes:
    return _header(chance, "bare LF").replace(b"\r\n", b"\n") + b"one\ntwo\n\nthree"


def _lone_returns(chance: random.Random) -> bytes:
    return _header(chance, "lone CR") + b"one\rtwo\r\r\nthree\r\n\r"


def _no_body(chance: random.Random) -> bytes:
    return _header(chance, "nothing below")


def _only_header_line(chance: random.Random) -> bytes:
    return f"X-Only-Header: {chance.getrandbits(40)}".encode()


def _looks_like_commands(chance: random.Random) -> bytes:
    return (
        _header(chance, "z1 CREATE Pwned")
        + b"z2 CREATE Pwned\r\n)\r\n* 1 FETCH (UID 1)\r\n{5}\r\n"
        + b"." * 9
        + b"\r\n.\r\n"
    )


def _dots_and_from(chance: random.Random) -> bytes:
    return _header(chance, "dots") + b".\r\n..\r\nFrom here on\r\n>From there\r\n" + _text(chance, 5).encode()


def large(seed: int, octets: int = LARGE) -> bytes:
    """One message of about `octets` octets."""
    chance = random.Random(f"large-{seed}")
    line = base64.b64encode(chance.randbytes(57)) + b"\r\n"
    return _header(chance, "large") + line * (octets // len(line))


GENERATORS: tuple[Callable[[random.Random], bytes], ...] = (
    _charset("iso2022_jp", "iso-2022-jp", "7bit"), _charset("utf-8", "utf-8", "8bit"),
    _charset("shift_jis", "shift_jis", "8bit"), _charset("euc_jp", "euc-jp", "8bit"),
    _without_message_id, _shared_message_id, _eight_bit_header, _attachment, _long_lines, _bare_line_feeds,
    _lone_returns, _no_body, _only_header_line, _looks_like_commands, _dots_and_from,
)  # fmt: skip
