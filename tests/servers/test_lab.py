"""The laboratory itself, on real servers: what it starts, records, sends and judges can be trusted."""

from __future__ import annotations

import imaplib
import os
import random
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.conftest import Pair
from tests.lab import corpus
from tests.lab.checker import compare, judge_traffic, snapshot, summary
from tests.lab.dovecot import Dovecot
from tests.lab.postfix import INDEX_SUFFIX, Postfix
from tests.lab.proxy import WINDOW, DelayProxy, LinkCounts
from tests.lab.scene import Scene
from tests.lab.wire import Imap, ImapError, Literal, mailbox

CHECKOUT = Path(__file__).resolve().parents[2]
FROZEN = "retry:4.7.0 mailbox is being moved, try again"


def eventually(condition: Callable[[], object], patience: float = 20.0) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.05)


# Dovecot


def test_users_log_in_with_their_own_password_and_with_the_master_password(pair: Pair) -> None:
    user = pair.user()
    pair.old.connect(user).close()
    with Imap(pair.old.host, pair.old.imap_port) as connection:
        connection.login(f"{user}*{pair.old.master_user}", pair.old.master_password)
    with Imap(pair.old.host, pair.old.imap_port) as connection, pytest.raises(ImapError, match="AUTHENTICATIONFAILED"):
        connection.login(user, "wrong")


def test_tls_is_verified_against_the_laboratorys_own_authority(pair: Pair) -> None:
    user = pair.user()
    pair.old.connect(user, tls=True).close()
    with imaplib.IMAP4(pair.old.host, pair.old.imap_port) as plain:
        plain.starttls(pair.authority.context())
        plain.login(user, pair.old.passwords[user])
    with pytest.raises(ssl.SSLCertVerificationError):
        Imap(pair.old.host, pair.old.imaps_port, context=ssl.create_default_context())


def test_separator_and_prefix_are_as_asked_and_the_judge_sees_through_them(
    pair: Pair, make_dovecot: Callable[..., Dovecot]
) -> None:
    user = pair.user()
    dotted = make_dovecot("dotted", users=[user], separator=".", prefix="INBOX.")
    contents = corpus.plan(1, per_folder=2)
    for server in (pair.old, dotted):
        with server.connect(user) as connection:
            assert corpus.fill(connection, contents) == 24
    with dotted.connect(user) as connection:
        assert "INBOX.顧客.東京 支店" in {folder.name for folder in connection.folders()}
    verdict = compare(snapshot(pair.old, user), snapshot(dotted, user))
    assert verdict.clean and not verdict.folders_missing and not verdict.folders_extra, str(verdict)


def test_mail_and_ports_survive_a_restart(make_dovecot: Callable[..., Dovecot]) -> None:
    server = make_dovecot(users=["a@company.test"])
    server.deliver("a@company.test", b"Subject: x\r\n\r\nhello\r\n")
    before = snapshot(server, "a@company.test")
    assert len(before.messages()) == 1
    server.restart()
    assert snapshot(server, "a@company.test") == before


def test_a_removed_user_is_refused_by_imap_and_lmtp(make_dovecot: Callable[..., Dovecot]) -> None:
    server = make_dovecot(users=["a@company.test", "b@company.test"])
    password = server.passwords["a@company.test"]
    server.connect("a@company.test").close()
    server.remove_user("a@company.test")
    with Imap(server.host, server.imap_port) as connection, pytest.raises(ImapError):
        connection.login("a@company.test", password)
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        server.deliver("a@company.test", b"x")


def test_quota_and_message_size_are_enforced(make_dovecot: Callable[..., Dovecot]) -> None:
    server = make_dovecot(users=["a@company.test"], quota="100k", max_message="60k")
    with server.connect("a@company.test") as connection:
        with pytest.raises(ImapError):
            connection.command(b"APPEND INBOX", Literal(b"x" * 70_000))
        for _ in range(2):
            connection.command(b"APPEND INBOX", Literal(b"x" * 45_000))
        with pytest.raises(ImapError, match="OVERQUOTA"):
            connection.command(b"APPEND INBOX", Literal(b"x" * 45_000))


def test_every_command_is_recorded_and_those_that_write_are_named(make_dovecot: Callable[..., Dovecot]) -> None:
    server = make_dovecot(users=["a@company.test"])
    server.record_commands()
    with Imap(server.host, server.imap_port) as connection:
        connection.login(f"a@company.test*{server.master_user}", server.master_password)
        connection.command(b"CREATE", mailbox("下書き"))
        connection.command(b"APPEND INBOX", Literal(b"Subject: x\r\n\r\nz1 SELECT INBOX\r\nz2 EXPUNGE\r\n"))
        connection.examine("INBOX")
        list(connection.fetch("1:*", "FLAGS RFC822.SIZE BODY.PEEK[HEADER] BODY.PEEK[]"))
        list(connection.fetch("1:*", "BODY[]"))
    commands = server.commands()
    assert [command.verb for command in commands] == ["CAPABILITY", "CREATE", "APPEND", "EXAMINE", "FETCH", "FETCH"]
    assert [command.verb for command in commands if command.writes] == ["CREATE", "APPEND", "FETCH"]
    assert commands[-1].writes and not commands[-2].writes


def test_recording_can_be_switched_off_and_emptied(make_dovecot: Callable[..., Dovecot]) -> None:
    server = make_dovecot(users=["a@company.test"])
    server.record_commands()
    server.connect("a@company.test").close()
    server.record_commands(on=False)
    server.connect("a@company.test").close()
    assert len(server.commands()) == 1
    server.forget_commands()
    assert server.commands() == []


def test_the_time_of_each_delivery_is_in_the_log(make_dovecot: Callable[..., Dovecot]) -> None:
    server = make_dovecot(users=["a@company.test"])
    server.deliver("a@company.test", b"Message-ID: <one@x>\r\n\r\nhello\r\n")
    assert list(server.deliveries()) == [("a@company.test", "<one@x>")]


# corpus and judge


def test_the_judge_finds_on_a_real_server_what_was_done_to_a_copy(pair: Pair) -> None:
    user = pair.user()
    for server in (pair.old, pair.new):
        with server.connect(user) as connection:
            corpus.fill(connection, corpus.plan(5, folders=("INBOX", "Sent", "下書き"), per_folder=20))
    before = compare(snapshot(pair.old, user), snapshot(pair.new, user))
    assert before.clean and not before.extra, str(before)
    with pair.new.connect(user) as connection:
        connection.command(b"SELECT INBOX")
        connection.command(b"UID COPY 1:2 INBOX")
        connection.command(b"UID MOVE 3:4", mailbox("Sent"))
        connection.command(b"UID STORE 5:7 FLAGS.SILENT (odd-keyword)")
        connection.command(b"UID STORE 8:9 +FLAGS.SILENT (\\Deleted)")
        connection.command(b"UID EXPUNGE 8:9")
    after = compare(snapshot(pair.old, user), snapshot(pair.new, user)).counts()
    assert after == {
        "lost": 2, "doubled": 2, "altered": 0, "misplaced": 2, "flag_differs": 3, "date_differs": 0, "extra": 0,
    }  # fmt: skip


def test_reading_a_mailbox_changes_nothing_in_it(make_dovecot: Callable[..., Dovecot]) -> None:
    server = make_dovecot(users=["a@company.test"])
    server.deliver("a@company.test", b"Subject: x\r\n\r\nhello\r\n")
    server.record_commands()
    first = snapshot(server, "a@company.test")
    assert snapshot(server, "a@company.test") == first
    assert not [command for command in server.commands() if command.writes]


# Postfix


@pytest.mark.parametrize("map_type", INDEX_SUFFIX)
def test_a_changed_map_routes_the_next_mail_after_a_reload(
    map_type: str, pair: Pair, make_postfix: Callable[..., Postfix]
) -> None:
    user = pair.user()
    router = make_postfix(map_type=map_type)
    for server, token in ((pair.old, "one"), (pair.new, "two")):
        router.write_map({user: server.nexthop})
        router.reload()
        assert router.route(user) == server.nexthop
        with smtplib.SMTP(router.host, router.port) as smtp:
            smtp.sendmail("s@outside.test", [user], f"Message-ID: <{token}@x>\r\n\r\n{token}\r\n")
        eventually(lambda s=server: len(snapshot(s, user).messages()) == 1)  # type: ignore[misc]
    router.wait_until_empty()
    assert not router.bounced()


def test_a_frozen_address_keeps_its_mail_in_the_queue_even_when_flushed(
    pair: Pair, make_postfix: Callable[..., Postfix]
) -> None:
    user = pair.user()
    router = make_postfix()
    router.write_map({user: FROZEN})
    router.reload()
    with smtplib.SMTP(router.host, router.port) as smtp:
        for number in range(5):
            smtp.sendmail("s@outside.test", [user], f"Subject: {number}\r\n\r\nx\r\n")
    router.flush()
    eventually(lambda: len([attempt for attempt in router.attempts() if attempt.status == "deferred"]) >= 5)
    assert router.queued_addresses() == [user] * 5
    router.write_map({user: pair.new.nexthop})
    router.reload()
    router.wait_until_empty()
    assert len(snapshot(pair.new, user).messages()) == 5 and not router.bounced()


def test_an_unknown_user_on_the_new_server_stays_queued_instead_of_bouncing(
    make_dovecot: Callable[..., Dovecot], make_postfix: Callable[..., Postfix]
) -> None:
    server, router = make_dovecot(), make_postfix()
    router.write_map({"late@company.test": server.nexthop})
    router.reload()
    with smtplib.SMTP(router.host, router.port) as smtp:
        smtp.sendmail("s@outside.test", ["late@company.test"], "Subject: x\r\n\r\nx\r\n")
    eventually(lambda: router.attempts())
    assert router.queued_addresses() == ["late@company.test"] and not router.bounced()
    server.add_user("late@company.test")
    router.wait_until_empty()
    assert len(snapshot(server, "late@company.test").messages()) == 1


# traffic and scene


def test_traffic_is_counted_exactly_through_a_flip_by_hand_and_a_killed_gateway(
    make_scene: Callable[..., Scene],
) -> None:
    scene = make_scene({"sales": 4})
    traffic = scene.traffic(rate=40).start()
    eventually(lambda: len(traffic.sent) > 20)
    for router in scene.routers.values():
        router.write_map(dict.fromkeys(scene.addresses, scene.new.nexthop))
        router.reload()
    scene.gateway.kill()
    count = len(traffic.sent)
    eventually(lambda: traffic.pending > 5)
    scene.gateway.start()
    eventually(lambda: len(traffic.sent) > count + 20)
    sent = traffic.stop()
    scene.wait_until_delivered()
    old, new = scene.snapshots("old"), scene.snapshots("new")
    verdict = judge_traffic(sent, old, new, dict.fromkeys(scene.addresses, "either"))
    # a gateway killed between delivery and its note of it delivers again; that is not held against anybody
    assert not (verdict.lost or verdict.split or verdict.doubled), str(verdict)
    assert verdict.checked == len(sent) > 40
    assert {mail.ingress for mail in sent} == set(scene.routers)
    assert judge_traffic(sent, old, new, dict.fromkeys(scene.addresses, "new")).split, "some came before the flip"
    assert not traffic.refused and not traffic.pending and not scene.split_routes()


def test_routes_that_disagree_are_seen(make_scene: Callable[..., Scene]) -> None:
    scene = make_scene({"sales": 2})
    assert not scene.split_routes()
    moved = scene.addresses[0]
    scene.gateway.write_map({**scene.gateway.read_map(), moved: scene.new.nexthop})
    assert scene.split_routes() == {moved: {"gateway": "new", "old-mta": "old"}}


def test_a_company_of_two_thousand_messages_is_filled_and_compared(make_scene: Callable[..., Scene]) -> None:
    scene = make_scene(postfix=False)
    assert scene.fill() == scene.fill(side="new") == 1920
    verdicts = scene.compare(scene.snapshots("old"), scene.snapshots("new"))
    assert len(verdicts) == 20 and all(one.clean and not one.extra for one in verdicts.values()), summary(verdicts)


# the slow wire


def test_bytes_of_a_dead_client_still_arrive_after_the_delay(pair: Pair, make_proxy: Callable[..., DelayProxy]) -> None:
    user = pair.user()
    proxy = make_proxy((pair.new.host, pair.new.imap_port))
    connection = Imap(proxy.host, proxy.port).login(user, pair.new.passwords[user])
    proxy.delay_up = 1.0
    connection.send(b"APPEND INBOX", Literal(b"Subject: zombie\r\n\r\nx\r\n"))
    connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # close() sends a reset
    connection.close()
    assert not snapshot(pair.new, user).messages()
    eventually(lambda: len(snapshot(pair.new, user).messages()) == 1)
    eventually(lambda: not proxy.in_flight)


def test_a_cut_drops_what_was_on_its_way(pair: Pair, make_proxy: Callable[..., DelayProxy]) -> None:
    user = pair.user()
    proxy = make_proxy((pair.new.host, pair.new.imap_port))
    connection = Imap(proxy.host, proxy.port).login(user, pair.new.passwords[user])
    proxy.delay_up = 0.5
    connection.send(b"APPEND INBOX", Literal(b"Subject: cut\r\n\r\nx\r\n"))
    proxy.cut()
    with pytest.raises((ImapError, OSError)):
        connection.command(b"NOOP")
    eventually(lambda: not proxy.in_flight)
    assert not snapshot(pair.new, user).messages()


def test_round_trips_are_counted(pair: Pair, make_proxy: Callable[..., DelayProxy]) -> None:
    user = pair.user()
    proxy = make_proxy((pair.new.host, pair.new.imap_port))
    with Imap(proxy.host, proxy.port) as connection:
        connection.login(user, pair.new.passwords[user])
        before = proxy.round_trips
        for _ in range(7):
            connection.command(b"NOOP")
        assert proxy.round_trips - before == 7


def test_each_connection_is_counted_by_itself_and_from_any_moment_on(
    pair: Pair, make_proxy: Callable[..., DelayProxy]
) -> None:
    user = pair.user()
    proxy = make_proxy((pair.new.host, pair.new.imap_port))
    with Imap(proxy.host, proxy.port) as one, Imap(proxy.host, proxy.port) as other:
        one.login(user, pair.new.passwords[user])
        other.login(user, pair.new.passwords[user])
        before = proxy.counts()
        one.command(b"NOOP")
        answered = proxy.octets_down - before.octets_down
        assert proxy.counts().since(before).links == (LinkCounts(1, len("t3 NOOP\r\n"), answered),)
        for _ in range(3):
            other.command(b"NOOP")
        assert [link.round_trips for link in proxy.counts().since(before).links] == [1, 3]
        assert proxy.counts().connections == 2


def test_commands_in_one_go_are_one_round_trip_whatever_the_delay(
    pair: Pair, make_proxy: Callable[..., DelayProxy]
) -> None:
    user = pair.user()
    proxy = make_proxy((pair.new.host, pair.new.imap_port))
    with Imap(proxy.host, proxy.port) as connection:
        connection.login(user, pair.new.passwords[user])
        before, proxy.delay_down = proxy.counts(), 1.0
        connection.socket.sendall(b"a NOOP\r\n")
        eventually(lambda: proxy.octets_down > before.octets_down)  # the answer is on its way, not yet here
        connection.socket.sendall(b"b NOOP\r\n")
        while not connection._line().startswith(b"b OK"):
            pass
        assert proxy.counts().since(before).round_trips == 1


def test_many_octets_pass_a_slow_wire_unchanged_and_without_a_queue_that_grows(
    make_proxy: Callable[..., DelayProxy],
) -> None:
    sent = random.Random("wire").randbytes(64 << 20)
    with socket.create_server(("127.0.0.1", 0)) as server:
        proxy = make_proxy(server.getsockname(), 0.01, 0.01)
        with socket.create_connection((proxy.host, proxy.port)) as client:
            there, _ = server.accept()
            sender = threading.Thread(target=client.sendall, args=(sent,))
            sender.start()
            eventually(lambda: proxy.octets_up > WINDOW)
            time.sleep(0.3)  # nobody reads on the other side
            assert proxy.octets_up < len(sent) - (4 << 20)
            with there, there.makefile("rb") as reader:
                assert reader.read(len(sent)) == sent
            sender.join()


# nothing stays behind


def test_servers_and_scratch_are_gone_after_the_test_run_is_killed(pair: Pair) -> None:
    script = (
        "from tests.lab.dovecot import Dovecot; import time, sys\n"
        "d = Dovecot('orphan', users=['a@company.test']).start()\n"
        "print(d.directory, d._process.pid, flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", script], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        directory, server = run.stdout.readline().split()
        os.kill(int(server), 0)
        run.send_signal(signal.SIGKILL)

    def gone() -> bool:
        with suppress(ProcessLookupError):
            os.kill(int(server), 0)
            return False
        return not Path(directory).exists()

    eventually(gone)
