"""Single mailboxes of a wave that go a way of their own: back to the source, and perhaps forward again."""

from collections.abc import Sequence
from dataclasses import replace

from migrator.dispatch import LeaseKeeper
from migrator.model.errors import GateRefused, Locked
from migrator.model.names import Address, WaveName
from migrator.model.wave import OUTSIDE_CUTOVER, Wave, WaveState
from migrator.state import Store
from migrator.state.parts import MARK
from migrator.state.records import Actor, WaveRecord
from migrator.workspace import Workspace

APART = frozenset({WaveState.VERIFYING, WaveState.CATCHING_UP, WaveState.COMPLETED})  # where a part may split off


def wave_or_part(workspace: Workspace, store: Store, name: WaveName) -> Wave:
    """The wave of that name, or the part of one that the state knows. UnknownName for any other."""
    parent = WaveName(name.rpartition(MARK)[0])
    part = store.waves.get(name) if parent else None
    if part is None:
        return workspace.wave(name)
    return replace(workspace.wave(parent), name=name, mailboxes=part.mailboxes)


def without_parts(store: Store, keeper: LeaseKeeper, wave: Wave, actor: Actor) -> Wave:
    """`wave` without the mailboxes of its parts. A part that has come to where the wave is rejoins it first.

    The wave's lease must be held; a part that another runner is at work on stays apart. GateRefused when `wave` is a
    part itself that has rejoined since it was read: it must not come to life again.
    """
    _refuse_rejoined(store, wave)
    apart: set[Address] = set()
    record = store.waves.get(wave.name)
    for part in store.parts.of(wave.name):
        if record is None or not _together(part, record):
            apart.update(part.mailboxes)
            continue
        try:
            with keeper.hold(f"wave:{part.name}"):
                store.parts.rejoin(part, wave.name, actor)
        except Locked:
            apart.update(part.mailboxes)
    return replace(wave, mailboxes=tuple(address for address in wave.mailboxes if address not in apart))


def split_off(store: Store, wave: Wave, addresses: Sequence[Address], actor: Actor) -> WaveName:
    """The part of `wave` that consists of `addresses`: the one that there is, or a new one, in the wave's state.

    `wave` itself, which may be a part, when it has no others. GateRefused when they are not the wave's, are in
    different parts, or the wave has not been cut over.
    """
    record = store.waves.get(wave.name)
    if record is not None and set(record.mailboxes) == set(addresses):
        return wave.name
    others = [part for part in store.parts.of(_whole(wave.name)) if part.name != wave.name]
    if parts := {part.name for part in others if set(part.mailboxes) & set(addresses)}:
        return _the_one(store, wave, addresses, parts)
    if unknown := [address for address in addresses if record is None or address not in record.mailboxes]:
        raise GateRefused(
            f"{', '.join(unknown)}: not in wave {wave.name}", remedy=f"`migrator wave show {wave.name}` lists who is."
        )
    assert record is not None
    if record.state not in APART:
        raise GateRefused(
            f"wave {wave.name} is {record.state}: single mailboxes go back only once it is cut over",
            remedy=f"`migrator wave rollback {wave.name}` takes the whole wave back; "
            "before the cutover, `migrator mailbox skip ADDRESS --reason TEXT` leaves one out.",
        )
    return store.parts.split(wave.name, addresses, actor)


def _the_one(store: Store, wave: Wave, addresses: Sequence[Address], parts: set[WaveName]) -> WaveName:
    name = min(parts)
    part = store.waves.get(name)
    if len(parts) > 1 or part is None or set(part.mailboxes) != set(addresses):
        listed = "; ".join(f"{one.name}: {', '.join(one.mailboxes)}" for one in store.parts.of(_whole(wave.name)))
        raise GateRefused(
            f"some of these mailboxes of wave {wave.name} have been taken back in other company: {listed}",
            remedy="Name exactly those of one part, or the part itself: `migrator wave rollback WAVE~NUMBER`.",
        )
    return name


def _whole(name: WaveName) -> WaveName:
    """The wave of which a part of that name is; the name itself where it is no part's."""
    whole, _, number = name.rpartition(MARK)
    return WaveName(whole) if whole and number.isdigit() else name


def _refuse_rejoined(store: Store, wave: Wave) -> None:
    whole, record = _whole(wave.name), store.waves.get(wave.name)
    if whole != wave.name and (record is None or set(record.mailboxes) != set(wave.mailboxes)):
        raise GateRefused(
            f"the mailboxes of {wave.name} have rejoined wave {whole} just now, by another command",
            remedy=f"`migrator wave status {whole}` says where they are; then run the command that you mean.",
        )


def _together(part: WaveRecord, wave: WaveRecord) -> bool:
    """Whether both are where their mailboxes may be counted as one wave's again."""
    if part.state in OUTSIDE_CUTOVER and wave.state in OUTSIDE_CUTOVER:
        return True
    return part.state is wave.state is WaveState.COMPLETED
