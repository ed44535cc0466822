"""What to do about one thing that belongs to a mailbox, given both sides and what we did before. Pure.

Compare-and-swap, like flips: the source's last value wins as long as the target's is what we put there. What somebody
else put there, or changed, is left alone and told.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from migrator.model.belonging import Belonging, Key, Kind


class Step(StrEnum):
    SAME = "same"
    PUT = "put"
    REMOVE = "remove"
    LEAVE = "leave"


def step(wanted: str | None, there: str | None, record: Belonging | None) -> Step:
    """None: nothing is wanted, or nothing is there. Values are never empty."""
    if there == wanted:
        return Step.SAME
    if not is_ours(there, record):
        return Step.LEAVE
    return Step.REMOVE if wanted is None else Step.PUT


def is_ours(there: str | None, record: Belonging | None) -> bool:
    """Whether the target has what we put there, or were about to put; nothing, where we put nothing."""
    if record is None:
        return there is None
    possible = {record.ours}
    if record.intended is not None:  # a run died: either may be there
        possible.add(record.intended or None)
    return there in possible


@dataclass(frozen=True, slots=True)
class Change:
    """`wanted` is to be put where `key` says (None: taken away); `had`: what is there now."""

    key: Key
    wanted: str | None
    had: str | None


@dataclass
class Plan:
    """`changes` to be made; `settled`: what stands, carried or not; `forgotten`: keys of which nothing is left."""

    changes: list[Change] = field(default_factory=list)
    settled: list[Belonging] = field(default_factory=list)
    forgotten: list[Key] = field(default_factory=list)

    def add(self, other: "Plan") -> None:
        self.changes += other.changes
        self.settled += other.settled
        self.forgotten += other.forgotten

    def leave(self, key: Key, reason: str, remedy: str, record: Belonging | None = None) -> None:
        """Not carried. What we put there before is remembered."""
        self.settled.append(not_carried(key, reason, remedy, record))


def not_carried(key: Key, reason: str, remedy: str, record: Belonging | None = None) -> Belonging:
    """The word on something that is not across."""
    return Belonging(key, record and record.ours, record and record.intended, reason, remedy)


def compare(
    wanted: Mapping[Key, str], there: Mapping[Key, str], records: Mapping[Key, Belonging], told: Iterable[Key] = ()
) -> Plan:
    """What to do about all of these. `told`: keys that somebody has already said something about."""
    plan, silent = Plan(), set(told)
    for key in sorted((wanted.keys() | there.keys() | records.keys()) - silent):
        want, have, record = wanted.get(key), there.get(key), records.get(key)
        what = step(want, have, record)
        if what in (Step.PUT, Step.REMOVE):
            plan.changes.append(Change(key, want, have))
        elif what is Step.SAME and want is None:
            plan.forgotten.append(key)
        elif what is Step.SAME:
            plan.settled.append(Belonging(key, want))
        elif want is None and (record is None or record.ours is None):
            continue  # the target's own, and the source has nothing to say to it
        else:
            changed = record is not None and record.ours is not None
            plan.leave(key, *(_CHANGED if changed else _ITS_OWN), record)
    return plan


_CHANGED = (
    "it was changed on the target after we had put it there; that is left alone",
    "Nothing to do if that was meant. Else make it there what it is on the source: the next pass sees that.",
)
_ITS_OWN = (
    "the target has one of its own, which is left alone",
    "Decide which one counts. Take the target's away, and the next pass before the cutover carries the source's.",
)


def ancestors(place: str, separator: str | None) -> Iterable[str]:
    """The folders above, the nearest first."""
    while separator and separator in place:
        place = place.rpartition(separator)[0]
        yield place


def inherited(
    there: Mapping[Key, str], records: Mapping[Key, Belonging], separator: str | None
) -> dict[Key, Belonging]:
    """Rights that a new folder took over from one above it, where we had put them: those are ours, too."""
    found: dict[Key, Belonging] = {}
    for key, have in there.items():
        if key.kind is Kind.RIGHTS and key not in records:
            above = (records.get(Key(key.kind, place, key.name)) for place in ancestors(key.place, separator))
            if any(one is not None and one.ours == have for one in above):
                found[key] = Belonging(key, have)
    return found
