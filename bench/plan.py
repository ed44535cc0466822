"""`./dev bench plan`: how long a large company takes to be divided into waves, and to be divided again."""

from __future__ import annotations

import random
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from migrator.model.inventory import Bond, Size
from migrator.model.mailbox import UNDECIDED, Mailbox
from migrator.model.names import Address, ServerName, WaveName
from migrator.model.wave import Wave
from migrator.waves.planner import Budget, Speeds, WavePlan, Wishes, plan_waves

DEPARTMENTS, POLICIES, GROUPS, SERVERS = 400, 30, 2_000, 12
SEEN = datetime(2026, 1, 1, tzinfo=UTC)
MB = 1_000_000
WISHES = Wishes(
    pilot="dept-007",
    budget=Budget(mailboxes=200, octets=1_000_000 * MB, milliseconds=8 * 3_600_000),
    speeds=Speeds(assumed={ServerName(name): 60.0 * MB for name in ("old-1", "old-2", "old-3")}),
)


def bench_plan(mailboxes: int) -> dict[str, Any]:
    """Seconds of a first plan, of the same one again, of one with a newcomer, and of one with a smaller budget.

    `moved` counts mailboxes that change their wave, in each of the last three.
    """
    chance = random.Random(1)
    people = _people(chance, mailboxes)
    sizes = {one.address: Size(0, int(chance.lognormvariate(20, 1.5)), 20, None, SEEN) for one in people}
    bonds = _bonds(chance, people)
    newcomer = replace(people[0], address=Address("newcomer@example.co.jp"))
    smaller = replace(WISHES, budget=replace(WISHES.budget, mailboxes=180))
    rows, before = [], WavePlan(())
    for name, everybody, wishes in (
        ("first", people, WISHES),
        ("again", people, WISHES),
        ("newcomer", [*people, newcomer], WISHES),
        ("smaller budget", people, smaller),
    ):
        files = _by_name(before)
        wall, cpu = time.monotonic(), time.process_time()
        found = plan_waves(everybody, files, {}, wishes, sizes, bonds)
        rows.append(
            {"plan": name, "wall_s": round(time.monotonic() - wall, 2), "cpu_s": round(time.process_time() - cpu, 2)}
            | {"waves": len(found.waves), "moved": _moved(before, found), "notes": len(found.notes)}
        )
        before = before if before.waves else found
    head = {"departments": DEPARTMENTS, "policies": POLICIES, "groups": len(bonds)}
    return {"bench": "plan", "mailboxes": mailboxes, **head, "planned": rows}


def _people(chance: random.Random, count: int) -> list[Mailbox]:
    """Departments of very different size; the policy of each lets it go to one server, or to two or three."""
    servers = [ServerName(f"new-{number}") for number in range(SERVERS)]
    targets = [tuple(chance.sample(servers, 1 + number % 3)) for number in range(POLICIES)]
    weights = [1 / (1 + number % 50) for number in range(DEPARTMENTS)]
    found = []
    for number, department in enumerate(chance.choices(range(DEPARTMENTS), weights, k=count)):
        address, choices = Address(f"u{number:05}@example.co.jp"), targets[department % POLICIES]
        target = choices[0] if len(choices) == 1 else UNDECIDED
        source = ServerName(f"old-{1 + number % 3}")
        name = f"dept-{department:03}"
        found.append(Mailbox(address, name, source, target, address, address, targets=choices))
    return found


def _bonds(chance: random.Random, people: list[Mailbox]) -> list[Bond]:
    """Groups of two to ten, most of them inside a department, some across."""
    departments: dict[str, list[Address]] = {}
    for one in people:
        departments.setdefault(one.department, []).append(one.address)
    everybody, teams = [one.address for one in people], sorted(departments.values())
    found = []
    for number in range(GROUPS):
        among = everybody if number % 20 == 0 else chance.choice(teams)
        members = frozenset(chance.sample(among, min(len(among), chance.randint(2, 10))))
        if len(members) > 1:
            found.append(Bond(members, f"share the folder {number}"))
    return found


def _by_name(plan: WavePlan) -> dict[WaveName, Wave]:
    return {wave.name: wave for wave in plan.waves}


def _moved(before: WavePlan, after: WavePlan) -> int:
    home = {address: wave.name for wave in after.waves for address in wave.mailboxes}
    return sum(1 for wave in before.waves for address in wave.mailboxes if home[address] != wave.name)
