"""Flips of Postfix maps against a running Postfix: where the next mail goes, what waits, what is never lost."""

import os
import re
import smtplib
import time
from contextlib import ExitStack

import pytest
from aiosmtpd.controller import Controller

from migrator.model.names import Address, Ingress, Nexthop
from migrator.model.route import Queue
from migrator.routing import Reader, command
from migrator.routing.errors import CommandHangs, ReloadFailed
from migrator.routing.postfix.map import PostfixMap
from tests.contract.routing_places import FREEZE, MAP_TYPES
from tests.lab import require
from tests.lab.postfix import Postfix
from tests.lab.processes import free_port

A, B, C = (Address(f"{name}@company.test") for name in "abc")
PATIENCE = 20.0


class Sink:
    """A mail server that accepts all and remembers (recipient, subject); each mail takes it `delay` seconds."""

    def __init__(self) -> None:
        self.arrived: list[tuple[str, str]] = []
        self.delay = 0.0
        self._controller = Controller(self, hostname="127.0.0.1", port=free_port("127.0.0.1"))
        self._controller.start()

    async def handle_DATA(self, server, session, envelope):
        import asyncio

        await asyncio.sleep(self.delay)
        subject = envelope.content.split(b"Subject: ")[1].split(b"\r\n")[0].decode()
        self.arrived += [(recipient, subject) for recipient in envelope.rcpt_tos]
        return "250 taken"

    @property
    def nexthop(self) -> Nexthop:
        return Nexthop(f"smtp:[127.0.0.1]:{self._controller.port}")

    def stop(self) -> None:
        self._controller.stop()


class Stage:
    """A gateway whose map sends a, b and c to the old server, two servers, and the backend under test."""

    def __init__(self, map_type: str) -> None:
        self.old, self.new = Sink(), Sink()
        self.gateway = Postfix(f"gw-{map_type}", map_type=map_type)
        self.gateway.write_map(dict.fromkeys((A, B, C), self.old.nexthop))
        self.gateway.start()
        gateway = self.gateway
        reader = Reader(gateway.reload_command, gateway.queue_list_command, gateway.queue_flush_command)
        self.routing = PostfixMap(Ingress("gateway"), gateway.map_path, map_type, reader=reader, freeze=FREEZE)

    def flip(self, wanted):
        flips = self.routing.plan(wanted)
        self.routing.apply(flips)
        return flips

    def send(self, recipient: str, subject: str) -> None:
        with smtplib.SMTP(self.gateway.host, self.gateway.port, timeout=30) as connection:
            connection.sendmail("s@outside.test", [recipient], f"Subject: {subject}\r\n\r\nhello\r\n")

    def remove(self) -> None:
        self.gateway.remove()
        for sink in (self.old, self.new):
            sink.stop()


def until(true, what):
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, what()
        time.sleep(0.02)


def arrives(sink: Sink, *expected: tuple[str, str]) -> None:
    until(lambda: set(expected) <= set(sink.arrived), lambda: f"expected {expected}, arrived {sink.arrived}")


@pytest.fixture
def stage(request):
    map_type = getattr(request, "param", "hash")
    require("postfix" if map_type in ("texthash", "hash") else f"postfix-{map_type}")
    made = Stage(map_type)
    yield made
    made.remove()


EVERY_TYPE = pytest.mark.parametrize("stage", MAP_TYPES, indirect=True)


@EVERY_TYPE
def test_the_next_mail_to_a_recipient_whose_route_is_cached_goes_to_the_new_server(stage):
    for number in range(3):
        stage.send(A, f"before {number}")
    arrives(stage.old, (A, "before 2"))
    flips = stage.flip({A: stage.new.nexthop})
    for number in range(3):
        stage.send(A, f"after {number}")
        stage.send(B, f"stays {number}")
    arrives(stage.new, *((A, f"after {number}") for number in range(3)))
    arrives(stage.old, *((B, f"stays {number}") for number in range(3)))
    stage.routing.revert(flips)
    stage.send(A, "back")
    arrives(stage.old, (A, "back"))
    assert len(stage.old.arrived) == 7
    assert len(stage.new.arrived) == 3


@EVERY_TYPE
def test_frozen_mail_waits_survives_a_flush_and_goes_to_the_new_server_after_the_flip(stage):
    stage.flip({A: stage.routing.freeze_value, B: stage.routing.freeze_value})
    for number in range(5):
        stage.send(A, f"held {number}")
    stage.send(C, "passes")
    arrives(stage.old, (C, "passes"))
    until(lambda: stage.routing.queue([A]).deferred == 5, lambda: stage.routing.queue([A]))
    stage.routing.flush([A])
    until(lambda: len(deferrals(stage)) >= 10, lambda: deferrals(stage))
    assert (len(stage.routing.queue([A, B]).queue_ids), stage.routing.queue([B, C]).queue_ids) == (5, ())
    stage.flip({A: stage.new.nexthop, B: stage.new.nexthop})
    stage.routing.flush([A])
    arrives(stage.new, *((A, f"held {number}") for number in range(5)))
    assert (len(stage.new.arrived), stage.old.arrived, stage.gateway.bounced()) == (5, [(C, "passes")], [])
    until(lambda: stage.routing.queue([A]).queue_ids == (), lambda: stage.routing.queue([A]))


def deferrals(stage):
    return [attempt for attempt in stage.gateway.attempts() if attempt.status == "deferred" and attempt.address == A]


def test_mail_that_is_being_delivered_by_the_old_route_is_counted_as_active(stage):
    stage.old.delay = 2.0
    stage.send(A, "slow")
    until(lambda: stage.routing.queue([A]).active == 1, lambda: stage.routing.queue([A]))
    assert stage.routing.queue([B]).active == 0
    arrives(stage.old, (A, "slow"))
    until(lambda: stage.routing.queue([A]).active == 0, lambda: stage.routing.queue([A]))


def test_mail_to_an_extension_follows_the_plain_address(stage):
    stage.gateway.stop()
    with (stage.gateway.config / "main.cf").open("a") as main:
        main.write("recipient_delimiter = +\n")
    os.utime(stage.gateway.config / "main.cf", (1e9, 1e9))
    stage.gateway.start()
    stage.flip({A: stage.new.nexthop})
    stage.send("a+list@company.test", "extended")
    arrives(stage.new, ("a+list@company.test", "extended"))


@EVERY_TYPE
def test_a_gateway_as_the_documentation_wants_it_has_no_findings(stage):
    assert stage.routing.check() == []


def test_a_reload_of_a_postfix_that_is_down_says_so_and_the_next_apply_makes_it_good(stage):
    flips = stage.routing.plan({A: stage.new.nexthop})
    stage.gateway.stop()
    with pytest.raises(ReloadFailed, match="was not told"):
        stage.routing.apply(flips)
    stage.gateway.start()
    stage.routing.apply(flips)
    stage.send(A, "after")
    arrives(stage.new, (A, "after"))
    assert stage.old.arrived == []


def test_a_postfix_that_could_not_start_the_lister_of_its_queue_is_asked_once_more(monkeypatch, tmp_path):
    require("postfix")
    with ExitStack() as stack:
        gateway = Postfix("gw-throttled", settings={"service_throttle_time": "3s"})
        stack.callback(gateway.remove)
        failing = gateway.directory / "showq"
        failing.write_text("#!/bin/sh\nexit 1\n")
        failing.chmod(0o755)
        master = gateway.config / "master.cf"
        text = master.read_text()
        master.write_text(re.sub(r"showq$", f"../../../..{failing}", text, flags=re.MULTILINE))
        gateway.start()
        reader = Reader(queue_list=gateway.queue_list_command)
        monkeypatch.setattr(command, "TIME_LIMIT", 3.0)
        with pytest.raises(CommandHangs, match=r"postqueue .* did not end within 3 s"):
            reader.queue([A])
        master.write_text(text)
        gateway.reload()
        assert reader.queue([A]) == Queue(0, 0, ())
