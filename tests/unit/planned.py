"""Companies to plan waves for, and what every plan must keep to; knows nothing of how a plan is made."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from hypothesis import strategies as st

from migrator.model.inventory import Bond, Size
from migrator.model.mailbox import UNDECIDED, Mailbox
from migrator.model.names import Address, ServerName, WaveName
from migrator.model.wave import Wave
from migrator.waves.planner import Budget, Speeds, WavePlan, Wishes, plan_waves

SEEN = datetime(2026, 11, 1, tzinfo=UTC)
Places = dict[Address, WaveName]


def mailbox(name: str, department: str, *targets: str, source: str = "old", keep_with: str | None = None) -> Mailbox:
    at = Address(f"{name}@example.co.jp")
    choices = tuple(map(ServerName, targets or ("new",)))
    one = choices[0] if len(choices) == 1 else UNDECIDED
    return Mailbox(at, department, ServerName(source), one, at, at, keep_with=keep_with, targets=choices)


def size(octets: int) -> Size:
    return Size(0, octets, 1, None, SEEN)


def by_name(plan: WavePlan) -> dict[WaveName, Wave]:
    return {wave.name: wave for wave in plan.waves}


def places(plan: WavePlan) -> Places:
    return {address: wave.name for wave in plan.waves for address in wave.mailboxes}


@dataclass(frozen=True)
class Company:
    """What is planned for, all of it."""

    people: tuple[Mailbox, ...]
    sizes: Mapping[Address, Size]
    bonds: tuple[Bond, ...]
    wishes: Wishes

    def plan(
        self,
        existing: Mapping[WaveName, Wave] | None = None,
        begun: Iterable[WaveName] = (),
        people: Sequence[Mailbox] | None = None,
        wishes: Wishes | None = None,
    ) -> WavePlan:
        waves = existing or {}
        moving = {name: waves[name].mailboxes for name in begun}
        return plan_waves(
            self.people if people is None else people, waves, moving, wishes or self.wishes, self.sizes, self.bonds
        )

    def hours(self, one: Mailbox) -> float:
        """Seconds, worked out anew: at 100 octets a second, and once more for mail programs."""
        return 2 * self.sizes[one.address].octets / 100 if one.address in self.sizes else 0

    def broken(self, wave: Wave) -> bool:
        """Whether a wave is over the budget."""
        people = [one for one in self.people if one.address in wave.mailboxes]
        octets = sum(self.sizes[one.address].octets for one in people if one.address in self.sizes)
        budget = self.wishes.budget
        return (
            (budget.mailboxes is not None and len(wave.mailboxes) > budget.mailboxes)
            or (budget.octets is not None and octets > budget.octets)
            or (budget.milliseconds is not None and sum(map(self.hours, people)) * 1000 > budget.milliseconds)
        )

    def all_bonds(self) -> list[frozenset[Address]]:
        """What must stay together: those of the inventory, and those of the column; people of the company only."""
        here = {one.address for one in self.people}
        found = [bond.members & here for bond in self.bonds]
        for label in {one.keep_with for one in self.people if one.keep_with}:
            own = {one.address for one in self.people if one.keep_with == label}
            found.append(frozenset(own | ({Address(label)} & here)))
        return [bond for bond in found if len(bond) > 1]


budgets = st.builds(
    Budget,
    mailboxes=st.none() | st.integers(1, 6),
    octets=st.none() | st.integers(100, 2000),
    milliseconds=st.none() | st.integers(5_000, 60_000),
)


@st.composite
def companies(draw: st.DrawFn, most: int = 24) -> Company:
    """Up to `most` people of four departments, who may go to one of three servers, or to several."""
    policies = {
        department: draw(st.sampled_from([("hq1",), ("hq1", "hq2"), ("hq1", "hq2", "branch")]))
        for department in ("sales", "legal", "営業", "a/b")
    }
    people = []
    for number in range(draw(st.integers(1, most))):
        department = draw(st.sampled_from(sorted(policies)))
        friend = draw(st.none() | st.sampled_from(["board", "desk", "u0@example.co.jp"]))
        source = draw(st.sampled_from(["old", "older"]))
        people.append(mailbox(f"u{number}", department, *policies[department], source=source, keep_with=friend))
    addresses = [one.address for one in people]
    known = draw(st.lists(st.sampled_from(addresses), unique=True))
    sizes = {address: size(draw(st.integers(0, 900))) for address in known}
    members = st.frozensets(st.sampled_from(addresses), min_size=2, max_size=5)
    bonds = draw(st.lists(members, max_size=6)) if len(addresses) > 1 else []
    wishes = Wishes(
        pilot=draw(st.none() | st.sampled_from(["sales", "営業"])),
        budget=draw(budgets),
        speeds=Speeds(assumed={ServerName("old"): 100.0, ServerName("older"): 100.0}),
    )
    company = tuple(people)
    return Company(company, sizes, tuple(Bond(one, f"folder {n}") for n, one in enumerate(bonds)), wishes)
