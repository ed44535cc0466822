"""kill -9 at random moments, and an immediate restart; `./dev torture copy|cutover --kills N` is the long form."""

import random
from collections.abc import Callable

from tests.lab.scene import Scene
from tests.torture.trial import Ground, Trial

KILLS_IN_A_ROW = 3
SEED = 4


def test_random_kills_with_immediate_restart_lose_and_double_nothing(make_scene: Callable[..., Scene]) -> None:
    chance = random.Random(SEED)
    with Ground(make_scene({"victims": 10})) as ground:
        first = ground.trial("cutover", mailboxes=2)
        there = first.reference().seconds
        first.turn_back()
        back = first.reference().seconds
        kill(ground.trial("pass"), there / 2, chance)
        for _ in range(2):
            trial = ground.trial("cutover", mailboxes=2)
            kill(trial, there, chance)
            trial.turn_back()
            kill(trial, back, chance)
        assert ground.tally.clean, ground.tally.sentences()
        assert ground.tally.kills >= KILLS_IN_A_ROW


def kill(trial: Trial, seconds: float, chance: random.Random) -> None:
    """Kill it in a row at moments of a run that takes so many seconds."""
    trial.kill_randomly([chance.uniform(0.05, seconds) for _ in range(KILLS_IN_A_ROW)])
