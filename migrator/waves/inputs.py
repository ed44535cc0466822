"""What a plan of waves is made from: the workspace and the state, as they are now."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, time, timedelta

from migrator.model.inventory import Bond, Size
from migrator.model.names import Address, WaveName
from migrator.model.wave import Wave, WaveState
from migrator.state import Store
from migrator.waves.planner import Budget, Load, Note, Speeds, WavePlan, Wishes, look, plan_waves
from migrator.waves.planner.calendar import Blackout, Calendar, Opening
from migrator.waves.planner.values import Pair
from migrator.workspace import Workspace
from migrator.workspace.windows import OpeningSettings, Windows

WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
HOUR = 3_600_000


@dataclass(frozen=True, slots=True)
class Inputs:
    """`begun`: the waves whose mailboxes are fixed, something of them has been copied; with the state's mailboxes."""

    workspace: Workspace
    begun: Mapping[WaveName, tuple[Address, ...]]
    wishes: Wishes
    sizes: Mapping[Address, Size]
    bonds: tuple[Bond, ...]

    def plan(self) -> WavePlan:
        people = tuple(self.workspace.mailboxes.values())
        return plan_waves(people, self.workspace.waves, self.begun, self.wishes, self.sizes, self.bonds)

    def look(self, waves: Mapping[WaveName, Wave]) -> tuple[dict[WaveName, Load], tuple[Note, ...]]:
        """What `waves` weigh, and what a person should know of them."""
        return look(tuple(self.workspace.mailboxes.values()), waves, self.begun, self.wishes, self.sizes, self.bonds)

    @property
    def fingerprint(self) -> str:
        """Differs when anything differs that the plan is made from.

        But not for the passing of time, and not for measured speeds, which every minute of copying changes.
        """
        config = self.workspace.config
        told = {
            "mailboxes": [
                (one.address, one.department, one.source, one.choices, one.keep_with)
                for one in sorted(self.workspace.mailboxes.values(), key=lambda one: one.address)
            ],
            "waves": [asdict(wave) for _, wave in sorted(self.workspace.waves.items())],
            "begun": sorted((name, sorted(members)) for name, members in self.begun.items()),
            "sizes": sorted((owner, size.octets, size.messages) for owner, size in self.sizes.items()),
            "bonds": sorted((sorted(bond.members), bond.why) for bond in self.bonds),
            "config": config.model_dump(mode="json", include={"planner", "policies", "windows"}),
        }
        return hashlib.sha256(json.dumps(told, default=str, sort_keys=True).encode()).hexdigest()


def gather(workspace: Workspace, store: Store | None, now: datetime, anew: bool = False) -> Inputs:
    """All that a plan needs. `store` is None before anything was run; `now` is aware."""
    records = store.waves.all() if store else ()
    begun = {record.name: record.mailboxes for record in records if record.state is not WaveState.PLANNED}
    sizes, bonds = _inventory(store)
    return Inputs(workspace, begun, _wishes(workspace, store, now, anew), sizes, bonds)


def _inventory(store: Store | None) -> tuple[dict[Address, Size], tuple[Bond, ...]]:
    """How large mailboxes are, and who belongs together, as far as somebody has looked."""
    return (store.inventory.sizes(), store.inventory.bonds()) if store else ({}, ())


def _wishes(workspace: Workspace, store: Store | None, now: datetime, anew: bool) -> Wishes:
    planner = workspace.config.planner
    hours = None if planner.max_hours is None else round(planner.max_hours * HOUR)
    return Wishes(
        pilot=planner.pilot,
        budget=Budget(planner.max_mailboxes, planner.max_bytes, hours),
        speeds=Speeds(_measured(workspace, store), planner.throughput, planner.fetched_again),
        calendar=_calendar(workspace, now),
        keep_together=planner.keep_together,
        mailbox_octets=planner.mailbox_size,
        anew=anew,
    )


def _measured(workspace: Workspace, store: Store | None) -> dict[Pair, float]:
    """How fast copying was between two servers, over all that is remembered of it."""
    found: dict[Pair, float] = {}
    if store is None:
        return found
    people = workspace.mailboxes.values()
    for source, target in sorted({(one.source, target) for one in people for target in one.choices}):
        useful = [one for one in store.throughput.last(source, target) if one.seconds > 0 and one.work > 0]
        if useful:
            found[source, target] = sum(one.work for one in useful) / sum(one.seconds for one in useful)
    return found


def _calendar(workspace: Workspace, now: datetime) -> Calendar | None:
    """None where `windows.cutover` is empty: then people write the windows."""
    windows, planner = workspace.config.windows, workspace.config.planner
    if not windows.cutover:
        return None
    today = now.astimezone(windows.zone).date()
    first = max(planner.first_day or today, today + timedelta(days=1))
    midnight = datetime.combine(first, time(), windows.zone)
    return Calendar(
        after=midnight - timedelta(microseconds=1),
        openings=tuple(map(_opening, windows.cutover)),
        zone=windows.zone,
        holidays=frozenset(windows.holidays),
        blackouts=_blackouts(windows),
        together=planner.waves_per_window,
        now=now,
    )


def _blackouts(windows: Windows) -> tuple[Blackout, ...]:
    return tuple(Blackout(one.start, one.end, one.why) for one in windows.blackouts)


def _opening(one: OpeningSettings) -> Opening:
    days = frozenset(WEEK.index(day) for day in one.days if day != "holiday") if one.days else frozenset(range(7))
    return Opening(one.start, one.end, days, "holiday" in one.days)
