"""What is copied. Every corpus is a pure function of its name."""

from __future__ import annotations

import base64
import random
from collections.abc import Callable, Iterator, Mapping

from tests.lab.corpus import FLAGS, Item, internaldate

Mailboxes = list[dict[str, list[Item]]]
"""One entry a mailbox: folder to messages."""

FOLDERS = ("INBOX", "Sent", "Drafts", "Trash", "Junk", "Archive", "Lists", "Projects", "顧客", "送信済みアイテム")


def small() -> Mailboxes:
    """One mailbox: 20,000 messages of 4 KB in 10 folders."""
    chance = random.Random("small")
    return [{folder: [message(chance, 4096) for _ in range(2_000)] for folder in FOLDERS}]


def mixed() -> Mailboxes:
    """One mailbox: 3,000 messages of log-normal sizes, 300 MB together, in 10 folders."""
    chance = random.Random("mixed")
    weights = [min(chance.lognormvariate(0, 1.5), 100) for _ in range(3_000)]
    sizes = iter([max(1_000, int(300e6 * weight / sum(weights))) for weight in weights])
    return [{folder: [message(chance, next(sizes)) for _ in range(300)] for folder in FOLDERS}]


def dept() -> Mailboxes:
    """50 mailboxes of 200 messages of 4 KB, in 4 folders each."""
    chance = random.Random("dept")
    return [{folder: [message(chance, 4096) for _ in range(50)] for folder in FOLDERS[:4]} for _ in range(50)]


def lat1k() -> Mailboxes:
    """One mailbox: 1,000 messages of 4 KB in 10 folders."""
    chance = random.Random("lat1k")
    return [{folder: [message(chance, 4096) for _ in range(100)] for folder in FOLDERS}]


def dept1k() -> Mailboxes:
    """1,000 mailboxes of 20 messages of 4 KB, in the same folders as those of dept."""
    chance = random.Random("dept1k")
    return [{folder: [message(chance, 4096) for _ in range(5)] for folder in FOLDERS[:4]} for _ in range(1_000)]


def tiny() -> Mailboxes:
    """Two mailboxes of 40 messages of 1 KB in 2 folders: to see that the benchmark runs."""
    chance = random.Random("tiny")
    return [{folder: [message(chance, 1024) for _ in range(20)] for folder in FOLDERS[-2:]} for _ in range(2)]


def headers(count: int) -> Iterator[Item]:
    """`count` messages of 300 octets, headers only."""
    chance = random.Random("headers")
    for number in range(count):
        head = f"From: sender{number % 97}@outside.test\r\nMessage-ID: <{number}@outside.test>\r\nSubject: "
        padding = "x" * (296 - len(head))
        yield Item(f"{head}{padding}\r\n\r\n".encode(), ("\\Seen",) if number % 3 else (), internaldate(chance))


CORPORA: Mapping[str, Callable[[], Mailboxes]] = {
    one.__name__: one for one in (small, mixed, dept, lat1k, dept1k, tiny)
}


def message(chance: random.Random, octets: int) -> Item:
    """A message of `octets` octets, unlike any other, with some flags and a date."""
    number = chance.getrandbits(64)
    header = (
        f"From: sender{number % 97}@outside.test\r\nTo: someone@company.test\r\nSubject: number {number}\r\n"
        f"Message-ID: <{number:016x}@outside.test>\r\nMIME-Version: 1.0\r\n\r\n"
    ).encode()
    flags = tuple(flag for flag in FLAGS if chance.random() < 0.2)
    return Item(header + text(chance, octets - len(header)), flags, internaldate(chance))


def text(chance: random.Random, octets: int) -> bytes:
    """Lines of 76 characters and a line end, `octets` octets in all."""
    raw = base64.encodebytes(chance.randbytes(octets * 3 // 4 + 57)).replace(b"\n", b"\r\n")
    return raw[: octets - 2] + b"\r\n"
