"""Why two folders differ: a fault, or something that is still to come, was meant, or is its user's doing. Pure.

The comparison is independent of the ledger; the ledger explains what it found, and is itself compared with it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from migrator.copier.compare import Comparison, Pair, Seen, compare, equal
from migrator.model.audit import Aside, Dispute, Disputed, Kind
from migrator.model.message import ALTERED, ON_NEITHER, ON_TARGET, Flags, Grade, Meant
from migrator.model.names import FolderName
from migrator.state.records import LedgerRow

_WORDS = {Grade.L3: "NUL octets were replaced", Grade.L4: "8-bit octets in the header were replaced"}
_MOVED_HERE = "not from its folder on the source"


@dataclass(frozen=True, slots=True)
class Known:
    """What the ledger knows of one source folder. `rows` by source UID; empty when the folder was made anew since.

    All messages below `watermark` must have a row. `stirred`: UIDs whose flags may have changed since the last pass.
    """

    rows: Mapping[int, LedgerRow] = field(default_factory=dict)
    watermark: int = 0
    stirred: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Rules:
    """`after_cutover`: the target has a user now (I4). `accepted`: the operator takes what could not be copied, or was
    altered, as it is."""

    after_cutover: bool = False
    accepted: bool = False


@dataclass(frozen=True, slots=True)
class Suspect:
    """A difference and what it seems to be; a fault becomes a finding only when a second look still shows it."""

    verdict: Kind | Aside
    source: Seen | None
    target: Seen | None
    what: str = ""


class Judge:
    """One target folder and the source folders that go into it."""

    def __init__(
        self,
        found: Comparison,
        sources: Mapping[FolderName, Mapping[int, Seen]],
        target: Mapping[int, Seen],
        known: Mapping[FolderName, Known],
        rules: Rules,
    ) -> None:
        """`sources` by folder and UID, `target` by UID; `known` has also folders that are gone from the source."""
        self._found, self._sources, self._target = found, sources, target
        self._known, self._rules = known, rules
        self._row_at = {
            row.target_uid: (folder, row)
            for folder, one in known.items()
            for row in one.rows.values()
            if row.target_uid is not None
        }

    def suspects(self) -> Iterator[Suspect]:
        """Every difference, faults and others."""
        for mine, theirs in self._found.same:
            yield from self._marks(mine, theirs)
        for mine, theirs in self._found.changed:
            yield self._changed(mine, theirs)
        yield from map(self._missing, self._found.missing)
        yield from map(self._surplus, self._found.surplus)
        yield from map(self._strange, self._found.strange)

    def disputes(self) -> Iterator[Disputed]:
        """Where the ledger says something else than what is there. After the cutover the target's UIDs are its user's
        to change: then only rows that are missing count."""
        for folder, known in self._known.items():
            yield from self._without_row(folder, known)
            if not self._rules.after_cutover:
                yield from self._astray(folder, known)
        if not self._rules.after_cutover:
            for uid, message in self._target.items():
                if uid not in self._row_at:
                    yield Disputed(Dispute.UNKNOWN, message.folder, None, uid)

    def _without_row(self, folder: FolderName, known: Known) -> Iterator[Disputed]:
        for uid in self._sources.get(folder, ()):
            if uid < known.watermark and uid not in known.rows:
                yield Disputed(Dispute.NO_ROW, folder, uid, None)

    def _astray(self, folder: FolderName, known: Known) -> Iterator[Disputed]:
        there = self._sources.get(folder, {})
        for uid, row in known.rows.items():
            if row.outcome in ON_TARGET and row.target_uid is not None and uid in there:
                at = self._target.get(row.target_uid)
                if at is None:
                    yield Disputed(Dispute.NOT_THERE, folder, uid, row.target_uid)
                elif equal(there[uid], at) is None:
                    yield Disputed(Dispute.OTHER, folder, uid, row.target_uid)

    def _row(self, message: Seen) -> LedgerRow | None:
        return self._known.get(message.folder, Known()).rows.get(message.uid)

    def _ours(self, mine: Seen, theirs: Seen) -> bool:
        """Whether the message on the target is the copy that we made; after the cutover its user may put others."""
        row = self._row(mine)
        return not self._rules.after_cutover or (row is not None and row.target_uid == theirs.uid)

    def _marks(self, mine: Seen, theirs: Seen) -> Iterator[Suspect]:
        found = equal(mine, theirs)
        if found in ALTERED:
            consent = self._rules.accepted
            yield Suspect(Aside.MEANT if consent else Kind.ALTERED, mine, theirs, _WORDS[found])
        if mine.instant != theirs.instant:
            yield self._date(mine, theirs)
        if mine.flags != theirs.flags:
            yield self._flags(mine, theirs)
        if mine.lost_flags:
            yield Suspect(Aside.MEANT, mine, theirs, "flags that the target does not keep")

    def _date(self, mine: Seen, theirs: Seen) -> Suspect:
        if not mine.dated:
            return Suspect(Aside.MEANT, mine, theirs, "a date that no server takes")
        if not self._ours(mine, theirs):
            return Suspect(Aside.THEIRS, mine, theirs, "another copy of the message, put there by its user")
        return Suspect(Kind.DATE, mine, theirs, f"{theirs.instant - mine.instant:+d} seconds")

    def _flags(self, mine: Seen, theirs: Seen) -> Suspect:
        if self._rules.after_cutover:
            return Suspect(Aside.THEIRS, mine, theirs, "flags changed")
        row, known = self._row(mine), self._known.get(mine.folder, Known())
        to_come = row is None and mine.uid >= known.watermark
        if to_come or (mine.uid in known.stirred and (row is None or _lower(row.flags) == theirs.flags)):
            return Suspect(Aside.PENDING, mine, theirs, "flags changed on the source since the last pass")
        return Suspect(Kind.FLAGS, mine, theirs, _difference(mine.flags, theirs.flags))

    def _changed(self, mine: Seen, theirs: Seen) -> Suspect:
        if not self._ours(mine, theirs):
            return Suspect(Aside.THEIRS, mine, theirs, "edited by its user")
        return Suspect(Kind.ALTERED, mine, theirs, f"{mine.size} octets became {theirs.size}")

    def _missing(self, message: Seen) -> Suspect:
        known, row = self._known.get(message.folder, Known()), self._row(message)
        if row is None:
            if message.uid >= known.watermark:
                return Suspect(Aside.PENDING, message, None, "new on the source since the last pass")
            return Suspect(Kind.LOST, message, None, "the ledger has no row for it")
        if row.reason in ON_NEITHER:
            return Suspect(Aside.PENDING, message, None, "back on the source since the last pass")
        if row.outcome not in ON_TARGET:
            meant = self._rules.accepted or row.reason in frozenset(Meant)
            return Suspect(Aside.MEANT if meant else Kind.LOST, message, None, f"{row.outcome}: {row.reason}")
        if self._rules.after_cutover and row.target_uid not in self._target:
            return Suspect(Aside.THEIRS, message, None, "removed by its user, or moved")
        at = "" if row.target_uid is None else f" to UID {row.target_uid}"
        return Suspect(Kind.LOST, message, None, f"the ledger says {row.outcome}{at}")

    def _surplus(self, pair: Pair) -> Suspect:
        theirs, original = pair
        return self._of_a_message_gone(theirs) or Suspect(Kind.DOUBLED, original, theirs, "")

    def _strange(self, message: Seen) -> Suspect:
        if suspect := self._of_a_message_gone(message):
            return suspect
        if self._rules.after_cutover:
            return Suspect(Aside.THEIRS, None, message, _MOVED_HERE)
        return Suspect(Kind.EXTRA, None, message, _MOVED_HERE)

    def _of_a_message_gone(self, message: Seen) -> Suspect | None:
        """The copy of a message that has left the source since."""
        folder, row = self._row_at.get(message.uid, (None, None))
        if row is None or folder is None or (row.source_uid in self._sources.get(folder, {}) and not row.gone):
            return None
        if row.gone:
            return Suspect(Aside.MEANT, None, message, "gone from the source; its copy was kept")
        return Suspect(Aside.PENDING, None, message, "gone from the source since the last pass")


def across_folders(suspects: Iterable[Suspect], rules: Rules) -> list[Suspect]:
    """The same suspects, those excepted that together are one message in another folder than its own."""
    every = list(suspects)
    missing = {id(s.source): s for s in every if s.source and not s.target and _is_missing(s)}
    there = {id(s.target): s for s in every if s.target and _is_loose(s)}
    pairs = compare([s.source for s in missing.values() if s.source], [s.target for s in there.values() if s.target])
    found = {id(mine): theirs for mine, theirs in pairs.same}
    used = {id(theirs) for theirs in found.values()}
    verdict = Aside.THEIRS if rules.after_cutover else Kind.MOVED
    kept = [s for s in every if id(s.source) not in found or s.target]
    kept = [s for s in kept if id(s.target) not in used]
    return kept + [Suspect(verdict, s.source, found[i], "in another folder") for i, s in missing.items() if i in found]


def _is_missing(suspect: Suspect) -> bool:
    return suspect.verdict in (Kind.LOST, Aside.THEIRS)


def _is_loose(suspect: Suspect) -> bool:
    """Something on the target that no message of the source needs there."""
    return suspect.verdict in (Kind.EXTRA, Kind.DOUBLED) or (suspect.verdict is Aside.THEIRS and not suspect.source)


def _lower(flags: Flags) -> Flags:
    return frozenset(flag.lower() for flag in flags)


def _difference(mine: Flags, theirs: Flags) -> str:
    words = [f"-{flag}" for flag in sorted(mine - theirs)] + [f"+{flag}" for flag in sorted(theirs - mine)]
    return " ".join(words)
