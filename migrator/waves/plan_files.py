"""A plan of waves on disk: written into waves/, or saved and applied later."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

from pydantic import ValidationError

from migrator.model.errors import ExitCode, Refused
from migrator.model.names import WaveName
from migrator.model.wave import Wave
from migrator.waves.planner import WavePlan
from migrator.workspace import remove_wave, save_wave
from migrator.workspace.wavefiles import WaveFile, content

KIND, VERSION = "migrator wave plan", 1


class PlanOutdated(Refused):
    """The files, the mailbox list or the state are no longer those that the plan was made from."""

    def __init__(self, what: str) -> None:
        super().__init__(what, remedy="Nothing was written. Plan again: `migrator wave plan`.")


class PlanUnreadable(Refused):
    """A file that is no saved plan."""

    exit_code: ClassVar[ExitCode] = ExitCode.USAGE


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """What is to be written and removed, and the fingerprint of what it was made from."""

    fingerprint: str
    waves: tuple[Wave, ...]
    removed: tuple[WaveName, ...]


def saved(plan: WavePlan, fingerprint: str) -> SavedPlan:
    return SavedPlan(fingerprint, (*plan.added, *plan.grown), plan.removed)


def save(path: Path, plan: SavedPlan) -> None:
    """Write `plan` to `path`. Refused where that cannot be written."""
    told = {
        "kind": KIND,
        "version": VERSION,
        "fingerprint": plan.fingerprint,
        "waves": [content(wave) for wave in plan.waves],
        "removed": plan.removed,
    }
    try:
        path.write_text(json.dumps(told, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}", remedy="Give a file that you may write.") from None


def read(path: Path) -> SavedPlan:
    """The plan that `save` wrote. PlanUnreadable for anything else."""
    try:
        told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if told["kind"] != KIND or told["version"] != VERSION:
            raise ValueError(f"not a plan of this version ({VERSION})")
        waves = tuple(WaveFile.model_validate(one).value() for one in told["waves"])
        return SavedPlan(str(told["fingerprint"]), waves, tuple(map(WaveName, told["removed"])))
    except OSError as error:
        raise PlanUnreadable(f"{path}: {error.strerror}") from None
    except ValidationError:
        raise PlanUnreadable(f"{path}: a wave in it is not valid") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        what = f"{path} is no plan that `migrator wave plan --save` of this version wrote"
        raise PlanUnreadable(what) from None


def refuse_outdated(plan: SavedPlan, fingerprint: str, before: Mapping[WaveName, Wave], now: datetime) -> None:
    """PlanOutdated when `plan` was made from something else, or gives a window that has begun meanwhile."""
    if plan.fingerprint != fingerprint:
        raise PlanOutdated(
            "the wave files, the mailbox list, migrator.yaml or the state have changed since this plan was made"
        )
    for wave in plan.waves:
        old = before.get(wave.name)
        if wave.window and wave.window.start <= now and (old is None or old.window != wave.window):
            raise PlanOutdated(
                f"the window that the plan gives to {wave.name} began at {wave.window.start.isoformat()}"
            )


def write(root: Path, before: Mapping[WaveName, Wave], waves: Sequence[Wave], removed: Sequence[WaveName]) -> None:
    """Write the files. First who leaves is taken out, then who joins is put in: whoever stops in between leaves
    mailboxes without a wave, which the next plan places, never one in two waves, which no command accepts."""
    for name in removed:
        remove_wave(root, name)
    for wave in waves:
        old = before.get(wave.name)
        if old is None or set(old.mailboxes) <= set(wave.mailboxes):
            continue
        if rest := tuple(one for one in wave.mailboxes if one in old.mailboxes):
            pinned = tuple(one for one in wave.pinned if one in rest)
            save_wave(root, replace(wave, mailboxes=rest, pinned=pinned))
        else:
            remove_wave(root, wave.name)
    for wave in waves:
        save_wave(root, wave)
