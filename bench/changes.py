"""What people do to a mailbox between two passes: 1% new, 1% with another flag, 1% gone. The same for every tool."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from bench.corpora import message
from tests.lab.corpus import Item, append
from tests.lab.wire import Imap, mailbox

SHARE = 100
COMMAND = 500
"""Numbers in one command, so that it stays below a server's limit of a line."""

Place = tuple[str, int]
"""Folder and sequence number."""


def change(connection: Imap, held: Mapping[str, Sequence[Item]], seed: str, octets: int = 4096) -> int:
    """Make the changes to a mailbox that still is as it was filled; how many of each kind (at least one)."""
    chance = random.Random(f"change-{seed}")
    places = [(folder, number) for folder, items in held.items() for number in range(1, len(items) + 1)]
    count = max(1, len(places) // SHARE)
    chosen = chance.sample(places, 2 * count)
    new = Counter(folder for folder, _ in chance.choices(places, k=count))
    for folder in held:
        flagged, gone = _in(folder, chosen[:count]), _in(folder, chosen[count:])
        connection.command(b"SELECT", mailbox(folder))
        _toggle(connection, flagged, held[folder])
        _remove(connection, gone)
        append(connection, folder, [message(chance, octets) for _ in range(new[folder])])
    return count


def _in(folder: str, places: Iterable[Place]) -> list[int]:
    return sorted(number for name, number in places if name == folder)


def _toggle(connection: Imap, numbers: Sequence[int], items: Sequence[Item]) -> None:
    for sign, has in ((b"+", False), (b"-", True)):
        for few in _sets([n for n in numbers if ("\\Flagged" in items[n - 1].flags) == has]):
            connection.command(b"STORE", few, sign + b"FLAGS.SILENT", b"(\\Flagged)")


def _remove(connection: Imap, numbers: Sequence[int]) -> None:
    for few in _sets(numbers):
        connection.command(b"STORE", few, b"+FLAGS.SILENT", b"(\\Deleted)")
    if numbers:
        connection.command(b"EXPUNGE")


def _sets(numbers: Sequence[int]) -> Iterator[bytes]:
    """As sequence sets, each short enough for one command."""
    for start in range(0, len(numbers), COMMAND):
        yield ",".join(map(str, numbers[start : start + COMMAND])).encode()
