"""What a server is asked before a wave, and that nothing is written by asking."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from migrator.imap import connect
from migrator.model.mailbox import Endpoint, Login, Secret, Tls
from migrator.model.names import FolderName
from migrator.model.profiles import CYRUS, DOVECOT, objections, recognise
from tests.lab import processes, require
from tests.lab.certificates import Authority
from tests.lab.cyrus import Cyrus
from tests.lab.dovecot import Dovecot

USER = "u0001@company.test"
INBOX = FolderName("INBOX")
MAIL = b"Subject: hello\r\n\r\nhello\r\n"


@pytest.fixture(params=["dovecot", "cyrus"])
def server(request, stack):
    require(request.param)
    made = {"dovecot": Dovecot, "cyrus": Cyrus}[request.param](users=[USER])
    return stack.enter_context(made)


def enter(server):
    endpoint = Endpoint(server.host, server.imap_port, Tls.NONE)
    return connect(endpoint, Login(USER, Secret(server.passwords[USER])), allow_plaintext=True)


@pytest.mark.parametrize("off", [0, 7, -7, 3600, -86_400 * 30])
def test_a_clock_that_is_off_is_told_by_how_much(server, off):
    server.deliver(USER, MAIL)
    with enter(server) as session:
        session.examine(INBOX)
        message = session.scan("1:*")[0]
        found = session.checkup().clock_offset(message, lambda: datetime.now(UTC) - timedelta(seconds=off))
    assert found is not None
    assert abs(found.total_seconds() - off) <= 2.5


def test_a_clock_that_is_off_by_years_is_not_told(server):
    server.deliver(USER, MAIL)
    with enter(server) as session:
        session.examine(INBOX)
        message = session.scan("1:*")[0]
        assert session.checkup().clock_offset(message, lambda: datetime.now(UTC) - timedelta(days=900)) is None


def test_a_message_that_is_too_large_is_refused_when_it_is_announced_and_nothing_is_stored(stack):
    require("dovecot")
    server = stack.enter_context(Dovecot(users=[USER], max_message="1M"))
    with enter(server) as session:
        refusal = session.checkup().would_refuse(2_000_000)
    assert refusal is not None
    assert (refusal.code, "larger than the maximum size" in refusal.text) == ("LIMIT", True)
    with enter(server) as session:
        assert session.checkup().would_refuse(900_000) is None
    with enter(server) as session:
        assert session.status(INBOX).messages == 0


def test_a_message_that_is_too_large_for_cyrus_is_refused_when_it_is_announced(stack):
    require("cyrus")
    server = stack.enter_context(Cyrus(users=[USER], settings={"maxmessagesize": "1000000"}))
    with enter(server) as session:
        assert session.checkup().would_refuse(2_000_000) is not None
    with enter(server) as session:
        assert session.checkup().would_refuse(900_000) is None
    with enter(server) as session:
        assert session.status(INBOX).messages == 0


def test_the_end_of_a_certificate_is_told(stack):
    require("dovecot", "openssl")
    directory = processes.scratch_directory("authority")
    authority = Authority(directory)
    server = stack.enter_context(Dovecot(users=[USER], authority=authority))
    endpoint = Endpoint(server.host, server.imaps_port, Tls.IMPLICIT, str(authority.ca_file))
    with connect(endpoint, Login(USER, Secret(server.passwords[USER]))) as session:
        ends = session.checkup().certificate_ends
    assert ends is not None
    assert datetime.now(UTC) < ends


def test_a_real_server_is_recognised_by_its_answer_to_id_and_by_its_greeting(server):
    kind = DOVECOT if isinstance(server, Dovecot) else CYRUS
    with enter(server) as session:
        asked = session.checkup()
        assert recognise(asked.identity(), "", frozenset()) is kind
        assert recognise({}, asked.greeting, session.capabilities) is kind
        session.noop()  # and the session goes on


def test_cyrus_refuses_the_names_that_its_profile_says_it_refuses(stack):
    require("cyrus")
    server = stack.enter_context(Cyrus(users=[USER]))
    with enter(server) as session:
        for name in ('a"b', "a%b", "a^b", "a|b", "a{b", "a}b", "a\\b", "a:b", "a&b", "a_b"):
            refused = FolderName(name) in session.create_all([(FolderName(name), None)])
            assert refused is bool(objections(CYRUS, (name,))), name
