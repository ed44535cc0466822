"""A mailbox that a person moves from one wave to another."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from migrator.model.errors import Refused
from migrator.model.names import Address, WaveName
from migrator.model.wave import Wave
from migrator.waves.inputs import Inputs
from migrator.waves.planner import Note


class WaveBegun(Refused):
    """Something of the wave has been copied: its mailboxes are fixed."""


@dataclass(frozen=True, slots=True)
class HandMove:
    """The files to write and to remove; `origin` is the wave it was in, `notes` what the move brings with it."""

    origin: WaveName | None
    waves: tuple[Wave, ...]
    removed: tuple[WaveName, ...]
    notes: tuple[Note, ...]


def moved(inputs: Inputs, owner: Address, name: WaveName) -> HandMove:
    """`owner` in the wave `name`, pinned. WaveBegun, UnknownName, or Refused where it may not go to that server."""
    workspace = inputs.workspace
    mailbox, wave = workspace.mailbox(owner), workspace.wave(name)
    begun = next((other for other, members in inputs.begun.items() if owner in members), None)
    origin = next((one for one in workspace.waves.values() if owner in one.mailboxes), None)
    for other in (begun, origin.name if origin else None, name):
        if other is not None and (other == begun or other in inputs.begun):
            raise WaveBegun(
                f"{owner} stays where it is: wave {other} has begun",
                remedy="Wait for it to be completed, or take it back: `migrator wave rollback`.",
            )
    if wave.target not in mailbox.choices:
        servers = " or ".join(mailbox.choices)
        raise Refused(
            f"{owner} moves to {servers} by the mailbox list, and wave {name} to {wave.target}",
            remedy="Correct `target` in the mailbox list or `policies:` in migrator.yaml, or choose another wave.",
        )
    after = _after(workspace.waves, origin, wave, owner)
    changed = tuple(one for one in after.values() if one != workspace.waves[one.name])
    before = {note.text for note in inputs.look(workspace.waves)[1]}
    notes = tuple(note for note in inputs.look(after)[1] if note.text not in before)
    removed = tuple(one for one in workspace.waves if one not in after)
    return HandMove(origin.name if origin else None, changed, removed, notes)


def _after(waves: Mapping[WaveName, Wave], origin: Wave | None, wave: Wave, owner: Address) -> dict[WaveName, Wave]:
    after = dict(waves)
    if origin is not None and origin.name != wave.name:
        rest = tuple(one for one in origin.mailboxes if one != owner)
        pinned = tuple(one for one in origin.pinned if one != owner)
        after[origin.name] = replace(origin, mailboxes=rest, pinned=pinned)
        if not rest:
            del after[origin.name]
    joined = wave.mailboxes if owner in wave.mailboxes else (*wave.mailboxes, owner)
    pinned = wave.pinned if owner in wave.pinned else (*wave.pinned, owner)
    after[wave.name] = replace(wave, mailboxes=joined, pinned=pinned)
    return after
