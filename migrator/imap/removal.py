"""Expunging marked messages from several folders in one round trip, and the look whether they are gone.

The STOREs that marked them have been answered, each folder was left since: a server may miss the marks otherwise
(measured).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from migrator.imap.channel import Channel, Exchange, Words
from migrator.imap.grammar import uid_sets
from migrator.imap.refusal import refusal
from migrator.imap.responses import fetched, number
from migrator.imap.scanning import selected
from migrator.model.errors import MigratorError


@dataclass(frozen=True, slots=True)
class Expunged:
    """What became of the messages of one folder: its UIDVALIDITY (0: not the same all the time), those still there.

    `error`: what the server refused; nothing is known of the messages then.
    """

    uidvalidity: int
    left: frozenset[int]
    error: MigratorError | None = None


def expunge(channel: Channel, asks: Sequence[tuple[Words, Words, Sequence[int]]]) -> list[Expunged]:
    """Open folders one after the other, each with its first command, UID EXPUNGE; open it with the second, and look.

    In one round trip. It is opened again because an EXPUNGE and a look in one view get mixed up: the look is answered
    before the view is brought up to date. After EXAMINE's answers it cannot be.
    """
    asked = []
    with channel.together():
        for opening, looking, uids in asks:
            sets = uid_sets(uids)
            opened = [channel.start(*opening), *(channel.start(b"UID EXPUNGE", uid_set) for uid_set in sets)]
            again = channel.start(*looking)
            asked.append((opened, again, [channel.start(b"UID FETCH", uid_set, b"(UID)") for uid_set in sets]))
    return [
        _expunged(channel, opened, again, looks, uids)
        for (opened, again, looks), (_, _, uids) in zip(asked, asks, strict=True)
    ]


def _expunged(
    channel: Channel, opened: Sequence[Exchange], again: Exchange, looks: Sequence[Exchange], uids: Sequence[int]
) -> Expunged:
    exchanges = [*opened, again, *looks]
    statuses = [channel.settle(one) for one in exchanges]
    for one, status in zip(exchanges, statuses, strict=True):
        if status.status != "OK":
            return Expunged(0, frozenset(), refusal(one.name, status, channel.peer))
    there = {number(fetched(parts).get(b"UID")) for look in looks for parts in look.untagged}
    before, now = selected(opened[0]).uidvalidity, selected(again).uidvalidity
    return Expunged(now if now == before else 0, frozenset(there & set(uids)))
