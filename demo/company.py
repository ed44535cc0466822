"""The company: three departments, and what is in their people's mailboxes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from random import Random

from demo.letters import WRITERS, Envelope, Letter, jis
from demo.mail_system import MailSystem

DOMAIN = "example.co.jp"
DEPARTMENTS = {"general-affairs": 2, "engineering": 3, "sales": 4}
"""Each with its number of people."""

FOLDERS = {
    "INBOX": 12,
    "送信済みアイテム": 6,
    "下書き": 1,
    "見積書/2026年度": 4,
    "Projects/2026/Q3": 4,
    "アーカイブ": 3,
}
"""On the old server, and how many messages are in each (two of INBOX's are exactly the same)."""

READY_MADE = ("Sent", "Drafts", "Trash")
"""What a new account on the new server begins with."""

SAME_USE = {"送信済みアイテム": "Sent", "下書き": "Drafts"}
"""Folders that have another name on the new server."""

ZONES = (timezone(timedelta(hours=9)), timezone(timedelta(hours=-5)), timezone(timedelta(hours=1)))
SYSTEM_FLAGS = ("\\Seen", "\\Answered", "\\Flagged")
KEYWORDS = ("$Forwarded", "NonJunk", "Invoice-2026")


@dataclass(frozen=True)
class Person:
    """Somebody who has a mailbox, with the letters that are in it before the move."""

    address: str
    department: str
    letters: tuple[Letter, ...]


def people() -> tuple[Person, ...]:
    """Everybody, department by department."""
    return tuple(
        Person(address, department, tuple(_mailbox(address)))
        for department, count in DEPARTMENTS.items()
        for address in [f"{department}.{number}@{DOMAIN}" for number in range(1, count + 1)]
    )


def move_in(system: MailSystem, everybody: Sequence[Person]) -> None:
    """Fill the old server, and make the accounts of the new one ready."""
    system.do(_fill(system, everybody))


async def _fill(system: MailSystem, everybody: Sequence[Person]) -> None:
    for person in everybody:
        for folder in READY_MADE:
            await system.new.create_folder(person.address, folder)
        for folder in list(FOLDERS)[1:]:
            await system.old.create_folder(person.address, folder)
        for letter in person.letters:
            await system.old.put(person.address, letter)


def _mailbox(address: str) -> Iterator[Letter]:
    random = Random(address)
    for folder, count in FOLDERS.items():
        letters = [_letter(address, folder, number, random) for number in range(count)]
        if folder == "INBOX":
            letters[-1] = letters[-2]
        yield from letters


def _letter(address: str, folder: str, number: int, random: Random) -> Letter:
    when = datetime(2026, 1, 5, 8, 0, tzinfo=random.choice(ZONES)) + timedelta(minutes=random.randrange(400_000))
    mine = folder in SAME_USE
    other = f"customer{random.randrange(20)}@customer.example"
    identity = f"{address.partition('@')[0]}.{list(FOLDERS).index(folder)}.{number}"
    envelope = Envelope(identity, address if mine else other, other if mine else address, when)
    writer = jis if folder == "下書き" else WRITERS[number % len(WRITERS)]
    return Letter(folder, writer(envelope, random), _flags(folder, random), when)


def _flags(folder: str, random: Random) -> frozenset[str]:
    if folder == "下書き":
        return frozenset({"\\Draft", "\\Seen"})
    chosen = [flag for flag in SYSTEM_FLAGS if random.random() < 0.4]
    return frozenset([*chosen, *(word for word in KEYWORDS if random.random() < 0.2)])
