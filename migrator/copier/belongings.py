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
    """`changes` to be made; `settled`: what stands, carried or not; `forgotten`: keys of which nothing is left.

    `notes`: what else is to be said of a key, (reason, remedy) each: that only a part of it goes, say.
    """

    changes: list[Change] = field(default_factory=list)
    settled: dict[Key, Belonging] = field(default_factory=dict)
    forgotten: set[Key] = field(default_factory=set)
    notes: dict[Key, list[tuple[str, str]]] = field(default_factory=dict)

    def note(self, key: Key, reason: str, remedy: str) -> None:
        """Say this of `key`."""
        self.notes.setdefault(key, []).append((reason, remedy))

    def settle(self, one: Belonging) -> None:
        """So it stands."""
        self.settled[one.key] = one
        self.forgotten.discard(one.key)

    def forget(self, key: Key) -> None:
        """Nothing is left of it, on either side."""
        self.settled.pop(key, None)
        self.forgotten.add(key)

    def compare(self, wanted: Mapping[Key, str], there: Mapping[Key, str], records: Mapping[Key, Belonging]) -> None:
        """Plan what to do about all of these."""
        for key in sorted(wanted.keys() | there.keys() | records.keys()):
            want, have, record = wanted.get(key), there.get(key), records.get(key)
            what = step(want, have, record)
            if what in (Step.PUT, Step.REMOVE):
                self.changes.append(Change(key, want, have))
            elif want is None and (have is None or record is None or record.ours is None):
                if record is not None:  # the target's own, if any: the source has nothing to say to it any more
                    self.forget(key)
            elif what is Step.SAME:
                self.settle(Belonging(key, want))
            else:
                before = record or Belonging(key)
                reason, remedy = _ITS_OWN if before.ours is None else _CHANGED
                self.settle(Belonging(key, before.ours, before.intended, reason, remedy))

    def rows(self, records: Mapping[Key, Belonging]) -> tuple[list[Belonging], list[Key]]:
        """What to write down, and what to strike out."""
        rows = dict(self.settled)
        for key, notes in self.notes.items():
            before = rows.get(key) or (Belonging(key) if key in self.forgotten else records.get(key, Belonging(key)))
            said = [(before.reason, before.remedy), *notes] if key in rows and before.reason else notes
            reasons, remedies = (dict.fromkeys(words) for words in zip(*said, strict=True))
            rows[key] = Belonging(key, before.ours, before.intended, "; ".join(reasons), " ".join(remedies))
        return list(rows.values()), [key for key in self.forgotten if key not in rows]


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
