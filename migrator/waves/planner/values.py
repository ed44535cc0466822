"""What the planner is asked, and what it answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from migrator.model.estimate import work
from migrator.model.inventory import Size
from migrator.model.mailbox import Mailbox
from migrator.model.names import Address, ServerName, WaveName
from migrator.model.wave import Wave
from migrator.waves.planner.calendar import Calendar

Pair = tuple[ServerName, ServerName]


@dataclass(frozen=True, slots=True)
class Load:
    """What mailboxes weigh: how many, octets, and how long the servers are at work. Whole numbers, so that a sum does
    not depend on its order."""

    mailboxes: int = 0
    octets: int = 0
    milliseconds: int = 0

    def __add__(self, other: "Load") -> "Load":
        more = self.milliseconds + other.milliseconds
        return Load(self.mailboxes + other.mailboxes, self.octets + other.octets, more)

    def __sub__(self, other: "Load") -> "Load":
        left = self.milliseconds - other.milliseconds
        return Load(self.mailboxes - other.mailboxes, self.octets - other.octets, left)


_NOTHING = Load()


@dataclass(frozen=True, slots=True)
class Budget:
    """What one wave may weigh; None: as much as there is."""

    mailboxes: int | None = None
    octets: int | None = None
    milliseconds: int | None = None

    def excess(self, load: Load) -> Load:
        """By how much `load` is over in each; nothing where it fits."""
        return Load(
            0 if self.mailboxes is None else max(0, load.mailboxes - self.mailboxes),
            0 if self.octets is None else max(0, load.octets - self.octets),
            0 if self.milliseconds is None else max(0, load.milliseconds - self.milliseconds),
        )

    def fits(self, load: Load, more: Load = _NOTHING) -> bool:
        """Whether `load` fits with `more` to it. Asked millions of times: nothing is made on the way."""
        return (
            (self.mailboxes is None or load.mailboxes + more.mailboxes <= self.mailboxes)
            and (self.octets is None or load.octets + more.octets <= self.octets)
            and (self.milliseconds is None or load.milliseconds + more.milliseconds <= self.milliseconds)
        )


@dataclass(frozen=True, slots=True)
class Speeds:
    """How fast servers are, in octets of `work` a second.

    `measured` goes before `assumed`, of which the slower server of a pair counts. `fetched_again` is the share of a
    mailbox that its owner's mail programs fetch anew from the target after the cutover.
    """

    measured: Mapping[Pair, float] = field(default_factory=dict)
    assumed: Mapping[ServerName, float] = field(default_factory=dict)
    fetched_again: float = 1.0

    def copying(self, source: ServerName, target: ServerName) -> float | None:
        """Between two servers; None where nothing is known."""
        if known := self.measured.get((source, target)):
            return known
        return min((self.assumed[one] for one in (source, target) if one in self.assumed), default=None)

    def seconds(self, octets: int, messages: int, source: ServerName, target: ServerName) -> float | None:
        """Of the copy, and of what mail programs fetch anew: as fast as the target is assumed to be, else as the copy.

        None where no speed is known.
        """
        copying, amount = self.copying(source, target), work(octets, messages)
        if copying is None:
            return None
        return amount / copying + self.fetched_again * amount / self.assumed.get(target, copying)


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the operator wants of a plan. `mailbox_octets`: what one counts that nobody has looked into."""

    pilot: str | None = None
    budget: Budget = Budget()
    speeds: Speeds = Speeds()
    calendar: Calendar | None = None
    keep_together: bool = True
    mailbox_octets: int = 0
    anew: bool = False  # waves that have not begun are planned as if they were not there


@dataclass(frozen=True, slots=True)
class Note:
    """What a person should know of a plan. `kind` is pilot, budget, together, window, size or speed;

    `mailboxes`: of whom.
    """

    kind: str
    text: str
    wave: WaveName | None = None
    mailboxes: tuple[Address, ...] = ()


@dataclass(frozen=True, slots=True)
class WavePlan:
    """What the wave files should become. `waves` is all of them in the order they should run."""

    waves: tuple[Wave, ...]
    added: tuple[Wave, ...] = ()  # files to write that did not exist
    grown: tuple[Wave, ...] = ()  # files to write that gain or lose mailboxes, or get a window
    removed: tuple[WaveName, ...] = ()  # files to remove: nobody is left in them
    loads: Mapping[WaveName, Load] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()

    @property
    def changed(self) -> bool:
        return bool(self.added or self.grown or self.removed)


class Scales:
    """Weighs mailboxes; each one once for each target."""

    def __init__(self, sizes: Mapping[Address, Size], wishes: Wishes) -> None:
        self._sizes, self._speeds, self._unseen = sizes, wishes.speeds, wishes.mailbox_octets
        self._known: dict[tuple[Address, ServerName], Load] = {}

    def weigh(self, mailbox: Mailbox, target: ServerName) -> Load:
        """What `mailbox` weighs when it moves to `target`; without a known speed it takes no time."""
        key = (mailbox.address, target)
        if (found := self._known.get(key)) is None:
            size = self._sizes.get(mailbox.address)
            octets, messages = (size.octets, size.messages) if size else (self._unseen, 0)
            seconds = self._speeds.seconds(octets, messages, mailbox.source, target) or 0.0
            found = self._known[key] = Load(1, octets, round(seconds * 1000))
        return found
