"""What a server says of itself when it is asked, by scripts of what real ones are documented to say."""

from __future__ import annotations

import pytest

from migrator.imap.connect import connect
from migrator.model.mailbox import Login, Secret
from migrator.model.profiles import COURIER, DOMINO, EXCHANGE, GMAIL, UNKNOWN, ZIMBRA, recognise
from tests.unit.imap_script import Peer, listening

# greeting, capabilities after login, answer to ID. Gmail's is from its documentation of IMAP extensions; Exchange's,
# Zimbra's, Domino's and Courier's from transcripts that others have published.
DIALOGUES = {
    GMAIL: (
        b"Gimap ready for requests from 127.0.0.1 k2if6111336rvb.0",
        b"IMAP4rev1 UNSELECT LITERAL+ IDLE NAMESPACE QUOTA ID XLIST CHILDREN X-GM-EXT-1",
        b'("name" "GImap" "vendor" "Google, Inc." "support-url" "http://mail.google.com/support")',
    ),
    EXCHANGE: (
        b"The Microsoft Exchange IMAP4 service is ready.",
        b"IMAP4 IMAP4rev1 AUTH=XOAUTH2 SASL-IR UIDPLUS MOVE ID UNSELECT CHILDREN IDLE NAMESPACE LITERAL+",
        b'("name" "Microsoft.Exchange.Imap4.Imap4Server" "version" "15.20")',
    ),
    ZIMBRA: (
        b"mail.company.test Zimbra IMAP4rev1 server ready",
        b"IMAP4rev1 ID UIDPLUS LITERAL+",
        b'("NAME" "Zimbra" "VERSION" "8.8.12_GA_3803" "RELEASE" "20190410012803")',
    ),
    DOMINO: (
        b"Domino IMAP4 Server Release 10.0.1FP3 ready Wed, 30 Oct 2019 09:28:06 +0100",
        b"IMAP4rev1 AUTH=PLAIN LITERAL+ NAMESPACE QUOTA UIDPLUS",
        b"",
    ),
    COURIER: (b"Courier-IMAP ready. Copyright 1998-2018 Double Precision, Inc.", b"IMAP4rev1 UIDPLUS ACL2=UNION", b""),
}


def entered(greeting: bytes, offers: bytes, *answers: bytes):
    """A session with a server that greets so, offers that after login, and answers each ID with `answers`."""

    def play(peer: Peer) -> None:
        peer.send(b"* OK " + greeting)
        while command := peer.read():
            if command == b"CAPABILITY":
                peer.send(b"* CAPABILITY " + offers, b"@ OK done")
            elif command.startswith(b"ID "):
                peer.send(*answers)
            else:
                peer.send(b"@ OK done")

    return listening(play)


def enter(endpoint):
    return connect(endpoint, Login("a@company.test", Secret("secret-of-a")), allow_plaintext=True, timeout=5)


@pytest.mark.parametrize("profile", DIALOGUES, ids=lambda profile: profile.title)
def test_servers_that_we_cannot_have_are_recognised_in_what_they_are_known_to_say(profile):
    greeting, offers, identity = DIALOGUES[profile]
    with entered(greeting, offers, b"* ID " + identity, b"@ OK done") as endpoint, enter(endpoint) as session:
        asked = session.checkup()
        fields = asked.identity() if session.has("ID") else {}
        assert bool(fields) is bool(identity)
        assert recognise(fields, asked.greeting, session.capabilities) is profile
        assert recognise(fields if identity else {}, "" if identity else asked.greeting, frozenset()) is profile


@pytest.mark.parametrize(
    "answers",
    [
        [b"@ OK done"],
        [b"* ID NIL", b"@ OK done"],
        [b"* ID (NIL NIL)", b"@ OK done"],
        [b'* ID ("name")', b"@ OK done"],
        [b'* ID "name"', b"@ OK done"],
        [b'* ID ("name" "Cyrus IMAP")', b"@ NO not now"],
        [b"@ BAD what?"],
    ],
)
def test_a_server_that_does_not_say_who_it_is_stays_unknown_and_usable(answers):
    with entered(b"ready", b"IMAP4rev1 ID", *answers) as endpoint, enter(endpoint) as session:
        asked = session.checkup()
        assert recognise(asked.identity(), asked.greeting, session.capabilities) is UNKNOWN
        session.noop()


def test_what_a_server_says_of_itself_cannot_write_on_the_terminal():
    answer = b'* ID ("name" "Cyrus\x1b[2J")'
    with entered(b"ready", b"IMAP4rev1 ID", answer, b"@ OK done") as endpoint, enter(endpoint) as session:
        assert "\x1b" not in session.checkup().identity()["name"]
