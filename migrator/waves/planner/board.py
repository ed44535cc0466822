"""Waves while they are being made: who is where, what it weighs, and how the servers are loaded."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from migrator.model.mailbox import Mailbox
from migrator.model.names import Address, ServerName, WaveName
from migrator.model.wave import Wave, Window
from migrator.waves.planner.groups import Group
from migrator.waves.planner.values import Budget, Load, Scales


@dataclass(slots=True)
class Draft:
    """A wave in the making; `name` is None until it gets one. `fixed`: it has begun. `standing`: people know it."""

    name: WaveName | None
    departments: tuple[str, ...]
    target: ServerName
    stay: list[Address] = field(default_factory=list)
    join: list[Address] = field(default_factory=list)
    load: Load = field(default_factory=Load)
    window: Window | None = None
    pinned: tuple[Address, ...] = ()
    fixed: bool = False
    standing: bool = False

    @property
    def addresses(self) -> list[Address]:
        """Who was there, in that order, and who joins."""
        return [*self.stay, *sorted(self.join)]

    def wave(self, name: WaveName) -> Wave:
        pinned = tuple(one for one in self.pinned if one in self.stay)
        return Wave(name, self.departments, self.target, tuple(self.addresses), self.window, pinned)


class Board:
    """All drafts. `home` says in which one a mailbox is."""

    def __init__(self, people: Mapping[Address, Mailbox], scales: Scales, budget: Budget) -> None:
        self.people, self.scales, self.budget = people, scales, budget
        self.drafts: list[Draft] = []
        self.home: dict[Address, Draft] = {}
        self._by_department: dict[str, list[Draft]] = {}  # those that may gain mailboxes
        self._loads: dict[ServerName, Load] = {}

    def add(self, draft: Draft) -> None:
        """A draft with those who stay in it."""
        self.drafts.append(draft)
        for department in () if draft.fixed else draft.departments:
            self._by_department.setdefault(department, []).append(draft)
        for address in draft.stay:
            self.home[address] = draft
            if mailbox := self.people.get(address):
                self._shift(draft, self.scales.weigh(mailbox, draft.target))

    def of(self, department: str) -> Sequence[Draft]:
        """The drafts of `department` that may gain mailboxes, in the order in which they were made."""
        return self._by_department.get(department, ())

    def has_room(self, draft: Draft, group: Group) -> bool:
        load = group.loads.get(draft.target)
        return load is not None and self.budget.fits(draft.load, load)

    def join(self, draft: Draft, group: Group) -> None:
        draft.join += group.addresses
        self.home.update(dict.fromkeys(group.addresses, draft))
        self._shift(draft, group.loads[draft.target])

    def leave(self, draft: Draft, addresses: Iterable[Address], load: Load) -> None:
        """`addresses`, which stayed in `draft` so far and weigh `load`, are in no wave any more."""
        gone = frozenset(addresses)
        draft.stay = [one for one in draft.stay if one not in gone]
        for address in gone:
            del self.home[address]
        self._shift(draft, Load() - load)

    def lightest(self, targets: Iterable[ServerName], total: Load) -> list[ServerName]:
        """`targets`, those first that have got the smallest share of all mailboxes and octets (`total`)."""
        return sorted(targets, key=lambda target: (self._share(target, total), target))

    def _share(self, target: ServerName, total: Load) -> int:
        """In whole numbers: mailboxes / all mailboxes + octets / all octets, times both."""
        load = self._loads.get(target, Load())
        return load.mailboxes * max(1, total.octets) + load.octets * max(1, total.mailboxes)

    def _shift(self, draft: Draft, load: Load) -> None:
        draft.load += load
        self._loads[draft.target] = self._loads.get(draft.target, Load()) + load
