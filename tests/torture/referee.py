"""The judge of cycles: at rest, while mail keeps coming, each accepted mail is once where its mailbox is now.

Like tests.torture.judge it knows nothing of the program; it counts over many cutovers and rollbacks.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.lab.checker import Snapshot, TrafficVerdict, Verdict, compare, judge_traffic
from tests.lab.scene import Scene, Side
from tests.lab.traffic import Sent, Traffic
from tests.torture.judge import OWN_FOLDERS, without_own_folders
from tests.torture.pauses import Arrivals

PATIENCE = 90.0  # seconds until all that was accepted is delivered
POLL = 0.1


@dataclass
class Findings:
    """What is wrong; each list holds sentences."""

    lost: list[str] = field(default_factory=list)
    """Accepted, or in a mailbox before, and no longer anywhere."""
    doubled: list[str] = field(default_factory=list)
    astray: list[str] = field(default_factory=list)
    """Only on the server where the mailbox is not, or with somebody else."""
    altered: list[str] = field(default_factory=list)
    """Content, flags, date or folder."""
    bounced: list[str] = field(default_factory=list)
    """Returned to the sender, or refused with 5xx."""
    split: list[str] = field(default_factory=list)
    """At rest, an address whose routes do not agree, or do not lead to where its mailbox is."""
    left: list[str] = field(default_factory=list)
    """Canaries on the new server, staging and lease mailboxes on either."""
    stuck: list[str] = field(default_factory=list)
    """No run ended well."""
    redelivered: list[str] = field(default_factory=list)
    """Delivered twice by a mail server. One that is killed between a delivery and its note of it does that, whatever
    the program does: no fault of the program where a router was killed."""

    FAULTS = ("lost", "doubled", "astray", "altered", "bounced", "split", "left", "stuck")

    def counts(self) -> dict[str, int]:
        return {name: len(set(getattr(self, name))) for name in (*self.FAULTS, "redelivered")}

    def sentences(self) -> list[str]:
        return [f"{name}: {one}" for name in (*self.FAULTS, "redelivered") for one in getattr(self, name)]


class Referee:
    """Judges the mailboxes of a scene under traffic; adds to `findings`. `patience`: see `wait_for`."""

    def __init__(self, scene: Scene, traffic: Traffic, patience: float = PATIENCE) -> None:
        self.scene, self.traffic, self._patience = scene, traffic, patience
        self.findings = Findings()
        self.arrivals = Arrivals(scene.servers.values())
        self._known: set[str] = set()
        self._shots: Mapping[Side, Mapping[str, Snapshot]] = {}

    def judge(self, side: Side, where: str) -> None:
        """All is on `side`. `where` begins each sentence. What is sent from now on is for the next judgement."""
        sent = list(self.traffic.sent)
        self.wait_for(sent)
        other: Side = "old" if side == "new" else "new"
        # what is left behind first: the other side goes on growing
        left, there = self.scene.snapshots(other), self.scene.snapshots(side)
        for address, shot in left.items():
            self._add_copy(where, compare(without_own_folders(shot), without_own_folders(there[address])))
        shots: dict[Side, dict[str, Snapshot]] = {side: there, other: left}
        self._add_traffic(where, judge_traffic(sent, shots["old"], shots["new"], dict.fromkeys(there, side)))
        self._add_routes(where, side)
        self._add_bounces(where)
        self._shots = shots

    def look_for_leavings(self, where: str) -> None:
        """After a cutover or rollback that is through, by what the last judgement saw."""
        for side, shots in self._shots.items():
            for address, shot in shots.items():
                own = [name for name in shot.folders if name.startswith(OWN_FOLDERS)]
                canaries = shot.canaries if side == "new" else []
                self.findings.left += [f"{where}: {address} on {side}: {each}" for each in (*own, *map(str, canaries))]

    def wait_for(self, sent: Sequence[Sent]) -> None:
        """Until all these mails have been delivered somewhere, or for `patience` seconds; queues are flushed."""
        deadline = time.monotonic() + self._patience
        while True:
            self.arrivals.refresh()
            if all(self.arrivals.of(mail) for mail in sent) or time.monotonic() > deadline:
                return
            for router in self.scene.routers.values():
                router.flush()
            time.sleep(POLL)

    def fresh(self) -> list[str]:
        """The sentences that were not asked for before."""
        fresh = [sentence for sentence in dict.fromkeys(self.findings.sentences()) if sentence not in self._known]
        self._known.update(fresh)
        return fresh

    def _add_copy(self, where: str, verdict: Verdict) -> None:
        found, begin = self.findings, f"{where}: {verdict.user}: "
        found.lost += [begin + one for one in verdict.lost]
        found.doubled += [begin + one for one in verdict.doubled]
        changed = (*verdict.altered, *verdict.misplaced, *verdict.flag_differs, *verdict.date_differs)
        found.altered += [begin + one for one in changed]

    def _add_traffic(self, where: str, verdict: TrafficVerdict) -> None:
        found = self.findings
        found.lost += [f"{where}: {one}" for one in verdict.lost]
        found.doubled += [f"{where}: {one}" for one in verdict.doubled]
        found.astray += [f"{where}: {one}" for one in verdict.split]
        found.redelivered += verdict.redelivered  # once, however often it is seen

    def _add_routes(self, where: str, side: Side) -> None:
        for address, places in self.scene.destinations().items():
            if set(places.values()) != {side}:
                self.findings.split.append(f"{where}: {address}: {places}, expected {side}")

    def _add_bounces(self, where: str) -> None:
        for name, router in self.scene.routers.items():
            known = set(self.findings.bounced)
            for one in router.bounced():
                sentence = f"{name}: {one.queue_id} to {one.address}: {one.status} ({one.text})"
                if sentence not in known:
                    self.findings.bounced.append(sentence)
        self.findings.bounced += [one for one in self.traffic.refused if one not in self.findings.bounced]
