"""Two runners at once on one mailbox: on one database, and on two workspaces that do not know of each other."""

from __future__ import annotations

import shutil
import time

from tests.lab.scene import Scene
from tests.torture.judge import Tally
from tests.torture.runner import Ended, Runner
from tests.torture.trial import Ground, Trial

LOCKED = 7
MIDDLE = 40  # a point of a pass at which some messages are across, and others not
PATIENCE = 60.0  # seconds


class Track:
    """The servers, and two runners: in one workspace, or (`apart`) each in one of its own."""

    def __init__(self, scene: Scene, tally: Tally, apart: bool) -> None:
        self.scene, self.tally, self.apart = scene, tally, apart
        self.kind = "on two workspaces" if apart else "on one database"
        self._ground = Ground(scene, tally)
        self._places = [scene.workspace, scene.directory / "workspace-2"] if apart else [scene.workspace] * 2
        if apart:
            shutil.copytree(self._places[0], self._places[1])
        self._runners = [Runner(place, scene.environment()) for place in self._places]

    def __enter__(self) -> Track:
        return self

    def __exit__(self, *exception: object) -> None:
        for runner in self._runners:
            runner.close()
        self._ground.close()

    def race(self) -> None:
        """Both start at once: one works, the other is refused and says by whom; later it finds all done."""
        trial, ended = self._until_they_meet()
        story = f"{trial.wave}: race {self.kind}"
        loser = next((one for one in ended if one.code == LOCKED), None)
        winner = next((one for one in ended if one.code == 0), None)
        if winner is None or loser is None or not self._names_holder(loser, winner):
            self.tally.stumbled.append(f"{story}: {[(one.code, one.output) for one in ended]}")
        trial.send()
        trial.settle()
        self._both_in_turn(trial, story)

    def take_over(self) -> float:
        """One is killed at work; the other, which tries all the time, gets in soon and finishes the work.

        How long after the kill its successful run began, in seconds.
        """
        trial = self._trial()
        killed = self._runners[0].run(*trial.command, kill_at=MIDDLE)
        died = time.monotonic()
        self.tally.kills += killed.killed
        trial.send()
        story, waited = f"{trial.wave}: takeover {self.kind}", 0.0
        while (ended := self._runners[1].run(*trial.command)).code == LOCKED and waited < PATIENCE:
            waited = time.monotonic() - died
        if ended.code:
            self.tally.stuck.append(f"{story}: exit {ended.code} after {waited:.1f} s: {ended.output}")
        self._both_in_turn(trial, story)
        return waited

    def _until_they_meet(self) -> tuple[Trial, list[Ended]]:
        """A race in which one did not end before the other began to look (on a busy machine they may miss)."""
        while True:
            trial = self._trial()
            for runner in self._runners:
                runner.begin(*trial.command)
            ended = [runner.end() for runner in self._runners]
            if [one.code for one in ended] != [0, 0]:
                return trial, ended

    def _trial(self) -> Trial:
        """A fresh mailbox; no workspace has a state yet, so that making it is part of the race."""
        trial = self._ground.trial("pass")
        for place in self._places:
            shutil.rmtree(place / "state", ignore_errors=True)
            if place != self.scene.workspace:
                shutil.copytree(self.scene.workspace / "waves", place / "waves", dirs_exist_ok=True)
        return trial

    def _names_holder(self, loser: Ended, winner: Ended) -> bool:
        return f"(pid {winner.pid}" in loser.output

    def _both_in_turn(self, trial: Trial, story: str) -> None:
        """Mail keeps coming, and now one, now the other carries it: nothing is doubled."""
        for runner in (*self._runners, *self._runners):
            ended = runner.run(*trial.command)
            if ended.code:
                self.tally.stumbled.append(f"{story}: later run: exit {ended.code}: {ended.output}")
            trial.send()
            trial.settle()
        trial.judge(story)
