"""The judge of a trial: what is on both servers and in all maps now, held against what was there before the kill.

Nothing here knows of the program but the names it may leave nowhere: `migrator-staging`, `migrator-lease`.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from tests.lab.checker import Message, Snapshot, compare, snapshot
from tests.lab.scene import Scene

Work = Literal["pass", "mirror", "cutover", "rollback", "retreat"]
PLACES: dict[Work, str] = {"pass": "old", "mirror": "old", "cutover": "new", "rollback": "old", "retreat": "old"}
IN_STEP: tuple[Work, ...] = ("pass", "mirror")
GOING_BACK: tuple[Work, ...] = ("rollback", "retreat")
OWN_FOLDERS = "migrator-"  # how the names begin of folders that are the program's own


@dataclass
class Tally:
    """What the judge found over many trials; each list holds sentences."""

    kills: int = 0
    trials: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    altered: list[str] = field(default_factory=list)
    """Content, flags, date or folder."""
    split: list[str] = field(default_factory=list)
    """Routes that do not agree, or point to the wrong server, or are frozen."""
    touched: list[str] = field(default_factory=list)
    """The source, before it is rolled back to; or mail that was on the target when the rollback began."""
    left: list[str] = field(default_factory=list)
    """Canaries on the target, staging and lease mailboxes on either server; what was to be mirrored away."""
    stumbled: list[str] = field(default_factory=list)
    """A run after a kill that ended with an error."""
    stuck: list[str] = field(default_factory=list)
    """No run ended well."""
    restless: list[str] = field(default_factory=list)
    """A further run changed something."""
    _said: set[str] = field(default_factory=set)

    FAULTS = ("lost", "doubled", "altered", "split", "touched", "left", "stumbled", "stuck", "restless")

    @property
    def clean(self) -> bool:
        return not any(getattr(self, fault) for fault in self.FAULTS)

    def counts(self) -> dict[str, int]:
        return {"trials": self.trials, "kills": self.kills} | {f: len(getattr(self, f)) for f in self.FAULTS}

    def sentences(self) -> list[str]:
        return [f"{fault}: {one}" for fault in self.FAULTS for one in getattr(self, fault)]

    def fresh(self) -> list[str]:
        """The sentences that were not asked for before."""
        every = self.sentences()
        said, self._said = self._said, set(every)
        return [sentence for sentence in every if sentence not in said]


@dataclass(frozen=True)
class Evidence:
    """One mailbox on both servers, where every router sends it, the texts of the maps, and its wave's mailboxes."""

    old: Snapshot
    new: Snapshot
    routes: dict[str, str]
    maps: dict[str, dict[str, str]]
    wave: tuple[str, ...]

    @property
    def sides(self) -> dict[str, Snapshot]:
        return {"old": self.old, "new": self.new}

    @property
    def shape(self) -> object:
        """Equal as long as nothing changes."""
        return [(_shape(one), set(one.folders), one.subscribed) for one in self.sides.values()], self.routes, self.maps

    @property
    def other_entries(self) -> object:
        """The entries of the mailboxes of other waves."""
        return {name: {a: v for a, v in text.items() if a not in self.wave} for name, text in self.maps.items()}


def gather(scene: Scene, address: str, wave: tuple[str, ...]) -> Evidence:
    """What there is now of one mailbox."""
    routes = {router: scene.destination(router, address) for router in scene.routers}
    maps = {name: router.read_map() for name, router in scene.routers.items()}
    return Evidence(snapshot(scene.old, address), snapshot(scene.new, address), routes, maps, wave)


def judge(tally: Tally, where: str, work: Work, before: Evidence, now: Evidence, tokens: Sequence[str]) -> None:
    """Add what is wrong to `tally`. `where` begins each sentence; `tokens` are of mail that was accepted."""
    back = work in GOING_BACK
    source, target = (now.new, now.old) if back else (now.old, now.new)
    _judge_copy(tally, where, source, target)
    _judge_tokens(tally, where, now, PLACES[work], tokens)
    _judge_routes(tally, where, before, now, PLACES[work])
    changes = _changed(before.old, now.old, tokens, flags=not back)
    if work == "mirror":
        tally.left += [
            f"{where}gone from the source: {one}"
            for one in compare(without_own_folders(source), without_own_folders(target)).extra
        ]
    elif before.new.messages():
        changes += _changed(before.new, now.new, tokens)
    tally.touched += [where + one for one in changes]
    tally.left += [f"{where}canary {one}" for one in _canaries(before, now)]
    if work != "retreat":  # taking a freeze back needs no pass, which would clear away what a killed one left
        tally.left += [where + one for one in _own_folders(now)]


def _judge_copy(tally: Tally, where: str, source: Snapshot, target: Snapshot) -> None:
    verdict = compare(without_own_folders(source), without_own_folders(target))
    tally.lost += [where + one for one in verdict.lost]
    tally.doubled += [where + one for one in verdict.doubled]
    faults = (*verdict.altered, *verdict.misplaced, *verdict.flag_differs, *verdict.date_differs)
    tally.altered += [where + one for one in faults]


def without_own_folders(shot: Snapshot) -> Snapshot:
    """The mail: not what lies in the program's own folders."""
    folders = {name: messages for name, messages in shot.folders.items() if not name.startswith(OWN_FOLDERS)}
    return Snapshot(shot.user, folders, shot.subscribed)


def _judge_tokens(tally: Tally, where: str, now: Evidence, place: str, tokens: Sequence[str]) -> None:
    for side, shot in (("old", now.old), ("new", now.new)):
        found = Counter(itertools.chain.from_iterable(message.tokens for message in shot.messages()))
        tally.doubled += [f"{where}{token} {found[token]} times on {side}" for token in tokens if found[token] > 1]
        if side == place:
            tally.lost += [f"{where}{token} is not on {side}" for token in tokens if not found[token]]


def _judge_routes(tally: Tally, where: str, before: Evidence, now: Evidence, place: str) -> None:
    if set(now.routes.values()) != {place}:
        tally.split.append(f"{where}routes {now.routes}, expected {place}")
    if now.other_entries != before.other_entries:
        tally.split.append(f"{where}routes of other mailboxes changed")


def _changed(before: Snapshot, now: Snapshot, tokens: Sequence[str], flags: bool = True) -> list[str]:
    """All that was there is there, at its UID, with its date and, if asked for, flags; what is new are deliveries."""

    def identity(message: Message) -> Hashable:
        marks = message.flags if flags else None
        return message.folder, message.uid, marks, message.instant, message.digests[0]

    was, present = set(map(identity, before.messages())), {identity(m): m for m in now.messages()}
    fresh = [message for known, message in present.items() if known not in was]
    unknown = [f"came from nowhere: {message}" for message in fresh if message.tokens.isdisjoint(tokens)]
    return [f"gone or changed: {one}" for one in was - present.keys()] + unknown


def _canaries(before: Evidence, now: Evidence) -> list[Message]:
    """Canaries where none may stay: on the target, and on the source those that came with the way back."""
    known = {(canary.folder, canary.uid) for canary in before.old.canaries}
    came = [c for c in now.old.canaries if (c.folder, c.uid) not in known] if before.new.messages() else []
    return [*now.new.canaries, *came]


def _own_folders(now: Evidence) -> list[str]:
    return [f"folder {n} on {side}" for side, s in now.sides.items() for n in s.folders if n.startswith(OWN_FOLDERS)]


def _shape(shot: Snapshot) -> Counter[object]:
    return Counter((m.folder, m.uid, m.flags) for m in shot.messages(canaries=True))
