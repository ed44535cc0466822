"""The proof of delivery on two Dovecot behind two Postfix: the gateway and the old server's own MTA."""

from __future__ import annotations

import threading
import time
from collections import Counter
from datetime import timedelta
from typing import Any, cast

import pytest

from migrator.delivery import Envelope, ProofJob, plan_canaries, prove, tidy
from migrator.imap import connect
from migrator.model.canary import CANARY_HEADER, CanaryState
from migrator.model.mailbox import Endpoint, Login, Mailbox, Secret, Tls
from migrator.model.names import Address, Ingress, ServerName
from tests.lab.scene import Scene

FROZEN = "retry:4.7.0 mailbox is being moved, try again"


class Silence:
    def note(self, text):
        pass

    def now(self):
        return False


class Company:
    """A scene, and proofs of where its mail goes."""

    def __init__(self, scene):
        self.scene, self.journal, self.looks = scene, [], []
        self.mailboxes = tuple(
            Mailbox(Address(a), "sales", ServerName("old"), ServerName("new"), a, a) for a in scene.addresses
        )

    def route(self, router, to):
        """Every address to "old", "new" or any other nexthop."""
        nexthop = self.scene.servers[to].nexthop if to in self.scene.servers else to
        self.scene.routers[router].write_map(dict.fromkeys(self.scene.addresses, nexthop))
        self.scene.routers[router].reload()

    def connect(self, address, server):
        self.looks.append((address, server))
        dovecot = self.scene.servers[server]
        login = Login(f"{address}*{dovecot.master_user}", Secret(dovecot.master_password))
        return connect(Endpoint(dovecot.host, dovecot.imap_port, Tls.NONE), login, allow_plaintext=True)

    def smtp(self):
        return {Ingress(n): Endpoint(r.host, r.port, Tls.NONE) for n, r in self.scene.routers.items()}

    def prove(self, towards="target", known=(), deadline=30.0, remove=True, journal=None):
        smtp = self.smtp()
        return prove(
            ProofJob(
                plan_canaries(self.mailboxes, tuple(smtp), towards, known),
                smtp,
                Envelope("", "company.test", "migrator.company.test"),
                journal or self.journal.append,
                self.connect,
                timedelta(seconds=deadline),
                remove,
                cast(Any, Silence()),
                cast(Any, Silence()),
            )
        )

    def canaries(self, side):
        """Tokens of the canaries on one server, by an IMAP client of the laboratory's own."""
        return [
            message
            for address in self.scene.addresses
            for message in self._messages(side, address)
            if CANARY_HEADER.encode() in message
        ]

    def _messages(self, side, address):
        with self.scene.servers[side].connect(address) as imap:
            for folder in imap.folders():
                if folder.selectable and imap.examine(folder.name).get("exists"):
                    for response in imap.command(b"FETCH 1:* BODY.PEEK[HEADER]"):
                        yield b"".join(p if isinstance(p, bytes) else p.octets for p in response.parts)


@pytest.fixture(scope="module")
def running():
    from tests.lab import require

    require("dovecot", "postfix")
    with Scene({"sales": 3}) as scene:
        scene.fill(per_folder=3)
        scene.old.record_commands()
        yield scene


@pytest.fixture
def company(running):
    running.wait_until_delivered()
    made = Company(running)
    made.route("gateway", "old")
    made.route("old-mta", "old")
    return made


def test_after_the_flip_of_both_places_every_canary_is_proven_and_taken_away_again(company):
    company.scene.old.forget_commands()
    company.route("gateway", "new")
    company.route("old-mta", "new")
    proof = company.prove()
    assert (proof.sent, proof.found, proof.removed) == (6, 6, 6), proof
    assert [(row.ingress, row.found) for row in proof.by_ingress] == [("gateway", 3), ("old-mta", 3)]
    assert company.canaries("new") == []
    assert company.canaries("old") == []
    assert [c for c in company.scene.old.commands() if c.writes] == []


def test_flipping_only_the_gateway_is_seen_as_misrouted_at_the_old_servers_own_mta(company):
    company.route("gateway", "new")
    proof = company.prove()
    by_ingress = {row.ingress: row for row in proof.by_ingress}
    assert (by_ingress["gateway"].found, by_ingress["gateway"].misrouted) == (3, 0)
    assert (by_ingress["old-mta"].found, by_ingress["old-mta"].misrouted) == (0, 3)
    assert not proof.proven
    assert len(company.canaries("old")) == 3  # the source is never written


def test_before_the_cutover_canaries_are_proven_on_the_source_and_stay_there(company):
    before = len(company.canaries("old"))
    company.scene.old.forget_commands()
    proof = company.prove("source", remove=False)
    assert (proof.found, proof.removed) == (6, 0)
    assert len(company.canaries("old")) == before + 6
    assert [c for c in company.scene.old.commands() if c.writes] == []


def test_mail_that_a_freeze_holds_back_is_pending_until_it_is_released(company):
    company.route("gateway", FROZEN)
    company.route("old-mta", FROZEN)

    def release():
        for router in company.scene.routers:
            company.route(router, "new")
            company.scene.routers[router].flush()

    def journal(canary):
        states[canary.token] = canary.state
        if len(states) == 6 and set(states.values()) == {CanaryState.SENT} and not released:
            released.append(threading.Thread(target=release))
            released[0].start()

    states: dict[str, CanaryState] = {}
    released: list[threading.Thread] = []
    proof = company.prove(journal=journal)
    released[0].join()
    assert proof.proven, proof


def test_mail_that_stays_frozen_is_unproven_and_can_be_tidied_up_when_it_comes_late(company):
    company.route("gateway", FROZEN)
    company.route("old-mta", FROZEN)
    proof = company.prove(deadline=1.0)
    assert (proof.sent, proof.found, proof.unproven) == (6, 0, 6)
    for router in company.scene.routers:
        company.route(router, "new")
    company.scene.wait_until_delivered()
    assert len(company.canaries("new")) == 6
    assert tidy(proof.canaries, company.connect).removed == 6
    assert company.canaries("new") == []


def test_a_canary_that_its_user_has_moved_to_another_folder_is_found_there(company):
    company.route("gateway", "new")
    company.route("old-mta", "new")
    (box, *_), moved = company.mailboxes, []

    def connect_and_move(address, server):
        if server == "new" and address == box.address and company.scene.new.deliveries():
            with company.scene.new.connect(address) as imap:
                imap.command(b"SELECT", b"INBOX")
                for response in imap.command(b"UID SEARCH", b"HEADER", CANARY_HEADER.encode(), b'""'):
                    moved.extend(response.head.split()[2:])
                if moved:
                    imap.command(b"UID MOVE", b",".join(moved), b"Junk")
        return connect_plain(address, server)

    connect_plain, company.connect = company.connect, connect_and_move
    with company.scene.new.connect(box.address) as imap:
        imap.command(b"CREATE", b"Junk")
    proof = company.prove()
    assert moved
    assert proof.proven
    assert any(canary.detail.startswith("Junk UID") for canary in proof.canaries)
    assert company.canaries("new") == []


def test_after_a_crash_between_sending_and_the_journal_nothing_is_left_behind(company):
    company.route("gateway", "new")
    company.route("old-mta", "new")
    journal = {}

    def dies_at_the_first_answer(canary):
        if canary.state is CanaryState.SENT:
            raise KeyboardInterrupt
        journal[canary.token] = canary

    with pytest.raises(KeyboardInterrupt):
        company.prove(journal=dies_at_the_first_answer)
    company.scene.wait_until_delivered()
    assert len(company.canaries("new")) >= 1
    proof = company.prove(known=journal.values())
    assert proof.proven
    assert {canary.token for canary in proof.canaries} == set(journal)
    assert company.canaries("new") == []


GREYLISTED = "450 4.7.1 greylisted, try again later"
GREYLISTING = {
    "smtpd_recipient_restrictions": f"check_recipient_access static:{{{GREYLISTED}}}",
    "smtpd_data_restrictions": f"check_client_access static:{{{GREYLISTED}}}",
}


@pytest.fixture
def greylist(company):
    """Sets, or takes back, what makes the gateway answer 450."""

    def setting(name, value=""):
        gateway._tool("postconf", "-e", f"{name}={value}")
        gateway.reload()

    gateway = company.scene.routers["gateway"]
    yield setting
    for name in GREYLISTING:
        setting(name)


def refusals(company):
    """How often the gateway has answered 450."""
    return company.scene.routers["gateway"].log_path.read_text("utf-8", "replace").count("450 4.7.1 ")


@pytest.mark.parametrize("at", GREYLISTING)
def test_greylisting_is_pending_and_tried_again_until_it_is_taken_once(company, greylist, at):
    company.route("gateway", "new")
    company.route("old-mta", "new")
    greylist(at, GREYLISTING[at])
    before, states = refusals(company), {}

    def relent():
        until = time.monotonic() + 20
        while refusals(company) < before + 6 and time.monotonic() < until:  # each of the three was tried twice
            time.sleep(0.02)
        states["while greylisted"] = dict(known)
        greylist(at)

    known: dict[tuple[str, str], CanaryState] = {}
    thread = threading.Thread(target=relent)
    thread.start()
    proof = company.prove(journal=lambda canary: known.update({(canary.ingress, canary.address): canary.state}))
    thread.join()
    held = {state for (ingress, _), state in states["while greylisted"].items() if ingress == "gateway"}
    assert held == {CanaryState.INTENDED}
    assert refusals(company) >= before + 6
    assert (proof.proven, proof.removed) == (True, 6)
    assert company.canaries("new") == []


@pytest.mark.parametrize("at", GREYLISTING)
def test_greylisting_that_does_not_end_is_unproven_in_the_servers_words(company, greylist, at):
    company.route("gateway", "new")
    company.route("old-mta", "new")
    greylist(at, GREYLISTING[at])
    proof = company.prove(deadline=3.0)
    assert [(row.ingress, row.found, row.unproven) for row in proof.by_ingress] == [
        ("gateway", 0, 3),
        ("old-mta", 3, 0),
    ]
    told = {canary.detail for canary in proof.canaries if canary.ingress == "gateway"}
    assert all("did not accept it before the deadline" in text and "greylisted" in text for text in told)
    assert not proof.proven


def test_the_clean_up_takes_the_canaries_away_and_nothing_else(company):
    """Other mail stays, in every folder: what its user has marked as deleted, and what arrives during the proof."""
    company.route("gateway", "new")
    company.route("old-mta", "new")
    (box, *_), connect_plain = company.mailboxes, company.connect
    meanwhile: list[bytes] = []
    for number in range(4):
        company.scene.new.deliver(box.address, b"Subject: before %d\r\n\r\nx\r\n" % number)
    with company.scene.new.connect(box.address) as imap:
        imap.command(b"SELECT", b"INBOX")
        imap.command(b"STORE 1:2 +FLAGS (\\Deleted)")
        imap.command(b"CREATE", b"Spam")
        imap.command(b"COPY 3:4", b"Spam")

    def connect_while_mail_comes(address, server):
        if server == "new" and address == box.address:
            meanwhile.append(b"Subject: meanwhile %d\r\n\r\nx\r\n" % len(meanwhile))
            company.scene.new.deliver(box.address, meanwhile[-1])
        return connect_plain(address, server)

    company.connect = connect_while_mail_comes
    before = subjects(company, box.address)
    proof = company.prove()
    assert (proof.proven, proof.removed) == (True, 6)
    came = Counter(("INBOX", text.split(b"\r\n")[0]) for text in meanwhile)
    assert came and subjects(company, box.address) == before + came


def subjects(company, address):
    """How often each subject is in each folder of a mailbox on the new server, by a client of the laboratory's own."""
    found: Counter[tuple[str, bytes]] = Counter()
    with company.scene.new.connect(address) as imap:
        for folder in imap.folders():
            if folder.selectable and imap.examine(folder.name).get("exists"):
                for response in imap.command(b"FETCH 1:* BODY.PEEK[HEADER.FIELDS (SUBJECT)]"):
                    text = b"".join(p.octets for p in response.parts if not isinstance(p, bytes)).strip()
                    found[str(folder.name), text] += bool(text)
    return found
