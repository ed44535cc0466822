"""Changing flags in several folders in one round trip, and what must be known to take the changes back.

SELECT and STORE travel together, so that nothing can be looked at in between: the caller looks before, and compares
UIDVALIDITY afterwards. A folder made anew in that moment has strangers under the same UIDs; `Stored.before` tells what
their flags were.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from migrator.imap.channel import Channel, Exchange, Words
from migrator.imap.grammar import LINE_LIMIT, flag_list, uid_sets
from migrator.imap.refusal import refusal
from migrator.imap.responses import fetched, flags, number
from migrator.imap.scanning import selected
from migrator.imap.vanished import UidRanges, uid_ranges
from migrator.model.errors import MigratorError
from migrator.model.message import Flags

Mode = Literal["+", "-", "="]
_ITEM: dict[Mode, bytes] = {"+": b"+FLAGS.SILENT", "-": b"-FLAGS.SILENT", "=": b"FLAGS.SILENT"}


@dataclass(frozen=True, slots=True)
class Change:
    """Flags to be added to messages, removed from them, or set.

    `unchanged_since`: a message that changed after this MODSEQ is left alone (RFC 7162, section 3.1.3); 0: none is.
    """

    mode: Mode
    flags: Flags
    uids: Sequence[int]
    unchanged_since: int = 0


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of the changes to one folder: its UIDVALIDITY (0: it was not opened), the UIDs that were left alone.

    `refused`: for each change the error, or None; a change that is refused may have been made in part.
    """

    uidvalidity: int
    alone: UidRanges
    refused: tuple[MigratorError | None, ...]
    looks: Sequence[Exchange]

    @property
    def error(self) -> MigratorError | None:
        """The first refusal."""
        return next(filter(None, self.refused), None)

    def before(self) -> dict[int, Flags]:
        """By UID the flags that the messages had before the changes; those that were not there are left out."""
        found: dict[int, Flags] = {}
        for parts in (parts for look in self.looks for parts in look.untagged):
            told = fetched(parts)
            words = told.get(b"FLAGS")
            if b"UID" in told and isinstance(words, list):
                found[number(told[b"UID"])] = flags(word for word in words if isinstance(word, bytes))
        return found


def commands(change: Change) -> Iterator[Words]:
    """The STOREs of one change."""
    condition = (b"(UNCHANGEDSINCE %d)" % change.unchanged_since,) if change.unchanged_since else ()
    words = flag_list(change.flags)
    for uid_set in uid_sets(change.uids, LINE_LIMIT - len(words)):
        yield b"UID STORE", uid_set, *condition, _ITEM[change.mode], words


def store(channel: Channel, asks: Sequence[tuple[Words, Sequence[Change]]], leave: Words) -> list[Stored]:
    """Open folders one after the other, each with its command, change flags and `leave` again; in one round trip.

    All answers are read, whatever they are. The caller sees to it that they are few enough to be held (some thousands).
    """
    asked = []
    with channel.together():
        for opening, changes in asks:
            opened = channel.start(*opening)
            uids = sorted({uid for change in changes for uid in change.uids})
            looks = [channel.start(b"UID FETCH", uid_set, b"(UID FLAGS)") for uid_set in uid_sets(uids)]
            stores = [[channel.start(*words) for words in commands(change)] for change in changes]
            # a server that keeps the last folder open when it cannot open the next must have none open
            asked.append((opened, looks, stores, channel.start(*leave)))
    return [_stored(channel, *one) for one in asked]


def _stored(
    channel: Channel, opened: Exchange, looks: Sequence[Exchange], stores: Sequence[Sequence[Exchange]], left: Exchange
) -> Stored:
    for one in (opened, *looks, *(one for of_one in stores for one in of_one), left):
        channel.settle(one)
    alone = (uid_ranges(args) for of_one in stores for one in of_one if (args := _modified(one)))
    return Stored(
        selected(opened).uidvalidity if _is_done(opened) else 0,
        UidRanges(one for ranges in alone for one in ranges),
        tuple(_refusal(channel, (opened, *of_one)) for of_one in stores),
        looks,
    )


def _refusal(channel: Channel, exchanges: Sequence[Exchange]) -> MigratorError | None:
    for one in exchanges:
        if one.status and not _is_done(one) and not _modified(one):
            return refusal(one.name, one.status, channel.peer)
    return None


def _is_done(exchange: Exchange) -> bool:
    return exchange.status is not None and exchange.status.status == "OK"


def _modified(exchange: Exchange) -> bytes:
    """The UIDs that a STORE left alone: told with OK, or with NO where it changed none."""
    return exchange.status.args if exchange.status and exchange.status.code == "MODIFIED" else b""
