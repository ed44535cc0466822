"""The wire against real Dovecot: TLS, refusals, hostile content, large messages."""

from __future__ import annotations

import socket
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from migrator.imap import AppendResult, Digester, Session, connect
from migrator.imap.errors import ConnectionLost, PlaintextRefused, UnsafeValue
from migrator.model.errors import CertificateRefused, LoginRefused
from migrator.model.flags import flag_fits, keep_safe_flags
from migrator.model.mailbox import Endpoint, Login, Secret, Tls
from migrator.model.message import Flags
from migrator.model.names import FolderName
from tests.conftest import Pair
from tests.lab.dovecot import Dovecot
from tests.lab.proxy import DelayProxy

INBOX = FolderName("INBOX")
CHECKOUT = Path(__file__).resolve().parents[2]
COMMANDS = b"x1 CREATE Pwned\r\nx2 NOOP\r\n\r\nhello\r\n"


def enter(server: Dovecot, user: str, tls: Tls = Tls.NONE, ca_file: str | None = None) -> Session:
    port = server.imaps_port if tls is Tls.IMPLICIT else server.imap_port
    login = Login(user, Secret(server.passwords[user]))
    return connect(Endpoint(server.host, port, tls, ca_file), login, allow_plaintext=tls is Tls.NONE, timeout=30)


@pytest.fixture
def session(pair: Pair) -> Iterator[Session]:
    with enter(pair.new, pair.user()) as entered:
        yield entered


def append(session: Session, *messages: bytes, flags: Flags = frozenset()) -> AppendResult:
    """One batch to INBOX, after a message that makes the server trusted with literals sent without asking."""
    appender = session.appender(INBOX)
    for batch in ([b"first\r\n"], messages):
        appender.begin()
        for message in batch:
            appender.message(flags if batch is messages else frozenset(), None, len(message))
            appender.chunk(message)
            appender.message_done()
        appender.end(len(batch))
    results: list[AppendResult] = []
    while len(results) < 2:
        results += appender.results(wait=True)
    return results[1]


# TLS and login


@pytest.mark.parametrize("tls", [Tls.IMPLICIT, Tls.STARTTLS])
def test_a_protected_session_carries_messages(pair: Pair, tls: Tls) -> None:
    message = b"Subject: secret\r\n\r\n" + b"0123456789abcdef\r\n" * 60_000
    with enter(pair.new, pair.user(), tls, str(pair.authority.ca_file)) as session:
        append(session, message, b"small\r\n")
        session.examine(INBOX)
        bodies = [b"".join(map(bytes, body.chunks)) for body in session.bodies(session.uids())]
    assert bodies == [b"first\r\n", message, b"small\r\n"]


@pytest.mark.parametrize("tls", [Tls.IMPLICIT, Tls.STARTTLS])
def test_a_certificate_of_an_unknown_authority_is_refused(pair: Pair, tls: Tls) -> None:
    with pytest.raises(CertificateRefused, match="certificate"):
        enter(pair.new, pair.user(), tls)


def test_a_certificate_for_another_host_is_refused(pair: Pair, make_proxy: Callable[..., DelayProxy]) -> None:
    proxy = make_proxy((pair.new.host, pair.new.imaps_port))
    endpoint = Endpoint(proxy.host, proxy.port, Tls.IMPLICIT, str(pair.authority.ca_file))
    with pytest.raises(CertificateRefused, match=r"not valid for '127\.0\.0\.1'"):
        connect(endpoint, Login("somebody", Secret("pw")))


def test_a_ca_file_that_cannot_be_read_is_named() -> None:
    with pytest.raises(CertificateRefused, match=r"/nowhere/ca\.pem"):
        connect(Endpoint("127.0.0.1", 1, Tls.IMPLICIT, "/nowhere/ca.pem"), Login("u", Secret("p")))


def test_a_server_without_starttls_is_refused_before_the_login(make_dovecot: Callable[..., Dovecot]) -> None:
    server = make_dovecot(users=["u"])
    with pytest.raises(PlaintextRefused, match="does not offer STARTTLS"):
        enter(server, "u", Tls.STARTTLS)


def test_a_wrong_password_is_refused_and_not_told(pair: Pair) -> None:
    endpoint = Endpoint(pair.new.host, pair.new.imap_port, Tls.NONE)
    with pytest.raises(LoginRefused) as caught:
        connect(endpoint, Login(pair.user(), Secret("marked-secret")), allow_plaintext=True)
    assert "marked-secret" not in str(caught.value)


def test_the_master_user_enters_a_mailbox(pair: Pair) -> None:
    user = pair.user()
    endpoint = Endpoint(pair.new.host, pair.new.imap_port, Tls.NONE)
    login = Login(f"{user}*{pair.new.master_user}", Secret(pair.new.master_password))
    with connect(endpoint, login, allow_plaintext=True) as session:
        append(session, b"hello\r\n")
    with enter(pair.new, user) as session:
        assert session.status(INBOX).messages == 2


def test_a_password_beyond_ascii_is_accepted(make_dovecot: Callable[..., Dovecot]) -> None:
    server = make_dovecot(users={"u": 'Pässwort"\\令和'})
    enter(server, "u").close()


# hostile content: nothing but messages may come of it


def folder_names(session: Session) -> list[str]:
    return [folder.name for folder in session.folders()]


def test_dovecot_runs_message_text_after_a_refused_flag_which_is_why_flags_are_rebuilt(pair: Pair) -> None:
    user = pair.user()
    with socket.create_connection((pair.new.host, pair.new.imap_port)) as raw:
        raw.settimeout(10)
        raw.sendall(b"a LOGIN %b %b\r\n" % (user.encode(), pair.new.passwords[user].encode()))
        raw.sendall(b"b APPEND INBOX (\\Foo) {%d+}\r\n" % len(COMMANDS) + COMMANDS + b"\r\nc LOGOUT\r\n")
        while raw.recv(4096):
            pass
    with enter(pair.new, user) as session:
        assert folder_names(session) == ["Pwned", "INBOX"]


@pytest.mark.parametrize(
    "flag",
    [
        "\\Foo",
        "\\Recent",
        "a b",
        "a) {2+}\r\nx1 CREATE Pwned\r\n",
        "a\r\nx1 CREATE Pwned",
        '"a"',
        "(a)",
        "é",
        "",
        "k" * 300,
    ],
)
def test_hostile_flags_execute_nothing(session: Session, flag: str) -> None:
    with pytest.raises(UnsafeValue):
        append(session, COMMANDS, flags=frozenset({flag}))


@pytest.mark.parametrize(
    "date",
    [
        datetime(1960, 1, 1, tzinfo=UTC),
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(2020, 1, 1, tzinfo=timezone(timedelta(seconds=30))),
        datetime(2020, 1, 1),
    ],
)
def test_hostile_dates_execute_nothing(session: Session, date: datetime) -> None:
    appender = session.appender(INBOX)
    appender.begin()
    with pytest.raises(UnsafeValue):
        appender.message(frozenset(), date, len(COMMANDS))
    appender.end(1)
    assert [(result.uids, result.refusal) for result in appender.results(wait=True)] == [((), None)]
    append(session, COMMANDS)
    assert folder_names(session) == ["INBOX"]
    assert session.status(INBOX).messages == 2


@pytest.mark.parametrize(
    "flags", [frozenset(), frozenset({"k" * 101}), frozenset(f"keyword{n:03d}" for n in range(400))]
)
def test_message_text_executes_nothing_even_when_dovecot_refuses_the_flags(session: Session, flags: Flags) -> None:
    result = append(session, b"hello\r\n", COMMANDS, flags=flags)
    refused = "k" * 101 in flags
    assert bool(result.refusal) is refused
    assert folder_names(session) == ["INBOX"]
    assert session.status(INBOX).messages == (1 if refused else 3)


def test_more_flags_than_a_command_line_may_hold_are_never_sent(session: Session) -> None:
    flags = frozenset(f"keyword{number:05d}" for number in range(9000))
    appender = session.appender(INBOX)
    appender.begin()
    with pytest.raises(UnsafeValue, match="octets of flags"):
        appender.message(flags, None, 3)
    kept, left = keep_safe_flags(flags)
    assert kept | left == flags
    assert append(session, COMMANDS, flags=kept).refusal is None


def test_message_text_executes_nothing_when_the_folder_is_gone(pair: Pair) -> None:
    user = pair.user()
    with enter(pair.new, user) as session, enter(pair.new, user) as other:
        session.create(FolderName("box"))
        appender = session.appender(FolderName("box"))
        for number in range(2):
            appender.begin()
            appender.message(frozenset(), None, len(COMMANDS))
            appender.chunk(COMMANDS)
            appender.message_done()
            appender.end(number)
            if number == 0:
                assert appender.results(wait=True)[0].refusal is None
                other.delete(FolderName("box"))
        (result,) = appender.results(wait=True)
        assert result.refusal
        assert result.refusal.code == "TRYCREATE"
        assert folder_names(session) == ["INBOX"]


def test_130_keywords_are_kept(session: Session) -> None:
    keywords = frozenset(f"keyword{number}" for number in range(130))
    append(session, b"hello\r\n", flags=keywords)
    session.examine(INBOX)
    assert session.scan("2")[0].flags == keywords
    assert flag_fits("keyword0")


@pytest.mark.parametrize("size", [300_000, 3_000_000])
def test_a_message_above_the_servers_limit_is_refused_alone(make_dovecot: Callable[..., Dovecot], size: int) -> None:
    server = make_dovecot(users=["u"], quota="100M", max_message="200k")
    with enter(server, "u") as session:
        big = append(session, b"small\r\n", COMMANDS + b"x" * size, b"small\r\n")
        assert (big.refusal and big.refusal.code, big.uids) == ("LIMIT", None)
        assert append(session, b"small\r\n").refusal is None
        assert session.status(INBOX).messages == 3
        assert folder_names(session) == ["INBOX"]


def test_a_full_mailbox_says_so_and_stores_nothing_of_the_batch(make_dovecot: Callable[..., Dovecot]) -> None:
    server = make_dovecot(users=["u"], quota="1M")
    with enter(server, "u") as session:
        result = append(session, *(COMMANDS + b"x" * 200_000 for _ in range(8)))
        assert (result.refusal and result.refusal.code, result.uids) == ("OVERQUOTA", None)
        assert session.status(INBOX).messages == 1
        assert folder_names(session) == ["INBOX"]


def test_an_empty_message_is_refused_with_its_batch_and_the_session_goes_on(session: Session) -> None:
    result = append(session, COMMANDS, b"", COMMANDS)
    assert result.refusal
    assert "zero byte" in result.refusal.text
    assert append(session, b"", COMMANDS).refusal
    assert append(session, COMMANDS).refusal is None
    assert folder_names(session) == ["INBOX"]


def test_a_session_dropped_inside_a_message_stores_nothing_of_the_batch(pair: Pair) -> None:
    user = pair.user()
    with enter(pair.new, user) as session:
        appender = session.appender(INBOX)
        appender.begin()
        for size in (1000, 1_000_000):
            appender.message(frozenset(), None, size)
            appender.chunk(b"x" * min(size, 500_000))
            if size == 1000:
                appender.message_done()
        appender.flush()
        appender.abort()
        with pytest.raises(ConnectionLost):
            session.noop()
    with enter(pair.new, user) as session:
        assert session.status(INBOX).messages == 0


def test_a_dropped_session_leaves_the_sessions_of_others_alone(pair: Pair) -> None:
    """All TLS sessions go through one login process of Dovecot, which dies of a reset while it forwards."""
    user, ca_file = pair.user(), str(pair.authority.ca_file)
    for _ in range(30):
        with enter(pair.new, user, Tls.IMPLICIT, ca_file) as other:
            session = enter(pair.new, user, Tls.IMPLICIT, ca_file)
            appender = session.appender(INBOX)
            appender.begin()
            appender.message(frozenset(), None, 3_000_000)
            appender.chunk(b"x" * 2_000_000)
            appender.abort()
            other.noop()


# requests sent ahead


def test_requests_sent_ahead_keep_their_bodies_though_dovecot_mixes_them(pair: Pair) -> None:
    """Over TLS its output waits for the login process, and it goes on with the next FETCH meanwhile."""
    messages = [b"Subject: %d\r\n\r\n" % number + b"0123456789abcde\r\n" * 250 for number in range(1000)]
    with enter(pair.new, pair.user(), Tls.IMPLICIT, str(pair.authority.ca_file)) as session:
        append(session, *messages)
        session.examine(INBOX)
        fetcher = session.fetcher()
        requests = [range(first, first + 100) for first in range(2, 1002, 100)]
        fetcher.request(requests[0])
        for number, uids in enumerate(requests):
            for ahead in requests[number + 1 : number + 2]:
                fetcher.request(ahead)
            found = {body.uid: b"".join(map(bytes, body.chunks)) for body in fetcher.replies()}
            assert found == {uid: messages[uid - 2] for uid in uids}
        session.noop()


# large messages


COPY = textwrap.dedent(
    """
    import resource, sys
    from migrator.imap import Digester, connect
    from migrator.model.mailbox import Endpoint, Login, Secret, Tls
    host, port, to_host, to_port, user, password, to_password = sys.argv[1:]
    source = connect(Endpoint(host, int(port), Tls.NONE), Login(user, Secret(password)), allow_plaintext=True)
    target = connect(Endpoint(to_host, int(to_port), Tls.NONE), Login(user, Secret(to_password)), allow_plaintext=True)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    source.examine("INBOX")
    appender = target.appender("INBOX")
    appender.begin()
    for body in source.bodies(source.uids()):
        appender.message(frozenset(), None, body.size)
        digester = Digester()
        for chunk in body.chunks:
            digester.update(chunk)
            appender.chunk(chunk)
        appender.message_done()
        print(digester.raw_size, digester.digest().hex())
    appender.end(1)
    assert appender.results(wait=True)[0].refusal is None
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    """
)


def test_a_message_of_200_mb_passes_in_constant_memory(pair: Pair) -> None:
    user = pair.user()
    line, lines = b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef012345\r\n", 1000
    size = 200_000_000 // (len(line) * lines) * len(line) * lines
    digester = Digester()
    with enter(pair.old, user) as session:
        appender = session.appender(INBOX)
        appender.begin()
        appender.message(frozenset(), None, size)
        for _ in range(size // (len(line) * lines)):
            appender.chunk(line * lines)
            digester.update(line * lines)
        appender.message_done()
        appender.end(1)
        assert appender.results(wait=True)[0].uids
    passwords = pair.old.passwords[user], pair.new.passwords[user]
    ends = [pair.old.host, str(pair.old.imap_port), pair.new.host, str(pair.new.imap_port)]
    done = subprocess.run(
        [sys.executable, "-c", COPY, *ends, user, *passwords], check=True, capture_output=True, text=True, cwd=CHECKOUT
    )
    copied_size, digest, grown_kb = done.stdout.split()
    assert (int(copied_size), digest) == (size, digester.digest().hex())
    assert int(grown_kb) < 8_000
    with enter(pair.new, user) as session:
        session.examine(INBOX)
        assert [meta.size for meta in session.scan("1:*")] == [size]
