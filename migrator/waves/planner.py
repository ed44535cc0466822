"""Which mailboxes move together. Pure: the plan is shown, compared and written by others."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from migrator.model.mailbox import Mailbox
from migrator.model.names import Address, ServerName, WaveName, slug
from migrator.model.wave import Wave


@dataclass(frozen=True, slots=True)
class WavePlan:
    """What the wave files should become. `waves` is all of them in the order they should run."""

    waves: tuple[Wave, ...]
    added: tuple[Wave, ...] = ()  # files to write that did not exist
    grown: tuple[Wave, ...] = ()  # files to write that gain or lose mailboxes
    unplaced: tuple[Address, ...] = ()  # in a wave file, and no longer in the mailbox list

    @property
    def changed(self) -> bool:
        return bool(self.added or self.grown)


def plan_waves(
    mailboxes: Sequence[Mailbox],
    existing: Mapping[WaveName, Wave],
    begun: frozenset[WaveName],
    pilot: str | None = None,
    max_mailboxes: int | None = None,
) -> WavePlan:
    """Waves by department and target: the pilot department first, then small to large.

    A mailbox stays in the wave it is in, whatever the order of the input, and a wave that has begun neither gains nor
    loses one. New mailboxes join their department's youngest wave with room, or open a new one; a department of more
    than `max_mailboxes` is cut into `sales-1`, `sales-2`, ...
    """
    known = {m.address: m for m in mailboxes}
    waves = {name: _without_departed(wave, known, name in begun) for name, wave in existing.items()}
    placed = {address for wave in waves.values() for address in wave.mailboxes}
    for (department, target), newcomers in _groups(m for m in mailboxes if m.address not in placed):
        _place(waves, begun, department, target, newcomers, max_mailboxes)
    ordered = sorted(waves.values(), key=lambda w: (pilot not in w.departments, len(w.mailboxes), w.name))
    return WavePlan(
        waves=tuple(ordered),
        added=tuple(w for w in ordered if w.name not in existing),
        grown=tuple(w for w in ordered if w.name in existing and w != existing[w.name]),
        unplaced=tuple(a for w in existing.values() for a in w.mailboxes if a not in known),
    )


def _without_departed(wave: Wave, known: Mapping[Address, Mailbox], begun: bool) -> Wave:
    return wave if begun else _with(wave, tuple(a for a in wave.mailboxes if a in known))


def _with(wave: Wave, mailboxes: tuple[Address, ...]) -> Wave:
    return Wave(wave.name, wave.departments, wave.target, mailboxes, wave.window)


def _groups(mailboxes: Iterable[Mailbox]) -> list[tuple[tuple[str, ServerName], list[Address]]]:
    groups: dict[tuple[str, ServerName], list[Address]] = {}
    for mailbox in sorted(mailboxes, key=lambda m: m.address):
        groups.setdefault((mailbox.department, mailbox.target), []).append(mailbox.address)
    return sorted(groups.items())


def _place(
    waves: dict[WaveName, Wave],
    begun: frozenset[WaveName],
    department: str,
    target: ServerName,
    newcomers: list[Address],
    limit: int | None,
) -> None:
    """Put `newcomers` into open waves of their department, then into new ones."""
    left = list(newcomers)
    for wave in [w for w in waves.values() if w.departments == (department,) and w.target == target]:
        room = len(left) if limit is None else max(0, limit - len(wave.mailboxes))
        if wave.name not in begun and room and left:
            waves[wave.name] = _with(wave, (*wave.mailboxes, *left[:room]))
            left = left[room:]
    cut = limit is not None and len(left) > limit
    while left:
        chunk, left = (left[:limit], left[limit:]) if limit else (left, [])
        name = _free_name(waves, department, target, numbered=cut)
        waves[name] = Wave(name, (department,), target, tuple(chunk))


def _free_name(waves: Mapping[WaveName, Wave], department: str, target: ServerName, *, numbered: bool) -> WaveName:
    base = re.sub(r"[^\w.-]+", "-", department).strip("-_.") or "wave"
    candidates = [] if numbered else [base, f"{base}-{target}"]
    candidates += [f"{base}-{number}" for number in range(1, len(waves) + 2)]
    return WaveName(slug(next(name for name in candidates if WaveName(name) not in waves)))
