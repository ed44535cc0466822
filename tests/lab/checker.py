"""The independent judge: says what was lost, doubled, altered, misplaced, or changed in flags or date.

It shares no code with the program it judges and never looks into its database; `tests.lab.snapshot` reads the servers.

Messages are paired one to one, so that exact duplicates on the source must be there as often on the target. Content
is compared by the grades of `tests.lab.snapshot`; what is the same only in L3 or L4 is listed as altered.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from tests.lab.snapshot import GRADES, CheckerError, Message, Snapshot, snapshot, snapshots
from tests.lab.traffic import Sent

__all__ = [
    "CheckerError", "Message", "Snapshot", "TrafficVerdict", "Verdict",
    "compare", "judge_traffic", "snapshot", "snapshots", "summary",
]  # fmt: skip

ALTERED_FROM = GRADES.index("L3")
Key = Callable[[Message], Hashable]
Place = Literal["old", "new", "either"]
Found = Mapping[str, list[bytes]]
# how alike two messages of equal content are, the most alike first
MARKS: tuple[Key, ...] = (lambda m: (m.flags, m.instant), lambda m: m.instant, lambda m: m.flags, lambda m: True)
# what shows that a message with other content is the same one, the best evidence first; a false value shows nothing
EVIDENCE: tuple[Key, ...] = (
    lambda m: (m.header, m.instant), lambda m: m.message_id and (m.message_id, m.instant), lambda m: m.header,
    lambda m: m.body and (m.body, m.instant), lambda m: m.message_id, lambda m: m.body, lambda m: m.instant,
)  # fmt: skip


@dataclass
class Verdict:
    """What became of the source's messages. The lists hold sentences for people."""

    user: str
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    altered: list[str] = field(default_factory=list)
    misplaced: list[str] = field(default_factory=list)
    flag_differs: list[str] = field(default_factory=list)
    date_differs: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    """On the target, and not a copy of anything on the source: mail that came later, or canaries' remains."""
    folders_missing: list[str] = field(default_factory=list)
    folders_extra: list[str] = field(default_factory=list)
    unsubscribed: list[str] = field(default_factory=list)
    grades: Counter[str] = field(default_factory=Counter)
    canaries: tuple[int, int] = (0, 0)
    """Canaries seen on the source and on the target."""

    FAULTS = ("lost", "doubled", "altered", "misplaced", "flag_differs", "date_differs")

    @property
    def clean(self) -> bool:
        """Nothing lost, doubled, altered, misplaced, and flags and dates as they were."""
        return not any(getattr(self, name) for name in self.FAULTS)

    def counts(self) -> dict[str, int]:
        """The number of each fault, and of extra messages."""
        return {name: len(getattr(self, name)) for name in (*self.FAULTS, "extra")}

    def __str__(self) -> str:
        lines = [f"{self.user}: {self.counts()} grades {dict(self.grades)}"]
        lines += [f"  {name}: {text}" for name in self.FAULTS for text in getattr(self, name)[:10]]
        return "\n".join(lines)


@dataclass
class TrafficVerdict:
    """What became of mail that was accepted for delivery. The lists hold sentences for people."""

    checked: int = 0
    lost: list[str] = field(default_factory=list)
    """Found nowhere."""
    split: list[str] = field(default_factory=list)
    """Only on the server where the mailbox no longer is, or in another user's mailbox."""
    doubled: list[str] = field(default_factory=list)
    """More than one copy of one delivery in one mailbox: nobody but a copier does that."""
    redelivered: list[str] = field(default_factory=list)
    """Delivered more than once by a mail server (each delivery has a Received line of its own), more often than its
    sender may have sent it. A mail server killed between delivery and its note of it does that; nothing else should."""

    FAULTS = ("lost", "split", "doubled", "redelivered")

    @property
    def clean(self) -> bool:
        """Each mail exactly once at its place."""
        return not any(getattr(self, name) for name in self.FAULTS)

    def counts(self) -> dict[str, int]:
        """The number of each fault."""
        return {name: len(getattr(self, name)) for name in self.FAULTS}

    def __str__(self) -> str:
        lines = [f"{self.checked} mails: {self.counts()}"]
        lines += [f"  {name}: {text}" for name in self.FAULTS for text in getattr(self, name)[:10]]
        return "\n".join(lines)


def compare(
    source: Snapshot, target: Snapshot, folder_map: Mapping[str, str] | None = None, ignore_flags: Iterable[str] = ()
) -> Verdict:
    """Compare a mailbox with its copy. `folder_map`: source path to target path, where they differ on purpose.

    Canaries on either side are left out of everything but `Verdict.canaries`.
    """
    return _Comparison(source, target, folder_map or {}, frozenset(flag.lower() for flag in ignore_flags)).judge()


def summary(verdicts: Mapping[str, Verdict]) -> str:
    """Total counts, then the verdicts that are not clean."""
    total: Counter[str] = Counter()
    for verdict in verdicts.values():
        total.update(verdict.counts())
    return "\n".join([str(dict(total)), *(str(verdict) for verdict in verdicts.values() if not verdict.clean)])


class _Comparison:
    """One comparison: pairs messages from the strictest rule to the loosest, then names what is left over."""

    def __init__(
        self, source: Snapshot, target: Snapshot, folder_map: Mapping[str, str], ignored: frozenset[str]
    ) -> None:
        self.source, self.target, self.folder_map, self.ignored = source, target, folder_map, ignored
        self.verdict = Verdict(source.user, canaries=(len(source.canaries), len(target.canaries)))
        self.left, self.right = source.messages(), target.messages()
        self.known = {digest for message in self.left for digest in message.digests}

    def judge(self) -> Verdict:
        self._pair_within_folders()
        self._pair_across_folders()
        self._pair_altered()
        self.verdict.lost += [str(message) for message in self.left]
        for message in self.right:
            (self.verdict.doubled if self._is_copy(message) else self.verdict.extra).append(str(message))
        self._compare_folders()
        return self.verdict

    def _expected(self, message: Message) -> str:
        return self.folder_map.get(message.folder, message.folder)

    def _is_copy(self, message: Message) -> bool:
        return not self.known.isdisjoint(message.digests)

    def _pair_within_folders(self) -> None:
        for grade in range(len(GRADES)):
            for mine, theirs in self._take_pairs(_digest_of(grade), same_folder=True):
                self._paired(mine, theirs, grade)

    def _pair_across_folders(self) -> None:
        for grade in range(len(GRADES)):
            for mine, theirs in self._take_pairs(_digest_of(grade), same_folder=False):
                self._paired(mine, theirs, grade)
                self.verdict.misplaced.append(f"{mine}: expected in {self._expected(mine)}, found in {theirs.folder}")

    def _pair_altered(self) -> None:
        copies = [message for message in self.right if self._is_copy(message)]
        self.right = [message for message in self.right if not self._is_copy(message)]
        for key in EVIDENCE:
            for mine, theirs in self._take_pairs(key, same_folder=True):
                self.verdict.altered.append(f"{mine}: other content, now {theirs.size} octets at UID {theirs.uid}")
                self._compare_marks(mine, theirs)
        self.right += copies

    def _compare_folders(self) -> None:
        wanted = {self.folder_map.get(folder, folder) for folder in self.source.folders}
        self.verdict.folders_missing = sorted(wanted - set(self.target.folders))
        self.verdict.folders_extra = sorted(set(self.target.folders) - wanted)
        subscribed = {self.folder_map.get(folder, folder) for folder in self.source.subscribed}
        self.verdict.unsubscribed = sorted(subscribed - self.target.subscribed)

    def _take_pairs(self, key: Key, same_folder: bool) -> list[tuple[Message, Message]]:
        """Take what has equal keys out of both sides, one to one; among equals, those with equal marks first."""
        pairs: list[tuple[Message, Message]] = []
        for mark in MARKS:
            waiting: dict[Hashable, list[Message]] = defaultdict(list)
            unpaired: list[Message] = []
            for message in reversed(self.right):
                waiting[message.folder if same_folder else "", key(message), mark(message)].append(message)
            for message in self.left:
                alike = waiting.get((self._expected(message) if same_folder else "", key(message), mark(message)))
                if key(message) and alike:
                    pairs.append((message, alike.pop()))
                else:
                    unpaired.append(message)
            self.left, self.right = unpaired, [message for group in waiting.values() for message in group]
        return pairs

    def _paired(self, mine: Message, theirs: Message, grade: int) -> None:
        self.verdict.grades[GRADES[grade]] += 1
        if grade >= ALTERED_FROM:
            self.verdict.altered.append(f"{mine}: same only in grade {GRADES[grade]}")
        self._compare_marks(mine, theirs)

    def _compare_marks(self, mine: Message, theirs: Message) -> None:
        if mine.flags - self.ignored != theirs.flags - self.ignored:
            self.verdict.flag_differs.append(f"{mine}: {sorted(mine.flags)} became {sorted(theirs.flags)}")
        if mine.instant != theirs.instant:
            self.verdict.date_differs.append(f"{mine}: {mine.instant} became {theirs.instant}")


def _digest_of(grade: int) -> Key:
    return lambda message: message.digests[grade]


def judge_traffic(
    sent: Iterable[Sent], old: Mapping[str, Snapshot], new: Mapping[str, Snapshot], where: Mapping[str, Place]
) -> TrafficVerdict:
    """Judge each accepted mail: it must be exactly once in its mailbox on the server where that mailbox is now.

    `old`, `new`: snapshots by address. `where`: address to "old", "new", or "either" while its wave is on the way.
    A copy left on the other server is no fault: the source keeps its mail.
    """
    verdict = TrafficVerdict()
    found_old, found_new = _find_tokens(old), _find_tokens(new)
    nothing: Found = {}
    for mail in sent:
        verdict.checked += 1
        places = {"old": found_old.get(mail.token, nothing), "new": found_new.get(mail.token, nothing)}
        _judge_place(verdict, mail, places, where[mail.address])
        _judge_copies(verdict, mail, places)
    return verdict


def _find_tokens(snapshots: Mapping[str, Snapshot]) -> Mapping[str, Found]:
    """For each token: the addresses that have it, with the content digest (L2) of each copy."""
    found: dict[str, dict[str, list[bytes]]] = defaultdict(lambda: defaultdict(list))
    for address, one in snapshots.items():
        for message in one.messages():
            for token in message.tokens:
                found[token][address].append(message.digests[2])
    return found


def _judge_place(verdict: TrafficVerdict, mail: Sent, places: Mapping[str, Found], place: Place) -> None:
    everywhere = {address for found in places.values() for address in found}
    right = [found for name, found in places.items() if place in (name, "either")]
    if not everywhere:
        verdict.lost.append(f"{mail}: found nowhere")
    elif not any(mail.address in found for found in right):
        verdict.split.append(f"{mail}: expected on {place}, old: {list(places['old'])}, new: {list(places['new'])}")
    elif strangers := everywhere - {mail.address}:
        verdict.split.append(f"{mail}: also in the mailbox of {sorted(strangers)}")


def _judge_copies(verdict: TrafficVerdict, mail: Sent, places: Mapping[str, Found]) -> None:
    for name, found in places.items():
        copies = found.get(mail.address, [])
        deliveries = len(set(copies))
        if len(copies) > deliveries:
            verdict.doubled.append(f"{mail}: {len(copies)} copies of {deliveries} deliveries on {name}")
        if deliveries > mail.possible_copies:
            verdict.redelivered.append(f"{mail}: delivered {deliveries} times to {name}")
