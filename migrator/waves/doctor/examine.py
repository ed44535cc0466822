"""All of it in one go: files, machine, servers, places, and every mailbox on both sides."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from migrator.model.errors import MigratorError
from migrator.model.mailbox import Mailbox
from migrator.model.names import ServerName, WaveName
from migrator.model.wave import OUTSIDE_CUTOVER, Wave, WaveState, Window
from migrator.routing import Severity
from migrator.waves.doctor import kinds, machine, routes, servers
from migrator.waves.doctor.diagnosis import Diagnosis
from migrator.waves.doctor.looks import Clocks, Look, Room, look_at
from migrator.waves.doctor.verdict import judge, nobody_in
from migrator.waves.operation import Operation
from migrator.waves.whereabouts import states


@dataclass(frozen=True, slots=True)
class Examined:
    """What was found, and how much was looked at."""

    diagnoses: tuple[Diagnosis, ...]
    mailboxes: int
    servers: int
    places: int
    notes: tuple[str, ...] = ()

    @property
    def errors(self) -> int:
        return sum(diagnosis.severity is Severity.ERROR for diagnosis in self.diagnoses)


def doctor_wave(name: str, mailboxes: Sequence[Mailbox], window: Window | None = None) -> Wave:
    """What stands for a wave while mailboxes are examined: a run of theirs is not in the way."""
    first = mailboxes[0]
    departments = tuple(dict.fromkeys(mailbox.department for mailbox in mailboxes))
    addresses = tuple(mailbox.address for mailbox in mailboxes)
    return Wave(WaveName(f"doctor {name}"), departments, first.target, addresses, window)


def examine(op: Operation, told: Callable[[], None] = lambda: None) -> Examined:
    """Try everything for the mailboxes of `op`, that of a `doctor_wave`; `told` is called after each of them.

    Raises Stopped when the operator stops it.
    """
    names = sorted({name for mailbox in op.mailboxes for name in (mailbox.source, mailbox.target)})
    broken, found = servers.unreachable(op, names)
    found += broken.values()
    found += [*servers.ingresses(op), *machine.secrets(op.workspace), *machine.disk(op)]
    settled, moving = _settled(op)
    if settled:
        found += [*routes.places(op), *routes.loops(op)]
    clocks = Clocks()
    looks = _looks(op, frozenset(broken), clocks, told)
    closed = nobody_in(looks)
    found += closed.values()
    for look in looks:
        begun = op.store.mailboxes.last(look.mailbox.address) is not None
        found += judge(look, op.crew.folder_policy, begun, closed) if look.mailbox.address not in moving else []
    found += _capabilities(looks)
    found += servers.clocks(clocks.offsets)
    found += kinds.days(looks, _day_limited(op))
    silent = servers.untold(clocks.offsets, [name for name in names if name not in broken])
    notes = [text for text in (kinds.told(kinds.kinds(looks)), silent) if text]
    if moving:
        notes.append(f"{len(moving)} mailboxes are being cut over, or have moved: routes and room are not judged")
    return Examined(tuple(found), len(looks), len(names), len(op.places), tuple(notes))


def _settled(op: Operation) -> tuple[bool, frozenset[str]]:
    """Whether every mailbox is still on its source, as far as mail goes; and those that are not."""
    known = states(op.store)
    moving = frozenset(a for a in op.addresses if known.get(a, WaveState.PLANNED) not in OUTSIDE_CUTOVER)
    return not moving, moving


def _looks(op: Operation, broken: frozenset[ServerName], clocks: Clocks, told: Callable[[], None]) -> list[Look]:
    def look(mailbox: Mailbox) -> Look:
        try:
            return look_at(op, mailbox, broken, clocks)
        finally:
            told()

    outcomes = op.crew.each(op.mailboxes, look)
    for outcome in outcomes.values():
        if isinstance(outcome, MigratorError):  # Stopped: every other error is in its look
            raise outcome
    return [outcome for outcome in outcomes.values() if isinstance(outcome, Look)]


def _day_limited(op: Operation) -> frozenset[ServerName]:
    """The servers for which the operator has set how much may pass in a day."""
    config = op.workspace.config
    all_of_them = config.limits.bytes_per_day is not None
    return frozenset(n for n, server in config.servers.items() if all_of_them or server.limits.bytes_per_day)


def _capabilities(looks: Sequence[Look]) -> Iterator[Diagnosis]:
    seen = {look.mailbox.target: look.target.capabilities for look in looks if isinstance(look.target, Room)}
    for name, capabilities in seen.items():
        yield from servers.lacking(name, capabilities)
