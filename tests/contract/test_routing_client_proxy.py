"""What the files of client proxies refuse, keep and report, beyond the contract of every backend."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from migrator.model.names import Address, Ingress, Nexthop
from migrator.model.route import Flip, Flips
from migrator.routing.clients.dovecot import DovecotProxy
from migrator.routing.clients.nginx import NginxAuth
from migrator.routing.errors import MapInvalid, MapUnwritable, ProxyRefuses, ReloadFailed, ValueUnwritable
from migrator.routing.map_files import SETTLED
from tests.contract.places_client_proxy import A, B, C, D, DovecotPlace, NginxPlace, dovecot_place, nginx_place
from tests.lab import require

OLD, NEW = Nexthop("host=127.0.0.1 proxy=y"), Nexthop("host=127.0.0.2 proxy=y")
LONG = Address(f"{'long' * 15}@company.test")


@pytest.fixture
def dovecot() -> Iterator[DovecotPlace]:
    require("dovecot")
    with dovecot_place() as made:
        yield made


@pytest.fixture
def nginx() -> Iterator[NginxPlace]:
    require("nginx")
    with nginx_place() as made:
        yield made


# the passwd-file, without a Dovecot: what it says needs none


@pytest.fixture
def users(tmp_path: Path) -> Path:
    return tmp_path / "users"


def proxy(file: Path, kick: str | None = None, user=str) -> DovecotProxy:
    return DovecotProxy(Ingress("imap-proxy"), file, {"host", "proxy"}, user=user, kick=kick)


def flip(address: Address, expected: Nexthop | None = OLD, wanted: Nexthop | None = NEW) -> Flips:
    return Flips((Flip(address, expected, wanted),))


def test_passwords_and_all_else_stay_byte_for_byte(users: Path) -> None:
    before = (
        b"# users of \xe6\x97\xa5\xe6\x9c\xac \xff\r\n"
        b"a@company.test:{CRYPT}$6$x/y$z:1:2:g\xff:/h:/s:nopassword  proxy=y userdb_x=1:2 host=127.0.0.1  port=1 \r\n"
        b":no user\n\n"
        b"b@company.test:{PLAIN}p:::::: host=127.0.0.1\n"
        b"c@company.test:{PLAIN}p\n"
        b"d@company.test:{PLAIN}p:::::::\xffmail"
    )
    users.write_bytes(before)
    routing = proxy(users)
    flips = routing.plan({A: NEW, B: Nexthop("proxy=y"), C: NEW})
    assert [change.expected for change in flips.changes] == [OLD, "host=127.0.0.1", None]
    routing.apply(flips)
    assert users.read_bytes() == before.replace(
        b"host=127.0.0.1  port", b"host=127.0.0.2  port"
    ).replace(b"p:::::: host=127.0.0.1\n", b"p:::::: proxy=y\n").replace(
        b"c@company.test:{PLAIN}p\n", b"c@company.test:{PLAIN}p::::::host=127.0.0.2 proxy=y\n"
    )  # fmt: skip
    routing.revert(flips)
    assert users.read_bytes() == before.replace(b"c@company.test:{PLAIN}p\n", b"c@company.test:{PLAIN}p::::::\n")


def test_no_password_is_shown(users: Path) -> None:
    users.write_text("a@company.test:{PLAIN}hush:::::::x\nb@company.test:{PLAIN}hush::::::pass=hush host=1 host=2\n")
    routing = proxy(users)
    said = " ".join(f"{finding.text} {finding.remedy}" for finding in routing.check())
    for address in (A, B):
        with pytest.raises(MapInvalid) as refused:
            routing.plan({address: NEW})
        said += str(refused.value) + refused.value.remedy
    users.write_text(f"a@company.test:{{PLAIN}}hush::::::pass=hush {OLD}\n")
    said += routing.diff(flip(A))
    assert "line 2: it says host more than once" in said
    assert f"+a@company.test: {NEW}" in said
    assert "hush" not in said


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a@company.test:x\nb:x\na@company.test:y::::::host=1\n", "a@company.test: lines 1, 3"),
        ("b:x\na@company.test:x::::::host=1 y host=1\n", "a@company.test: line 2: it says host more than once"),
        ("a@company.test:x:::::::/mail\n", "a@company.test: line 1: its eighth column is empty"),
        ("b:x\nA@company.test:x\n", "1 users have no line"),
        ("", "1 users have no line"),
    ],
)
def test_a_line_that_cannot_be_told_or_changed_is_refused_with_its_number(users: Path, text: str, told: str) -> None:
    users.write_text(text)
    found = proxy(users).read([A])[A]
    for attempt in (lambda: proxy(users).plan({A: NEW}), lambda: proxy(users).apply(flip(A, found))):
        with pytest.raises(MapInvalid, match=told):
            attempt()
    assert users.read_text() == text


def test_what_is_wrong_with_other_lines_is_a_warning_and_stops_nothing(users: Path) -> None:
    users.write_text(f"b:x::::::proxy proxy=y\nb2:x\nb2:y\na@company.test:x::::::{OLD}\n")
    routing = proxy(users)
    found = [(finding.severity, finding.text) for finding in routing.check()]
    assert [severity for severity, _ in found] == ["warning", "warning"]
    assert "b2: lines 2, 3" in found[0][1]
    assert "b: line 1: it says proxy more than once" in found[1][1]
    routing.apply(routing.plan({A: NEW}))
    assert routing.read([A]) == {A: NEW}


@pytest.mark.parametrize(
    "route", ["host=1 host=2", "proxy=y host=1", "host=1  proxy=y", "port=1", "host=1\n", "", " host=1"]
)
def test_a_value_that_is_no_route_of_this_file_is_refused(users: Path, route: str) -> None:
    users.write_text("a@company.test:x\n")
    with pytest.raises(ValueUnwritable):
        proxy(users).plan({A: Nexthop(route)})


def test_two_addresses_of_one_user_are_refused(users: Path) -> None:
    users.write_text("a:x\n")
    routing = proxy(users, user=lambda address: address.partition("@")[0])
    assert routing.plan({A: NEW}).changes == (Flip(A, None, NEW),)
    with pytest.raises(ValueUnwritable, match=r"a@company.test and a@other.test both log in as a"):
        routing.plan({A: NEW, Address("a@other.test"): NEW})


def test_the_sessions_of_those_who_moved_are_ended_and_of_nobody_else(users: Path, tmp_path: Path) -> None:
    users.write_text(f"a@company.test:x::::::{OLD}\nb@company.test:x::::::{NEW}\nc@company.test:x::::::{OLD}\n")
    kick = f"sh -c 'echo \"$@\" >> {tmp_path}/kicked' kick"
    routing = proxy(users, kick=kick)
    flips = Flips((Flip(A, OLD, NEW), Flip(B, OLD, NEW)))
    assert routing.apply(flips).notes == routing.apply(flips).notes == ()
    assert (tmp_path / "kicked").read_text() == f"{A}\n"


def test_sessions_that_could_not_be_ended_are_told_and_ended_by_the_next_run(users: Path, tmp_path: Path) -> None:
    everyone = [Address(f"u{number}@company.test") for number in range(450)]
    users.write_text("".join(f"{each}:x::::::{OLD}\n" for each in everyone))
    (tmp_path / "kick").write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/kicked; test ! -e {tmp_path}/closed\n')
    (tmp_path / "kick").chmod(0o755)
    (tmp_path / "closed").touch()
    routing = proxy(users, kick=str(tmp_path / "kick"))
    (note,) = routing.apply(routing.plan(dict.fromkeys(everyone, NEW))).notes
    assert note.startswith("450 users keep the sessions that they have")
    assert set(routing.read(everyone).values()) == {NEW}
    (tmp_path / "kicked").unlink()
    (tmp_path / "closed").unlink()
    assert routing.apply(Flips()).notes == ()
    calls = [line.split() for line in (tmp_path / "kicked").read_text().splitlines()]
    assert [len(call) for call in calls] == [200, 200, 50]
    assert sorted(user for call in calls for user in call) == sorted(everyone)


def test_a_name_that_the_kick_would_take_for_many_or_for_an_option_is_told_instead(users: Path, tmp_path: Path) -> None:
    odd = [Address(name) for name in ("*@company.test", "-h@company.test", "a@company.test")]
    users.write_text("".join(f"{each}:x\n" for each in odd))
    routing = proxy(users, kick=f"sh -c 'echo \"$@\" >> {tmp_path}/kicked' kick")
    (note,) = routing.apply(routing.plan(dict.fromkeys(odd, NEW))).notes
    assert "*@company.test" in note
    assert "-h@company.test" in note
    assert (tmp_path / "kicked").read_text() == f"{A}\n"


def test_a_file_that_is_a_link_or_not_there_is_an_error(users: Path, tmp_path: Path) -> None:
    assert any("No such file" in finding.text for finding in proxy(users).check())
    (tmp_path / "real").write_text("a@company.test:x\n")
    users.symlink_to(tmp_path / "real")
    with pytest.raises(MapUnwritable, match="symbolic link"):
        proxy(users).apply(flip(A, None))
    assert any("symbolic link" in finding.text for finding in proxy(users).check())


def test_a_command_that_is_not_installed_is_a_finding(users: Path) -> None:
    users.write_text("")
    (finding,) = proxy(users, kick="doveadmn proxy kick").check()
    assert "`doveadmn proxy kick` cannot be run" in finding.text


# Dovecot


def test_dovecot_sees_each_of_two_flips_of_the_same_length_in_one_second(dovecot: DovecotPlace) -> None:
    routing = dovecot.backend()
    for route in (dovecot.new, dovecot.stale, dovecot.elsewhere, dovecot.old):
        routing.apply(routing.plan({A: route}))
        assert dovecot.answer(A) == route


def test_dovecot_sees_a_flip_some_seconds_after_a_hand_edit_of_the_same_length(
    dovecot: DovecotPlace,
) -> None:
    time.sleep(1.0 - time.time() % 1.0)
    edited = int(time.time() - SETTLED)  # the time that other texts are given
    os.utime(dovecot.file, (edited, edited))
    assert dovecot.answer(A) == dovecot.old
    dovecot.backend().apply(Flips((Flip(A, dovecot.old, dovecot.new),)))
    assert dovecot.answer(A) == dovecot.new


def test_a_file_that_no_passdb_names_is_a_finding(dovecot: DovecotPlace, users: Path) -> None:
    users.write_text("")
    (finding,) = proxy(users, kick=dovecot.kick).check()
    assert (finding.severity, finding.text) == ("warning", f"no passdb of this Dovecot names {users}")
    assert dovecot.backend().check() == []


# nginx


def test_what_nginx_would_refuse_is_taken_back_and_nginx_goes_on(nginx: NginxPlace) -> None:
    routing, before = nginx.backend(), nginx.state()
    with pytest.raises(ProxyRefuses, match="map_hash_bucket_size"):
        routing.apply(routing.plan({LONG: nginx.new, A: nginx.new}))
    assert (nginx.state(), nginx.answer(A)) == (before, nginx.old)
    assert subprocess.run(nginx.server.test_command.split(), capture_output=True).returncode == 0
    routing.apply(routing.plan({A: nginx.new}))
    assert nginx.answer(A) == nginx.new


def test_an_nginx_whose_configuration_is_broken_already_is_a_finding_and_is_not_told(nginx: NginxPlace) -> None:
    nginx.server.config.write_text(nginx.server.config.read_text() + "broken\n")
    routing, before = nginx.backend(), nginx.state()
    assert any("broken" in finding.text or "unexpected end" in finding.text for finding in routing.check())
    with pytest.raises(ProxyRefuses):
        routing.apply(routing.plan({A: nginx.new}))
    assert (nginx.state(), nginx.answer(A)) == (before, nginx.old)


def test_a_test_that_fails_is_a_finding(tmp_path: Path) -> None:
    (tmp_path / "map").write_text("")
    (finding,) = NginxAuth(Ingress("nginx"), tmp_path / "map", user=str, reload=None, test="false").check()
    assert (finding.severity, finding.text) == ("error", "`false` ended with status 1")


def test_a_file_that_this_nginx_does_not_read_is_a_finding(nginx: NginxPlace, tmp_path: Path) -> None:
    (tmp_path / "other").write_text("")
    other = NginxAuth(
        Ingress("nginx"), tmp_path / "other", user=str, reload=nginx.reload, test=nginx.server.test_command
    )
    (finding,) = other.check()
    assert (finding.severity, "does not read" in finding.text) == ("error", True)
    assert nginx.backend().check() == []


def test_a_reload_that_fails_says_so_and_the_next_apply_reloads(nginx: NginxPlace) -> None:
    routing = nginx.backend()
    flips, nginx.reload = routing.plan({A: nginx.new}), "false"
    with pytest.raises(ReloadFailed, match="its reader was not told"):
        nginx.backend().apply(flips)
    assert nginx.answer(A) == nginx.old
    routing.apply(routing.plan({A: nginx.new}))
    assert nginx.answer(A) == nginx.new


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("x@x 1.2.3.4:143; y@x 1.2.3.4:143;", "no entry of the form"),
        ("x@x", "no entry of the form"),
        ("x@x 1.2.3.4:143", "no entry of the form"),
        ("x@x { 1.2.3.4:143;", "no entry of the form"),
        ('"x@x 1.2.3.4:143;', "no entry of the form"),
        ("hostnames;", "no entry of the form"),
        ("include more;", "includes another file"),
    ],
)
def test_a_line_that_is_not_understood_is_told_with_its_place_and_nothing_is_written(
    tmp_path: Path, line: str, reason: str
) -> None:
    file = tmp_path / "backends.map"
    file.write_text(f"a@company.test {OLD};\n{line}\n")
    routing = NginxAuth(Ingress("nginx"), file, user=str, reload=None, test=None)
    for attempt in (lambda: routing.read([A]), lambda: routing.plan({A: NEW}), lambda: routing.apply(flip(A))):
        with pytest.raises(MapInvalid, match=rf"line 2: .*{reason}"):
            attempt()
    (finding,) = routing.check()
    assert (finding.severity, "line 2:" in finding.text) == ("error", True)
    assert file.read_text() == f"a@company.test {OLD};\n{line}\n"


def test_odd_names_are_written_as_nginx_reads_them(nginx: NginxPlace) -> None:
    odd = [Address(f"{name}@company.test") for name in ("o'brien", "{x}", "#x", "$x", "x=y", "'x'", "x;y", "*", ".x")]
    routing = nginx.backend()
    routing.apply(routing.plan(dict.fromkeys(odd, nginx.new)))
    assert [nginx.answer(address) for address in odd] == [nginx.new] * len(odd)
    assert routing.plan(dict.fromkeys(odd, nginx.new)) == Flips()
    for name in ("~x@company.test", "a%b@company.test", "default"):
        with pytest.raises(ValueUnwritable):
            routing.plan({Address(name): nginx.new})


def test_lines_around_the_entries_stay_as_they_are(nginx: NginxPlace) -> None:
    before = (
        "# people\r\n\n  A@company.test\t127.0.0.1:143 ; # the boss\r\n"
        "~^.*@list\\.test$ 127.0.0.9:143;\ndefault 127.0.0.8:143;\n\"b@company.test\" '127.0.0.1:143';"
    )
    nginx.write(before)
    routing = nginx.backend()
    flips = routing.plan({A: nginx.new, D: nginx.new})
    routing.apply(flips)
    assert nginx.file.read_bytes().decode() == (
        before.replace("127.0.0.1:143 ;", "127.0.0.2:143 ;") + "\nd@company.test 127.0.0.2:143;\n"
    )
    assert [nginx.answer(each) for each in (A, B, C, D)] == [nginx.new, nginx.old, "127.0.0.8:143", nginx.new]
    assert nginx.answer(Address("x@list.test")) == "127.0.0.9:143"
    routing.revert(flips)
    assert nginx.file.read_bytes().decode() == before + "\n"


def test_doubled_entries_are_refused_whatever_their_case(tmp_path: Path) -> None:
    file = tmp_path / "backends.map"
    file.write_text("A@company.test 1:1;\n# x\na@Company.test 1:2;\n")
    routing = NginxAuth(Ingress("nginx"), file, user=str, reload=None, test=None)
    with pytest.raises(MapInvalid, match=r"a@company\.test: lines 1, 3"):
        routing.plan({A: Nexthop("1:3")})
