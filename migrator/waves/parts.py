"""Single mailboxes of a wave that go a way of their own: back to the source, and perhaps forward again."""

from collections.abc import Sequence
from dataclasses import replace

from migrator.dispatch import LeaseKeeper
from migrator.model.errors import GateRefused, Locked
from migrator.model.names import Address, WaveName
from migrator.model.wave import MOVED, OUTSIDE_CUTOVER, Wave, WaveState
from migrator.state import Store
from migrator.state.parts import whole
from migrator.state.records import Actor, WaveRecord
from migrator.workspace import Workspace


def wave_or_part(workspace: Workspace, store: Store, name: WaveName) -> Wave:
    """The wave of that name, or the part of one that the state knows. UnknownName for any other."""
    part = store.waves.get(name) if whole(name) != name else None
    if part is None:
        return workspace.wave(name)
    return replace(workspace.wave(whole(name)), name=name, mailboxes=part.mailboxes)


def without_parts(store: Store, keeper: LeaseKeeper, wave: Wave, actor: Actor) -> Wave:
    """`wave` without the mailboxes of its parts. A part that has come to where the wave is rejoins it first.

    The wave's lease must be held; a part that another runner is at work on stays apart. GateRefused when `wave` is a
    part itself that has rejoined since it was read: it must not come to life again.
    """
    _refuse_rejoined(store, wave)
    apart: set[Address] = set()
    record = store.waves.get(wave.name)
    for part in store.parts.of(wave.name):
        if not (record and _together(part, record) and _rejoins(store, keeper, part.name, record, actor)):
            apart.update(part.mailboxes)
    return replace(wave, mailboxes=tuple(address for address in wave.mailboxes if address not in apart))


def split_off(store: Store, wave: Wave, addresses: Sequence[Address], actor: Actor) -> WaveName:
    """The part of `wave` that consists of `addresses`: what `part_of` finds, or a new one, in the wave's state."""
    return part_of(store, wave, addresses) or store.parts.split(wave.name, addresses, actor)


def part_of(store: Store, wave: Wave, addresses: Sequence[Address]) -> WaveName | None:
    """The part of `wave` that consists of `addresses`; None: there is none yet. It may be one.

    `wave` itself, which may be a part, when it moves no others. GateRefused when they are not the wave's, were left out
    of it, are in different parts, or the wave has not been cut over.
    """
    record = store.waves.get(wave.name)
    ours = set(record.mailboxes) if record else set()
    others = [part for part in store.parts.of(whole(wave.name)) if part.name != wave.name]
    if parts := {part.name for part in others if set(part.mailboxes) & set(addresses)}:
        return _the_one(store, wave, addresses, parts)
    if unknown := [address for address in addresses if address not in ours]:
        raise GateRefused(
            f"{', '.join(unknown)}: not in wave {wave.name}", remedy=f"`migrator wave show {wave.name}` lists who is."
        )
    if left_out := [address for address in addresses if store.mailboxes.skipped(address) is not None]:
        raise GateRefused(
            f"{', '.join(left_out)}: left out of wave {wave.name}, which has never moved them",
            remedy="Nothing to do: their mail goes to the old server.",
        )
    if {address for address in ours if store.mailboxes.skipped(address) is None} == set(addresses):
        return wave.name
    if record is None or record.state not in MOVED:
        raise GateRefused(
            f"wave {wave.name} is {record.state if record else WaveState.PLANNED}: single mailboxes go back only once "
            "it is cut over",
            remedy=f"`migrator wave rollback {wave.name}` takes the whole wave back; "
            "before the cutover, `migrator mailbox skip ADDRESS --reason TEXT` leaves one out.",
        )
    return None


def _the_one(store: Store, wave: Wave, addresses: Sequence[Address], parts: set[WaveName]) -> WaveName:
    name = min(parts)
    part = store.waves.get(name)
    if len(parts) > 1 or part is None or set(part.mailboxes) != set(addresses):
        listed = "; ".join(f"{one.name}: {', '.join(one.mailboxes)}" for one in store.parts.of(whole(wave.name)))
        raise GateRefused(
            f"some of these mailboxes of wave {wave.name} have been taken back in other company: {listed}",
            remedy="Name exactly those of one part, or the part itself: `migrator wave rollback WAVE~NUMBER`.",
        )
    return name


def _refuse_rejoined(store: Store, wave: Wave) -> None:
    parent, record = whole(wave.name), store.waves.get(wave.name)
    if parent != wave.name and (record is None or set(record.mailboxes) != set(wave.mailboxes)):
        raise GateRefused(
            f"the mailboxes of {wave.name} have rejoined wave {parent} just now, by another command",
            remedy=f"`migrator wave status {parent}` says where they are; then run the command that you mean.",
        )


def _rejoins(store: Store, keeper: LeaseKeeper, name: WaveName, wave: WaveRecord, actor: Actor) -> bool:
    """Whether the part has rejoined its wave; not one that somebody works on, or has worked on just now."""
    try:
        with keeper.hold(f"wave:{name}"):
            part = store.waves.get(name)
            if part is None or not _together(part, wave):
                return False
            store.parts.rejoin(part, wave.name, actor)
            return True
    except Locked:
        return False


def _together(part: WaveRecord, wave: WaveRecord) -> bool:
    """Whether both are where their mailboxes may be counted as one wave's again."""
    if part.state in OUTSIDE_CUTOVER and wave.state in OUTSIDE_CUTOVER:
        return True
    return part.state is wave.state is WaveState.COMPLETED
