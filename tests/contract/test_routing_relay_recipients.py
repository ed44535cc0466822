"""A gateway that takes mail only for the addresses of a list: they are on it before their route changes, and stay."""

from __future__ import annotations

import os
import signal
import smtplib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from migrator.model.names import Ingress
from migrator.routing import RouteConflict
from migrator.routing.errors import MapOutOfStep
from migrator.routing.postfix import remote_messages
from migrator.routing.postfix.relay_recipients import PostfixRelayMap, RelayRecipients
from migrator.routing.reader import Reader
from tests.contract.routing_places import FREEZE, NEW, OLD, A, B, C, D, Place, die_at, ended, in_a_process, place
from tests.lab import require
from tests.lab.requirements import find_program

LIST = f"# who is known\n{A} known\nnobody@company.test no\n"
STEPS: dict[object, tuple[str, ...]] = {subprocess: ("run",), os: ("replace", "fsync", "unlink")}


class Gateway(Place):
    """A transport map and the list beside it."""

    def __init__(self, directory: Path, type: str, text: str) -> None:
        super().__init__(directory, type, text)
        self.list = directory / "recipients"
        self.write_list(LIST)

    def write_list(self, text: str, index: bool = True) -> None:
        self.list.write_text(text)
        if index:
            subprocess.run([find_program("postmap") or "postmap", f"hash:{self.list}"], check=True)

    def relay(self, reload: str | None = "") -> PostfixRelayMap:
        reader = Reader(f"sh -c 'echo told >> {self.reloads_log}'" if reload == "" else reload)
        recipients = RelayRecipients(Ingress("gateway"), self.list, "hash", reader=reader)
        return PostfixRelayMap(
            Ingress("gateway"), self.text, self.type, reader=reader, freeze=FREEZE, recipients=recipients
        )

    def known(self) -> set[str]:
        """The wave's addresses that Postfix finds in the list."""
        command = [find_program("postmap") or "postmap", "-q", "-", f"hash:{self.list}"]
        keys = "".join(f"{address}\n" for address in (A, B, C, D))
        said = subprocess.run(command, input=keys, capture_output=True, text=True).stdout
        return {line.partition("\t")[0] for line in said.splitlines()}


@pytest.fixture
def here() -> Iterator[Gateway]:
    require("postfix")
    with place("hash", made=Gateway) as made:
        assert isinstance(made, Gateway)
        yield made


def test_addresses_that_lack_are_added_and_a_revert_leaves_them(here):
    flips = here.relay().plan({A: NEW, C: NEW, D: NEW})
    here.relay().apply(flips)
    assert (here.known(), here.answer(C), here.told()) == ({A, C, D}, NEW, 1)
    assert here.list.read_text() == f"{LIST}{C}\tOK\n{D}\tOK\n"
    here.relay().revert(flips)
    assert (here.known(), here.answer(C)) == ({A, C, D}, OLD)


def test_an_entry_for_the_whole_domain_is_enough(here):
    here.write_list(f"{LIST}@company.test yes\n")
    before = here.list.read_bytes()
    here.relay().apply(here.relay().plan({C: NEW}))
    assert here.list.read_bytes() == before


def test_the_dry_run_shows_both_changes(here):
    shown = here.relay().diff(here.relay().plan({A: NEW, C: NEW}))
    changed = [line for line in shown.splitlines() if line[:1] in "-+"]
    assert changed[:3] == [f"--- {here.list}", f"+++ {here.list} (planned)", f"+{C}\tOK"]
    assert changed[3] == f"--- {here.text}"
    assert here.known() == {A}


def test_a_conflict_in_either_map_writes_neither(here):
    flips = here.relay().plan({C: NEW, D: NEW})
    here.set_by_hand(D, OLD)
    before = here.state(), here.list.read_bytes()
    with pytest.raises(RouteConflict):
        here.relay().apply(flips)
    assert (here.state(), here.list.read_bytes()) == before
    here.set_by_hand(D, None)
    here.write_list(LIST.replace("known\n", "changed and not indexed\n"), index=False)
    before = here.state(), here.list.read_bytes()
    with pytest.raises(MapOutOfStep, match="recipients and its index disagree"):
        here.relay().apply(flips)
    assert (here.state(), here.list.read_bytes()) == before


def test_a_conflict_that_comes_after_the_list_was_written_tells_of_it(here, monkeypatch):
    backend = here.relay()
    flips, apply = backend.plan({C: NEW, D: NEW}), RelayRecipients.apply

    def meanwhile(recipients, additions):
        made = apply(recipients, additions)
        here.set_by_hand(D, OLD)
        return made

    monkeypatch.setattr(RelayRecipients, "apply", meanwhile)
    with pytest.raises(RouteConflict) as refused:
        backend.apply(flips)
    assert f"nothing was written here, but 2 addresses were added to {here.list}" in str(refused.value)
    assert (here.known(), here.answer(C)) == ({A, C, D}, OLD)
    over_the_wire = remote_messages.error_of(remote_messages.error_form(refused.value), Ingress("gateway"), "ssh gw")
    assert "2 addresses were added" in str(over_the_wire)
    with pytest.raises(RouteConflict, match="nothing was written:"):
        backend.apply(flips)  # the list has them by now


def test_killed_at_any_step_an_address_has_its_new_route_only_when_it_is_taken_and_the_next_apply_completes_it(here):
    point, died = 0, True
    while died:
        here.write_list(LIST)
        flips = here.relay().plan({C: NEW, D: NEW})

        def work(flips=flips, point=point) -> None:
            die_at(point, STEPS)
            here.relay().apply(flips)

        died = ended(in_a_process(work)) == -signal.SIGKILL
        if here.answer(D) == NEW:
            assert here.known() >= {C, D}, point
        here.relay().apply(flips)
        assert (here.known(), here.answers([C, D])) == ({A, C, D}, {C: NEW, D: NEW})
        assert f"{D}\tOK" in here.list.read_text()
        here.relay().revert(flips)
        point += 1
    assert point > 20


def test_a_running_gateway_takes_mail_of_the_wave_from_the_flip_on_and_the_check_asks_for_the_list(here, make_postfix):
    settings = {
        "transport_maps": f"hash:{here.text}", "relay_recipient_maps": f"hash:{here.list}",
        "smtpd_reject_unlisted_recipient": "yes",
    }  # fmt: skip
    gateway = make_postfix("gateway", settings=settings)

    def answer() -> int:
        with smtplib.SMTP(gateway.host, gateway.port) as client:
            client.helo("test")
            client.mail("x@elsewhere.test")
            return client.rcpt(D)[0]

    assert answer() == 550
    backend = here.relay(reload=gateway.reload_command)
    assert "does not look into" not in str(backend.check())
    backend.apply(backend.plan({D: NEW}))
    assert answer() == 250
    other = make_postfix("other", settings={"transport_maps": f"hash:{here.text}"})
    assert f"hash:{here.list}: relay_recipient_maps is" in str(here.relay(reload=other.reload_command).check())
