"""Parts of a wave: single mailboxes that are taken back, and perhaps forward again, while the others stay.

A part is a wave in itself, with the same lifecycle; its name is that of its wave with `~` and a number, which no wave
file can have. It takes its mailboxes' passes and their journal of flips and canaries along, and brings them back when
it rejoins.
"""

from collections.abc import Sequence

from sqlalchemy import Connection

from migrator.model.names import Address, WaveName
from migrator.state.audit import append
from migrator.state.engine import Database
from migrator.state.holds import forget
from migrator.state.records import Actor, WaveRecord
from migrator.state.text import now, run, run_many
from migrator.state.waves import Waves

MARK = "~"
_COPY = "INSERT INTO wave (name, state, since, error) SELECT ?, state, since, '' FROM wave WHERE name = ?"
_TAKE = "UPDATE wave_mailbox SET wave = ? WHERE wave = ? AND address = ?"
_TAKE_ALONG = tuple(
    f"UPDATE {table} SET wave = ? WHERE wave = ? AND {mailbox} = ?"
    for table, mailbox in (("observed", "address"), ("flip", "address"), ("canary", "address"), ("pass", "mailbox"))
)
_DROP = "DELETE FROM wave WHERE name = ?"


def whole(name: WaveName) -> WaveName:
    """The wave of which `name` is a part; the same name where it is none."""
    return WaveName(name.partition(MARK)[0])


class Parts:
    """Which mailboxes of a wave go a way of their own."""

    def __init__(self, database: Database, waves: Waves) -> None:
        self._database, self._waves = database, waves

    def of(self, wave: WaveName) -> tuple[WaveRecord, ...]:
        """The parts that `wave` has now, by name."""
        return tuple(record for record in self._waves.all() if record.name.rpartition(MARK)[0] == wave)

    def split(self, wave: WaveName, addresses: Sequence[Address], actor: Actor) -> WaveName:
        """Make a part of `wave`, in the same state, of those of its mailboxes (audited); its name.

        What is split off a part is one more part of the same wave.
        """
        taken = {record.name for record in self._waves.all()}
        names = (WaveName(f"{whole(wave)}{MARK}{n}") for n in range(1, len(taken) + 2))
        part = next(name for name in names if name not in taken)
        with self._database.write_text(durable=True) as connection:
            run(connection, _COPY, part, wave)
            _hand_over(connection, wave, part, addresses)
            detail = {"part": part, "mailboxes": list(addresses)}
            append(connection, actor, "mailboxes split off", now(connection), wave=wave, detail=detail)
        return part

    def rejoin(self, part: WaveRecord, wave: WaveName, actor: Actor) -> None:
        """The mailboxes of `part` belong to `wave` again, and it is gone (audited).

        Both must be outside of their cutover, or in the same state; the leases of both be held.
        """
        with self._database.write_text(durable=True) as connection:
            _hand_over(connection, part.name, wave, part.mailboxes)
            run(connection, _DROP, part.name)
            forget(connection, part.name)  # the next part of that name is another one
            detail = {"part": part.name, "mailboxes": list(part.mailboxes)}
            append(connection, actor, "mailboxes rejoined", now(connection), wave=wave, detail=detail)


def _hand_over(connection: Connection, giver: WaveName, taker: WaveName, addresses: Sequence[Address]) -> None:
    rows = [(taker, giver, address) for address in addresses]
    for statement in (_TAKE, *_TAKE_ALONG):
        run_many(connection, statement, rows)
