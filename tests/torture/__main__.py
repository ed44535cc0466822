"""`./dev torture copy|cutover --kills N --seed S [-o json]`: kills, restarts, and counts what was lost.

`--every` kills once at each point instead; `--every 4 --seed 0` to `--seed 3` are the same in four parts.
`./dev torture races`: two runners at once, on one database and on two workspaces.
`./dev torture cutover --cycles N --mailboxes M --rate R --mode freeze|no-hold --faults none|all`: a wave goes there
and back under traffic; counts mail that was lost, doubled or bounced, and tells how long it was held up. `--wide`: with
a gateway on a directory and two name servers among the places that route, as for those faults that need them.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import random
import sys
import time
from collections.abc import Sequence
from typing import Any

from tests.lab.requirements import require
from tests.lab.scene import Scene
from tests.torture.cycles import Plan, cycles
from tests.torture.faults import KILLED, KINDS
from tests.torture.judge import Tally, Work
from tests.torture.races import Track
from tests.torture.referee import Findings
from tests.torture.trial import Ground
from tests.torture.wide import SERVERS

WORKS: dict[str, tuple[Work, ...]] = {"copy": ("pass", "mirror"), "cutover": ("cutover", "rollback", "retreat")}
SLOW_POINTS = ("imap APPEND", "imap literal")
TAKEOVERS = 5
MAILBOXES = 3  # of a wave that is killed at random moments: worked side by side
FIRST_FLIP = "before rename to transport"  # before it a cutover cannot be rolled back


def main() -> None:
    options = parse()
    require("dovecot", "postfix")
    began = time.monotonic()
    result = work(options)
    result = {"what": options.what, "seed": options.seed} | result | {"seconds": round(time.monotonic() - began, 1)}
    print(json.dumps(result) if options.output == "json" else ", ".join(f"{k} {v}" for k, v in result.items()))
    sys.exit(any(result.get(fault) for fault in (*Tally.FAULTS, *Findings.FAULTS)))


def work(options: argparse.Namespace) -> dict[str, Any]:
    """What is asked for; the figures."""
    if options.cycles:
        return cycle(options)
    return race(options) if options.what == "races" else kill(options)


def cycle(options: argparse.Namespace) -> dict[str, Any]:
    """Cutovers and rollbacks of one wave under traffic; the figures."""
    names = [field.name for field in dataclasses.fields(Plan)]
    asked = {name: getattr(options, name) for name in names}
    plan = Plan(**asked)
    if plan.is_wide:
        require(*SERVERS)
    counts, sentences = cycles(plan)
    for sentence in sentences:
        say(sentence)
    return {name: asked[name] for name in ("mailboxes", "rate", "mode", "faults")} | counts


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser("./dev torture", description=__doc__)
    parser.add_argument("what", choices=[*WORKS, "races"])
    parser.add_argument("--kills", type=int, default=100, help="random kills, each with an immediate restart")
    parser.add_argument("--races", type=int, default=50, help="of two runners, and as many on two workspaces")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=list(itertools.chain(*WORKS.values())), help="one kind of work alone")
    parser.add_argument(
        "--every", type=int, nargs="?", const=1, default=0, metavar="N", help="instead: a kill at every Nth point"
    )
    parser.add_argument("--twice", action="store_true", help="with --every: the run that resumes is killed as well")
    parser.add_argument("--slow", action="store_true", help="with --every: at the appends of a pass, over a slow wire")
    several = parser.add_argument_group("cutover: instead, a wave goes there and back, with mail arriving all the time")
    several.add_argument("--cycles", type=int, default=0, help="cutovers, each followed by a rollback")
    several.add_argument("--mailboxes", type=int, default=20)
    several.add_argument("--rate", type=float, default=20.0, help="mails a second, through all routers together")
    several.add_argument("--mode", choices=("freeze", "no-hold"), default="freeze")
    several.add_argument("--faults", choices=("none", "all", *KINDS, KILLED), default="none")
    several.add_argument("--wide", action="store_true", help="with a directory and name servers; on with `all`")
    several.add_argument("--new-mails", type=int, default=0, help="sent between each cutover and its rollback")
    parser.add_argument("-o", dest="output", choices=("text", "json"), default="text")
    return parser.parse_args()


def kill(options: argparse.Namespace) -> dict[str, Any]:
    """Kills, as asked for; the counts."""
    works = (options.only,) if options.only else WORKS[options.what]
    options.kills = -(-options.kills // len(works))
    tally = Tally()
    for work in works:
        with (
            Scene({"torture": MAILBOXES * (20 + options.kills) + 600 * bool(options.every)}) as scene,
            Ground(scene, tally, slow=options.slow) as ground,
        ):
            torture(ground, work, options)
    return tally.counts()


def race(options: argparse.Namespace) -> dict[str, Any]:
    """Races and takeovers; the counts, and the longest time to a takeover."""
    tally, slowest = Tally(), {}
    for apart in (False, True):
        with Scene({"races": 10 * options.races + TAKEOVERS}) as scene, Track(scene, tally, apart) as track:
            for number in range(options.races):
                track.race()
                progress(tally, f"{track.kind}: race {number + 1}")
            waits = [track.take_over() for _ in range(TAKEOVERS)]
            progress(tally, f"{track.kind}: takeovers after {', '.join(f'{wait:.1f}' for wait in waits)} s")
            slowest[f"slowest takeover {track.kind}"] = round(max(waits), 1)
    return {"races": 2 * options.races} | tally.counts() | slowest


def torture(ground: Ground, work: Work, options: argparse.Namespace) -> None:
    reference = ground.trial(work, 1 if options.every else MAILBOXES).reference()
    say(f"{work}: {len(reference.points)} points, {reference.seconds:.1f} s")
    chance = random.Random(options.seed)
    if options.every:
        at_points(ground, work, reference.points, options, chance)
    else:
        at_random(ground, work, reference.seconds, options.kills, chance)


def at_points(
    ground: Ground, work: Work, labels: Sequence[str], options: argparse.Namespace, chance: random.Random
) -> None:
    """A trial a point, in order; every Nth begins where the seed says, so that N seeds make all of them."""
    first = labels.index(FIRST_FLIP) if work == "retreat" else 0
    points = [point for point, label in enumerate(labels, 1) if point > first and _wanted(label, options)]
    for point in points[options.seed % options.every :: options.every]:
        trial = ground.trial(work)
        if options.slow:
            trial.kill_slowly(point)
        else:
            trial.kill_at(point, *([chance.randint(1, len(labels))] if options.twice else []))
        progress(ground.tally, f"{work}: point {point} of {len(labels)}")


def _wanted(label: str, options: argparse.Namespace) -> bool:
    return not options.slow or label.endswith(SLOW_POINTS)


def at_random(ground: Ground, work: Work, seconds: float, kills: int, chance: random.Random) -> None:
    """Up to three kills a wave, at random moments of the run, with an immediate restart after each."""
    goal = ground.tally.kills + kills
    while ground.tally.kills < goal:
        moments = [chance.uniform(0.01, 0.8 * seconds) for _ in range(min(3, goal - ground.tally.kills))]
        seconds = ground.trial(work, MAILBOXES).kill_randomly(moments) or seconds
        progress(ground.tally, f"{work}: {ground.tally.kills} kills")


def progress(tally: Tally, text: str) -> None:
    faults = {name: count for name, count in tally.counts().items() if count and name in Tally.FAULTS}
    say(f"{text} {faults or ''}")
    for sentence in tally.fresh():
        say(sentence)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
