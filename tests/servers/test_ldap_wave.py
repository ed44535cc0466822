"""A gateway that looks into a directory: the next mail after a flip, a freeze, and a whole wave, with slapd away."""

from __future__ import annotations

import os
import smtplib
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from migrator.routing import Reader
from tests.contract.places_ldap import ldap_place
from tests.contract.routing_places import FREEZE, A
from tests.lab import require
from tests.lab.checker import judge_traffic, summary
from tests.lab.directory_gateway import MAP
from tests.lab.postfix import Postfix
from tests.lab.scene import Scene, Side
from tests.lab.slapd import PEOPLE, SERVICE, SERVICE_PASSWORD, Slapd
from tests.servers.test_postfix_routes import Sink, arrives

AWAY = 10.0  # seconds


class Company:
    """A scene whose gateway finds its routes in a directory, over StartTLS from the program's side."""

    def __init__(self, scene: Scene, slapd: Slapd) -> None:
        self.scene, self.slapd = scene, slapd
        mapped = scene.directory / "routes.cf"
        mapped.write_text(MAP.format(url=slapd.url, base=PEOPLE, attribute="mailTransport"))
        os.utime(mapped, (1e9, 1e9))
        self.look_into(scene.gateway, mapped)
        secret = scene.workspace / "secrets" / "directory"
        secret.touch(0o600)
        secret.write_text(f"{SERVICE_PASSWORD}\n")
        gateway, old_mta = scene._default_config()["routing"]
        directory = {
            "kind": "ldap", "url": slapd.url, "starttls": True, "ca_file": str(slapd.authority.ca_file),
            "bind_dn": SERVICE, "secret": f"file:{secret}", "base": PEOPLE, "attribute": "mailTransport",
            "freeze": FREEZE, **{key: gateway[key] for key in ("name", "reload", "queue", "nexthop", "smtp")},
        }  # fmt: skip
        scene.write_config({"routing": [directory, old_mta]})

    @staticmethod
    def look_into(gateway: Postfix, mapped: Path) -> None:
        """Let the gateway ask the directory instead of its map file."""
        with (gateway.config / "main.cf").open("a") as main:
            main.write(f"transport_maps = ldap:{mapped}\n")
        os.utime(gateway.config / "main.cf", (1e9, 1e9))
        gateway.restart()

    def routes(self) -> set[str]:
        return {value for address in self.scene.addresses for value in self.slapd.values(address, "mailTransport")}

    def until(self, true: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + 120
        while not true():
            assert time.monotonic() < deadline, what
            time.sleep(0.05)


@pytest.fixture
def make_company(make_scene: Callable[..., Scene], stack: ExitStack) -> Callable[..., Company]:
    require("slapd", "postfix-ldap", "openssl")

    def make(people: int, **options: Any) -> Company:
        scene = make_scene({"sales": people}, **options)
        nexthop = scene.old.nexthop
        entries = {address: {"mailTransport": [nexthop]} for address in scene.addresses}
        slapd = stack.enter_context(Slapd(entries, tls=True))
        scene.write_wave("sales")
        return Company(scene, slapd)

    return make


def run(company: Company, command: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        company.scene.command("wave", command, "sales", "--yes"), cwd=company.scene.workspace,
        env=company.scene.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip


def test_a_wave_goes_and_comes_back_by_a_directory_that_is_away_for_a_while(make_company) -> None:
    company = make_company(4)
    scene = company.scene
    scene.fill(per_folder=2)
    ways: tuple[tuple[str, Side], ...] = (("run", "new"), ("rollback", "old"))
    for command, side in ways:
        traffic = scene.traffic(rate=5).start()
        process = run(company, command)
        company.until(lambda: company.routes() == {FREEZE}, "the wave was never held back")
        company.slapd.stop()
        time.sleep(AWAY)
        company.slapd.start()
        _, said = process.communicate(timeout=240)
        sent = traffic.stop()
        assert process.returncode == 0, said
        assert company.routes() == {scene.servers[side].nexthop}
        scene.wait_until_delivered()
        old, new = scene.snapshots("old"), scene.snapshots("new")
        verdicts = scene.compare(old, new) if side == "new" else scene.compare(new, old)
        assert all(v.clean for v in verdicts.values()), summary(verdicts) + said
        judged = judge_traffic(sent, old, new, dict.fromkeys(scene.addresses, side))
        assert judged.clean, f"{judged}\n{said}"
        assert len(sent) > 10


def test_a_check_names_the_place_of_an_address_that_has_no_entry(make_company) -> None:
    company = make_company(2)
    with company.slapd.admin() as connection:
        connection.delete(f"uid={company.scene.addresses[1].partition('@')[0]},{PEOPLE}")
    checked = company.scene.migrator("wave", "check", "sales")
    assert checked.returncode != 0
    assert f"{company.scene.addresses[1]} has no entry" in checked.stdout + checked.stderr
    shown = company.scene.migrator("route", "show")
    assert (shown.returncode, f"{company.scene.addresses[1]} has no entry" in shown.stderr) == (5, True)


def test_the_next_mail_to_a_recipient_whose_route_postfix_has_just_looked_up_goes_to_the_new_server() -> None:
    with ldap_place() as here, ExitStack() as stack:
        gateway = stack.enter_context(Postfix("gw-ldap"))
        Company.look_into(gateway, here.mapped)
        old, new = Sink(), Sink()
        stack.callback(old.stop)
        stack.callback(new.stop)
        here.set_by_hand(A, old.nexthop)
        backend = here.routing(reader=Reader(gateway.reload_command))

        def send(subject: str) -> None:
            with smtplib.SMTP(gateway.host, gateway.port, timeout=30) as connection:
                connection.sendmail("s@outside.test", [A], f"Subject: {subject}\r\n\r\nhello\r\n")

        for number in range(3):
            send(f"before {number}")
        arrives(old, (A, "before 2"))
        backend.apply(backend.plan({A: new.nexthop}))
        send("after")
        arrives(new, (A, "after"))
        assert len(old.arrived) == 3
