"""What runs are doing with mailboxes, for those who watch from another process."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection

from migrator.model.doing import Doing, HeldBy, Hold
from migrator.model.names import Address, WaveName
from migrator.model.wave import PassKind
from migrator.state.engine import Database
from migrator.state.text import read_time, run, run_many, upsert, written

_COLUMNS = (
    "wave", "kind", "held_by", "detail", "until", "since", "started", "planned_messages", "planned_octets", "messages",
    "octets",
)  # fmt: skip
_PUT = upsert("doing", ("mailbox",), _COLUMNS)
_DROP = "DELETE FROM doing WHERE mailbox = ?"
_OF_WAVE = f"SELECT mailbox, {', '.join(_COLUMNS)} FROM doing WHERE wave = ?"


class Doings:
    """One entry a mailbox. It is true only while the run that wrote it lives; afterwards it tells what was left."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, doings: Iterable[Doing], over: Iterable[Address] = ()) -> None:
        """Replace the entries of these mailboxes, and drop those of mailboxes that nothing is left of."""
        with self._database.write_text() as connection:
            run_many(connection, _PUT, [_values(connection, one) for one in doings])
            run_many(connection, _DROP, [(address,) for address in over])

    def of(self, wave: WaveName) -> Mapping[Address, Doing]:
        """The entries of a wave's mailboxes."""
        with self._database.read_text() as connection:
            return {one.address: one for one in (_doing(*row) for row in run(connection, _OF_WAVE, wave))}


def _values(connection: Connection, one: Doing) -> tuple[object, ...]:
    until, since, started = (
        None if at is None else written(connection, at) for at in (one.hold.until, one.since, one.started)
    )
    return (
        one.address, one.wave, one.kind.value, one.hold.by.value, one.hold.detail, until, since, started,
        one.planned_messages, one.planned_octets, one.messages, one.octets,
    )  # fmt: skip


def _doing(mailbox: str, wave: str, kind: str, held_by: str, detail: str, *more: Any) -> Doing:
    until, since, started, planned_messages, planned_octets, messages, octets = more
    return Doing(
        address=Address(mailbox),
        wave=WaveName(wave),
        kind=PassKind(kind),
        hold=Hold(HeldBy(held_by), detail, until=None if until is None else read_time(until)),
        since=read_time(since),
        started=None if started is None else read_time(started),
        planned_messages=planned_messages,
        planned_octets=planned_octets,
        messages=messages,
        octets=octets,
    )
