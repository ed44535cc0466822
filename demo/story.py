"""The story: sales moves; general affairs moves, works on the new server, and is taken back. Then the proof."""

import secrets
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from demo import company, judge, screen, workspace
from demo.commands import Migrator
from demo.company import Person
from demo.evidence import Evidence, Report, Story
from demo.mail_system import MailSystem
from demo.people import Senders, work

MOVED, RETURNED = "sales", "general-affairs"  # waves
RATE = 3.0  # mails a second, while something happens
LATE = 0.5  # seconds in which mail goes on arriving after a command has ended


def play(root: Path) -> bool:
    """Tell it in the workspace directory `root`; whether everything that is claimed at the end holds."""
    people, password = company.people(), secrets.token_urlsafe(18)
    with MailSystem(workspace.maps(root), [person.address for person in people], password) as system:
        stage = _Stage(root, system, people, password)
        stage.introduce()
        stage.plan()
        stage.move(MOVED)
        stage.move(RETURNED)
        stage.take_back()
        stage.look_around()
        evidence = Evidence(stage.story, system, people, password)
    screen.heading("What was proved")
    screen.say("Counted on both servers by the demo's own judge, which shares no code with migrator.")
    screen.faults(evidence.faults)
    screen.proof(evidence.claims)
    return all(claim.holds for claim in evidence.claims)


class _Stage:
    """The scenes, in the order in which `play` calls them."""

    def __init__(self, root: Path, system: MailSystem, people: Sequence[Person], password: str) -> None:
        self.root, self.system, self.people, self.password = root, system, people, password
        self.migrator = Migrator(root)
        self.story = Story(MOVED, RETURNED)

    def introduce(self) -> None:
        """Fill the old server, write the workspace, say what there is."""
        company.move_in(self.system, self.people)
        workspace.write(self.root, self.system, self.people, self.password)
        letters = [letter for person in self.people for letter in person.letters]
        departments = ", ".join(f"{name} ({count})" for name, count in company.DEPARTMENTS.items())
        screen.heading("A company on its old mail server")
        screen.say(
            f"{len(self.people)} people in three departments: {departments}. {len(letters)} messages, "
            f"{sum(len(letter.octets) for letter in letters) / 1e6:.1f} MB, in folders like "
            f"{', '.join(list(company.FOLDERS)[1:5])}."
        )
        screen.say(
            "Mail from outside enters at the gateway, mail of printers and web forms at the old server's own MTA; "
            "each decides by a transport map of its own. The new server has empty accounts."
        )

    def plan(self) -> None:
        """Check what was written, and divide the company into waves."""
        screen.heading("Plan: each department is a wave")
        self.migrator.run("config", "check")
        self.migrator.run("wave", "plan", "--yes")

    def move(self, wave: str) -> None:
        """Run a wave while mail keeps arriving for its people."""
        screen.heading(f"{wave} moves, and mail keeps arriving")
        self._while_mail_arrives(wave, lambda: self.migrator.run("wave", "run", wave, "--yes"))
        self.story.reports[wave] = report = self.migrator.read("wave", "report", wave)
        total = report["totals"]
        screen.say(
            f"The report: {report['state']}; {total['copied']} messages copied, {total['failed']} failed, "
            f"{total['difference']} unaccounted for; canaries found: {_canaries(report)}."
        )
        self.story.copies[wave] = sum(self._copies(address) for address in self._addresses(wave))

    def take_back(self) -> None:
        """People work on the new server; then their wave is rolled back, and their new mail comes along."""
        screen.heading(f"{RETURNED} works on the new server, and must go back")
        self.story.day = day = work(self.system.new.port, self._addresses(RETURNED), self.password, "Sent")
        answers, stars = (sum(map(len, what.values())) for what in (day.written, day.starred))
        screen.say(f"There, they have sent {answers} answers and flagged {stars} messages.")
        self._while_mail_arrives(RETURNED, lambda: self.migrator.run("wave", "rollback", RETURNED, "--yes"))
        self.story.last_report = report = self.migrator.read("wave", "report", RETURNED)
        back = report["rollback"]["carried_back"]
        screen.say(f"The report: {report['state']}; {back} messages carried back; canaries found: {_canaries(report)}.")

    def look_around(self) -> None:
        """Where everything stands now."""
        screen.heading("Where the company stands")
        self.migrator.run("wave", "list")
        self.migrator.run("route", "show")
        self.migrator.run("wave", "report", MOVED, "--out", f"report-{MOVED}.md")

    def _while_mail_arrives(self, wave: str, act: Callable[[], None]) -> None:
        with Senders(self.system.ingresses, self._addresses(wave), RATE) as senders:
            act()
            time.sleep(LATE)
        self.story.posted += senders.posted
        self.story.bounced += senders.untaken
        screen.say(
            f"Meanwhile {len(senders.posted)} mails have arrived; {senders.deferred} times one was told to come back "
            f"later while its mailbox was being moved; {len(senders.untaken)} were turned away."
        )

    def _copies(self, address: str) -> int:
        """What the new server holds for somebody and nobody delivered there."""
        found = judge.look(self.system.new.port, address, self.password)
        return sum(not item.is_canary for item in found) - self.system.new.delivered[address]

    def _addresses(self, department: str) -> list[str]:
        return [person.address for person in self.people if person.department == department]


def _canaries(report: Report) -> str:
    return ", ".join(f"{phase['phase']} {phase['found']} of {phase['sent']}" for phase in report["canaries"])
