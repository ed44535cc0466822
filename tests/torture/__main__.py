"""`./dev torture copy|cutover --kills N --seed S [--every] [-o json]`: kills, restarts, and counts what was lost."""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from typing import Any

from tests.lab.requirements import require
from tests.lab.scene import Scene
from tests.torture.trial import Ground, Tally, Work

WORKS: dict[str, tuple[Work, ...]] = {"copy": ("pass",), "cutover": ("cutover", "rollback")}


def main() -> None:
    options = parse()
    require("dovecot", "postfix")
    began = time.monotonic()
    works = WORKS[options.what]
    with Scene({"torture": 50 + options.kills + 3000 * options.every}) as scene:
        ground = Ground(scene)
        for work in works:
            say(f"{work}: reference run")
            reference = ground.trial(work).reference()
            say(f"{work}: {len(reference.points)} points, {reference.seconds:.1f} s")
            if options.every:
                every_point(ground, work, len(reference.points))
            else:
                at_random(ground, work, reference.seconds, options.kills // len(works), random.Random(options.seed))
        ground.runner.close()
    finish(options, ground.tally, time.monotonic() - began)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser("./dev torture", description=__doc__)
    parser.add_argument("what", choices=WORKS)
    parser.add_argument("--kills", type=int, default=100, help="random kills, each with an immediate restart")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--every", action="store_true", help="instead: one kill at every point, in order")
    parser.add_argument("-o", dest="output", choices=("text", "json"), default="text")
    return parser.parse_args()


def every_point(ground: Ground, work: Work, points: int) -> None:
    """One trial a point, until a run ends before its point: it had one more mail to carry, so a few more points."""
    for point in range(1, points + 1):
        ground.trial(work).kill_at(point)
        progress(ground.tally, f"{work}: point {point} of {points}")


def at_random(ground: Ground, work: Work, seconds: float, kills: int, chance: random.Random) -> None:
    """Up to three kills a mailbox, at random moments of the run, with an immediate restart after each."""
    goal = ground.tally.kills + kills
    while ground.tally.kills < goal:
        moments = [chance.uniform(0.01, seconds) for _ in range(min(3, goal - ground.tally.kills))]
        ground.trial(work).kill_randomly(moments)
        progress(ground.tally, f"{work}: {ground.tally.kills} kills")


def progress(tally: Tally, text: str) -> None:
    faults = {name: count for name, count in tally.counts().items() if count and name in Tally.FAULTS}
    say(f"{text} {faults or ''}")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def finish(options: argparse.Namespace, tally: Tally, seconds: float) -> None:
    result: dict[str, Any] = {"what": options.what, "seed": options.seed, "every": options.every} | tally.counts()
    result["seconds"] = round(seconds, 1)
    for sentence in tally.sentences():
        say(sentence)
    print(json.dumps(result) if options.output == "json" else ", ".join(f"{k} {v}" for k, v in result.items()))
    sys.exit(0 if tally.clean else 1)


if __name__ == "__main__":
    main()
