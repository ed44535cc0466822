"""What people did, what the program said of it, and what is on the servers: put side by side, it is the proof."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from demo import judge
from demo.company import SAME_USE, Person
from demo.judge import Item, Verdict
from demo.mail_system import MailSystem
from demo.people import Day, Posted
from demo.screen import Claim

SEEN_FLAGGED = frozenset({"\\seen", "\\flagged"})
SAME_USE_BACK = {new: old for old, new in SAME_USE.items()}
Report = Mapping[str, Any]  # `migrator wave report WAVE -o json`


@dataclass
class Story:
    """What happened: waves that `moved` and `returned`, and all that people did meanwhile."""

    moved: str
    returned: str
    posted: list[Posted] = field(default_factory=list)
    bounced: list[str] = field(default_factory=list)
    """Sentences on mail that no server took."""
    day: Day = field(default_factory=lambda: Day({}, {}))
    """What the people of `returned` did on the new server."""
    reports: dict[str, Report] = field(default_factory=dict)
    """Of each wave when it had been run."""
    copies: dict[str, int] = field(default_factory=dict)
    """What the new server held of each wave then, without what was delivered there."""
    last_report: Report = field(default_factory=dict)
    """Of `returned`, when it was back."""


class Evidence:
    """Reads both servers once; `claims` and `faults` follow from that."""

    def __init__(self, story: Story, system: MailSystem, people: Sequence[Person], password: str) -> None:
        self.story, self.system = story, system
        self.home, self.left_behind = Verdict(), Verdict()
        for person in people:
            moved = person.department == story.moved
            server = system.new if moved else system.old
            found = judge.look(server.port, person.address, password)
            self.home += judge.compare(person.address, self._wanted(person), found)
            if moved:
                untouched = judge.look(system.old.port, person.address, password)
                self.left_behind += judge.compare(person.address, judge.expected(person.letters, {}), untouched)

    @property
    def faults(self) -> list[str]:
        """All that the judge found wrong."""
        behind = [f"on the old server: {text}" for text in self.left_behind.lost + self.left_behind.changed]
        return [*self.home.faults, *behind, *self.story.bounced]

    @property
    def claims(self) -> list[Claim]:
        """The lines of the proof, the most important last."""
        changed, arrived = len(self.home.changed), len(self.story.posted)
        behind = len(self.left_behind.lost) + len(self.left_behind.changed)
        return [
            Claim("messages judged", f"{self.home.right}, of them {arrived} arrived while waves moved", arrived > 0),
            Claim("flags or date changed", str(changed), not changed),
            Claim("changed on the old server", f"{behind} of {self.story.moved}'s messages", not behind),
            self._copied(),
            self._canaries(),
            self._zero("lost", len(self.home.lost) + len(self.story.bounced)),
            self._zero("doubled", len(self.home.doubled) + len(self.home.strange)),
            self._carried_back(),
        ]

    def _wanted(self, person: Person) -> list[Item]:
        arrived = [judge.arrived(mail.octets) for mail in self.story.posted if mail.address == person.address]
        if person.department == self.story.moved:
            return judge.expected(person.letters, SAME_USE) + arrived
        stars = self.story.day.starred.get(person.address, ())
        written = self.story.day.written.get(person.address, ())
        before = judge.with_flags(judge.expected(person.letters, {}), stars, SEEN_FLAGGED)
        return before + judge.expected(written, SAME_USE_BACK) + arrived

    def _copied(self) -> Claim:
        totals = [report["totals"] for report in self.story.reports.values()]
        ledger, copies = sum(total["copied"] for total in totals), sum(self.story.copies.values())
        whole = not any(total["difference"] or total["failed"] for total in totals)
        return Claim("messages copied", f"{copies} = {ledger} messages in the ledger", copies == ledger > 0 and whole)

    def _canaries(self) -> Claim:
        """All sent were found; the only ones left are those of the gate, on the old server, which was not written."""
        phases = [*self.story.reports[self.story.moved]["canaries"], *self.story.last_report["canaries"]]
        sent, found = (sum(phase[count] for phase in phases) for count in ("sent", "found"))
        gate = sum(phase["sent"] for phase in self.story.last_report["canaries"] if phase["phase"] == "gate")
        return Claim("canaries", f"{sent} sent, {found} found", sent == found > 0 and self.home.canaries == gate)

    def _zero(self, what: str, count: int) -> Claim:
        return Claim(what, str(count), count == 0)

    def _carried_back(self) -> Claim:
        addresses = self.story.day.written.keys()
        wanted = sum(self.system.new.delivered[address] + len(self.story.day.written[address]) for address in addresses)
        carried = (self.story.last_report["rollback"] or {}).get("carried_back", 0)
        text = f"{carried} of {wanted} messages that had reached the new server"
        return Claim("rollback carried back", text, carried == wanted > 0)
