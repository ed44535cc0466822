"""Cutover and rollback of one wave, again and again, with mail arriving all the time; the referee looks after each.

The commands are those that an operator types. Where one ends with an error, its fault is mended and it is run again,
as its message says.
"""

from __future__ import annotations

import json
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tests.lab.scene import Scene, Side
from tests.lab.traffic import Traffic
from tests.torture.faults import KILLED, KINDS, WIDE, Fault, kinds, prepared, reload_command
from tests.torture.pauses import Pause, pause
from tests.torture.points import chosen
from tests.torture.referee import Referee
from tests.torture.runner import Ended, KillAt, Runner
from tests.torture.watch import Watch
from tests.torture.wide import WideScene

Verb = Literal["run", "rollback"]
WAVE = "cycles"
MAP_TYPES = ("texthash", "lmdb", "hash")  # of both gateways, and of the old server's MTA
GOALS: dict[Verb, tuple[str, Side]] = {"run": ("completed", "new"), "rollback": ("rolled-back", "old")}
AT_REST: dict[str, Side] = {"completed": "new", "rolled-back": "old", "synced": "old"}
TRIES = 6  # runs until the goal, the first included
FOLDERS = ("INBOX", "Sent")
PER_FOLDER = 2
SETTINGS = {
    "cutover": {"catch_up_quiet": "1s", "drain_timeout": "10s", "freeze_deadline": "60s"},
    "canary": {"deadline": "30s"},
}


@dataclass(frozen=True)
class Plan:
    """What is asked for on the command line."""

    cycles: int = 3
    mailboxes: int = 20
    rate: float = 20.0
    mode: Literal["freeze", "no-hold"] = "freeze"
    faults: str = "none"
    seed: int = 1
    new_mails: int = 0
    """Sent after each cutover as fast as they are taken, before the rollback."""
    wide: bool = False
    """With a directory and name servers among the places that route; on where a fault needs them."""

    @property
    def is_wide(self) -> bool:
        return self.wide or bool(set(WIDE) & set(kinds(self.faults)))

    @property
    def scene(self) -> Scene:
        """Not yet started."""
        if self.is_wide:
            return WideScene(WAVE, self.mailboxes, map_types=MAP_TYPES, config=SETTINGS)
        return Scene({WAVE: self.mailboxes}, map_types=MAP_TYPES, config=SETTINGS)


class Journey:
    """The wave's cycles on a started scene with running traffic."""

    def __init__(self, scene: Scene, traffic: Traffic, runner: Runner, plan: Plan) -> None:
        self.scene, self.traffic, self.runner, self.plan = scene, traffic, runner, plan
        self.referee = Referee(scene, traffic)
        self.done = self.faults = self.runs = 0
        self.pauses: dict[Verb, list[Pause]] = {"run": [], "rollback": []}
        self.seconds: dict[Verb, list[float]] = {"run": [], "rollback": []}
        self.copying: list[float] = []
        self._chance = random.Random(plan.seed)
        self._kinds: list[str] = []
        self._points: dict[Verb, Sequence[str]] = {}
        self._killed: dict[Verb, int] = {"run": 0, "rollback": 0}
        self._last: Watch | None = None

    def cycle(self, number: int) -> bool:
        """There and back. False when it is stuck."""
        kind = self._next_kind()
        verb: Verb
        struck: Verb = self._chance.choice(["run", "rollback"])
        for verb in ("run", "rollback"):
            here = kind if verb == struck or kind == KILLED else ""
            if not self._travel(verb, here, f"cycle {number} {verb}" + (f" ({here})" if here else "")):
                return False
            if verb == "run" and self.plan.new_mails:
                self._send_many()
        self.done += 1
        return True

    def _next_kind(self) -> str:
        """Each in turn, in another order each time; before any kill, a cycle that shows where there can be one."""
        if not self._kinds:
            self._kinds = list(kinds(self.plan.faults))
            self._chance.shuffle(self._kinds)
        if KILLED in self._kinds and not self._points:
            return ""
        return self._kinds.pop() if self._kinds else ""

    def _travel(self, verb: Verb, kind: str, where: str) -> bool:
        """Until the goal of `verb`, whatever strikes; judged at every rest. False when it is never reached."""
        goal, side = GOALS[verb]
        began = time.time()
        ended, fault = self._struck(verb, kind, where)
        if fault:
            fault.mend()
        for _ in range(TRIES):
            state = self._state()
            if state == goal and ended.code == 0:
                break
            if state in AT_REST and state != goal:
                self.referee.judge(AT_REST[state], f"{where}, stopped")
            again: Verb = "rollback" if "back" in state and state != "rolled-back" else verb
            ended = self._run(again)
            if ended.code:
                say(f"{where}: {state}, then `wave {again}` ended with {ended.code}: {ended.output[-900:]}")
                if not kind or kind == KILLED:
                    self.referee.findings.stuck.append(f"{where}: {state}, then {again}: exit {ended.code}")
        else:
            self.referee.findings.stuck.append(f"{where}: {self._state()} after {TRIES} runs: {ended.output[-500:]}")
            return False
        over = time.time()
        self.referee.judge(side, where)
        self.referee.look_for_leavings(where)
        if not kind:
            self._measure(verb, began, over)
        return True

    def _struck(self, verb: Verb, kind: str, where: str) -> tuple[Ended, Fault | None]:
        """The first run, and the fault that it met."""
        if kind == KILLED:
            point = self._next_point(verb)
            ended = self._run(verb, kill_at=point)
            self.faults += ended.killed
            say(f"{where}: killed at {point}, {ended.points[-1] if ended.points else 'start'}")
            return ended, None
        if not kind:
            ended = self._run(verb)
            self._points.setdefault(verb, ended.points)
            if ended.code:
                say(f"{where}: ended with {ended.code} though nothing was wrong: {ended.output}")
                self.referee.findings.stuck.append(f"{where}: ended with {ended.code}: {ended.output[-500:]}")
            return ended, None
        fault = KINDS[kind](self.scene, self._chance)
        moment = self._chance.choice(fault.moments[verb])
        ended = self._run(verb, text=f"-> {moment}", then=fault.strike)
        self.faults += 1
        say(f"{where}: at {moment}: ended with {ended.code}: {ended.output[-600:] if ended.code else ''}")
        return ended, fault

    def _next_point(self, verb: Verb) -> tuple[str, int]:
        """Of the steps of a run without a fault the next, in order; evenly picked where there are more than cycles."""
        kills = max(1, self.plan.cycles // len(kinds(self.plan.faults)))
        labels = self._points[verb]
        points = chosen(labels, kills)
        self._killed[verb] += 1
        point = points[(self._killed[verb] - 1) % len(points)]
        return labels[point - 1], labels[:point].count(labels[point - 1])

    def _run(self, verb: Verb, kill_at: KillAt = 0, text: str = "", then: Callable[[], None] | None = None) -> Ended:
        watch = Watch(self.runner.output_path, text, then)
        try:
            ended = self.runner.run("wave", verb, WAVE, "--yes", kill_at=kill_at)
        finally:
            watch.end()
        self.runs += 1
        self._last = watch
        return ended

    def _state(self) -> str:
        said = self.runner.run("wave", "list", "-o", "jsonl").output
        return str(json.loads(next(line for line in said.splitlines() if line.startswith("{")))["state"])

    def _measure(self, verb: Verb, began: float, over: float) -> None:
        meanwhile = [mail for mail in list(self.traffic.sent) if began <= mail.first_tried <= over]
        self.referee.wait_for(meanwhile)
        if found := pause(meanwhile, self.referee.arrivals):
            self.pauses[verb].append(found)
        self.seconds[verb].append(over - began)
        if verb == "rollback" and self._last:
            self.copying.append(self._last.seconds(": reverse pass over"))

    def _send_many(self) -> None:
        ingresses = {name: (router.host, router.port) for name, router in self.scene.routers.items()}
        many = Traffic(ingresses, self.scene.addresses, rate=self.plan.new_mails * 10).start()
        while len(many.sent) + many.pending < self.plan.new_mails:
            time.sleep(0.02)
        sent = many.stop()
        self.traffic.sent += sent
        self.referee.wait_for(sent)

    def result(self) -> dict[str, Any]:
        """What is printed."""
        found: dict[str, Any] = {"cycles": self.done, "runs": self.runs, "faults": self.faults}
        found |= {"mails": len(self.traffic.sent)} | self.referee.findings.counts()
        found |= _pause_figures("pause", self.pauses["run"]) | _pause_figures("pause_back", self.pauses["rollback"])
        found |= {"cutover_s": _median(self.seconds["run"]), "rollback_s": _median(self.seconds["rollback"])}
        return found | {"copy_s": _median(self.copying)}


def cycles(plan: Plan) -> tuple[dict[str, Any], list[str]]:
    """Make the cycles; the figures, and sentences on what was wrong."""
    scene = plan.scene
    with prepared(scene), scene:
        set_up(scene, plan)
        runner = Runner(scene.workspace, scene.environment())
        traffic = scene.traffic(rate=plan.rate).start()
        try:
            journey = Journey(scene, traffic, runner, plan)
            for number in range(1, plan.cycles + 1):
                if not journey.cycle(number):
                    break
                progress(journey, number)
        finally:
            traffic.stop(drain=0)
            runner.close()
        return journey.result(), journey.referee.findings.sentences()


def set_up(scene: Scene, plan: Plan) -> None:
    """The wave, its mail, and a configuration for the mode."""
    scene.fill(per_folder=PER_FOLDER, folders=FOLDERS)
    scene.write_wave(WAVE, scene.addresses)
    scene.write_config({"routing": [_under_torture(scene, entry, plan) for entry in scene.routing_entries()]})


def _under_torture(scene: Scene, entry: dict[str, Any], plan: Plan) -> dict[str, Any]:
    """An entry of a router with a reload that can be told to fail, and the mode; the DNS has neither."""
    if entry["name"] not in scene.routers:
        return entry
    return entry | {"reload": reload_command(scene, entry["name"]), "mode": plan.mode}


def progress(journey: Journey, number: int) -> None:
    counts = {name: count for name, count in journey.referee.findings.counts().items() if count}
    times = {verb: round(each[-1], 1) for verb, each in journey.seconds.items() if each}
    pauses = {verb: f"{each[-1].median:.2f} to {each[-1].longest:.2f}" for verb, each in journey.pauses.items() if each}
    say(f"cycle {number}: {len(journey.traffic.sent)} mails, {counts or 'all well'}, seconds {times}, pauses {pauses}")
    for sentence in journey.referee.fresh():
        say(f"  {sentence}")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _median(values: Sequence[float]) -> float | None:
    return round(statistics.median(values), 1) if values else None


def _pause_figures(name: str, found: Sequence[Pause]) -> dict[str, float | None]:
    """Medians over the cycles without a fault, and the longest pause of all."""
    return {
        f"{name}_s": _rounded([each.median for each in found]),
        f"{name}_p95_s": _rounded([each.p95 for each in found]),
        f"{name}_longest_s": round(max(each.longest for each in found), 2) if found else None,
        f"{name}_usual_s": _rounded([each.usual for each in found]),
    }


def _rounded(values: Sequence[float]) -> float | None:
    return round(statistics.median(values), 2) if values else None
