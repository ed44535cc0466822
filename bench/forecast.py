"""`./dev bench forecast`: how near the forecast of a wave comes to the time that it takes, once a pilot has run."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from statistics import median
from typing import Any

from bench.corpora import FOLDERS, message
from bench.ground import BenchError
from bench.limit import batches, fill
from migrator import state, workspace
from migrator.model.names import WaveName
from migrator.reports.forecast import forecast
from tests.lab.scene import Scene


def bench_forecast(pilot: int, mailboxes: int, messages: int, runs: int) -> dict[str, Any]:
    """A pilot of `pilot` mailboxes, then a wave of `mailboxes`, of 1 to 2 x `messages` messages of log-normal sizes.

    `ratios`: forecast through measured, a run each. A pilot that copies for less than a second tells no speed.
    """
    ratios, seconds = [], []
    for run in range(runs):
        likely, took = _run(pilot, mailboxes, messages, run)
        ratios.append(round(likely / took, 2))
        seconds.append(round(took, 2))
    return {
        "bench": "forecast", "pilot": pilot, "mailboxes": mailboxes, "measured_s": seconds, "ratios": ratios,
        "ratio": median(ratios),
    }  # fmt: skip


def _run(pilot: int, mailboxes: int, messages: int, seed: int) -> tuple[float, float]:
    with Scene({"pilot": pilot, "sales": mailboxes}, postfix=False) as scene:
        chance = random.Random(seed)
        fill(scene.old.connect, [(address, _content(chance, messages)) for address in scene.addresses])
        for wave in ("pilot", "sales"):
            scene.write_wave(wave, scene.departments[wave])
        _migrator(scene, "mailbox", "discover", "--imap")
        _migrator(scene, "wave", "run", "pilot", "--until", "synced")
        with state.open(f"sqlite:///{scene.workspace}/state/migrator.db") as store:
            told = forecast(store, workspace.load(scene.workspace), WaveName("sales")).estimate
        if told is None:
            raise BenchError("there is no forecast, though a pilot has run")
        return told.likely.total_seconds(), _migrator(scene, "wave", "run", "sales", "--until", "synced")


def _content(chance: random.Random, messages: int) -> Mapping[str, list[bytes]]:
    count = chance.randint(messages, 2 * messages) // 4
    return {
        folder: list(batches(folder, [message(chance, int(chance.lognormvariate(9, 1.5)) + 500) for _ in range(count)]))
        for folder in FOLDERS[:4]
    }


def _migrator(scene: Scene, *arguments: str) -> float:
    """The seconds that a command took."""
    began = time.monotonic()
    done = scene.migrator(*arguments)
    if done.returncode:
        raise BenchError(f"{' '.join(arguments)} ended with {done.returncode}: {done.stderr[-2000:]}")
    return time.monotonic() - began
