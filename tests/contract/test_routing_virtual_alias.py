"""What an alias map refuses and reports, and what is queued by an old alias, beyond the contract of every backend."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator

import pytest

from migrator.model.names import Ingress, Nexthop
from migrator.routing import Reader
from migrator.routing.errors import ValueUnwritable
from migrator.routing.postfix.virtual_alias import VirtualAlias
from tests.contract.places_alias import NEW, OLD, STALE, AliasPlace, alias_place, known
from tests.contract.routing_places import A, C, D, die_at, ended, in_a_process
from tests.lab import require
from tests.lab.postfix import Postfix
from tests.lab.requirements import find_program

STEPS: dict[object, tuple[str, ...]] = {subprocess: ("run",), os: ("replace", "fsync", "unlink")}


@pytest.fixture
def here() -> Iterator[AliasPlace]:
    with alias_place() as made:
        yield made


@pytest.mark.parametrize("value", ["lmtp:inet:[new.test]:24", "two@company.test, more@company.test", "nobody"])
def test_a_value_that_is_no_address_is_refused_before_it_is_written(here, value):
    with pytest.raises(ValueUnwritable, match="it is not one mail address"):
        here.backend().plan({A: Nexthop(value)})


def test_it_cannot_freeze_and_the_check_says_what_else_it_cannot(here):
    backend = here.backend()
    assert backend.freeze_value is None
    (weakness,) = backend.check()
    assert (weakness.severity, "still goes to the server of the old one" in weakness.text) == ("warning", True)


def test_the_check_asks_virtual_alias_maps_for_the_file(here, make_postfix):
    named = make_postfix("named", settings={"virtual_alias_maps": f"hash:{here.text}"})
    assert "does not look into" not in str(here.alias(reload=named.reload_command).check())
    other = make_postfix("other", settings={"transport_maps": f"hash:{here.text}"})
    (finding, _) = here.alias(reload=other.reload_command).check()
    assert f"does not look into hash:{here.text}: virtual_alias_maps is ``" in finding.text


def queued(*recipients: tuple[str, str]) -> str:
    return "".join(
        json.dumps({"queue_name": name, "queue_id": f"{number}", "recipients": [{"address": recipient}]}) + "\n"
        for number, (name, recipient) in enumerate(recipients)
    )


@pytest.mark.parametrize(("present", "active", "deferred"), [(None, 2, 1), (OLD, 2, 1), (NEW, 3, 0)])
def test_what_is_queued_by_another_alias_than_the_present_one_is_bound_to_arrive_there(here, present, active, deferred):
    here.set_by_hand(A, present)
    listing = here.directory / "listing"
    listing.write_text(queued(("deferred", A), ("deferred", OLD), ("active", NEW), ("active", STALE)))
    queue = here.alias(queue_list=f"cat {listing}").queue([A])
    assert queue is not None
    assert (queue.active, queue.deferred, set(queue.queue_ids)) == (active, deferred, {"0", "1", "2"})


def test_killed_at_any_step_the_next_apply_completes_it(here):
    point, died = 0, True
    while died:
        flips = here.backend().plan({A: NEW, C: None, D: NEW})

        def work(flips=flips, point=point) -> None:
            die_at(point, STEPS)
            here.backend().apply(flips)

        died = ended(in_a_process(work)) == -signal.SIGKILL
        assert here.answers([A, C, D]) in ({A: OLD, C: OLD, D: None}, {A: NEW, C: None, D: NEW})
        here.backend().apply(flips)
        assert here.answers([A, C, D]) == {A: NEW, C: None, D: NEW}
        here.backend().revert(flips)
        point += 1
    assert point > 10


def test_a_running_postfix_rewrites_what_comes_in_and_not_what_waits():
    require("postfix")
    with (
        alias_place() as here,
        Postfix("gateway", settings={"virtual_alias_maps": f"hash:{here.text}"}) as gateway,
    ):
        reader = Reader(gateway.reload_command, gateway.queue_list_command, gateway.queue_flush_command)
        backend = VirtualAlias(Ingress("gateway"), here.text, "hash", reader=reader, known=known)
        gateway.write_map(dict.fromkeys(("old.company.test", "new.company.test"), "retry:4.7.1 away"))
        gateway.reload()

        def send() -> None:
            sendmail = [find_program("sendmail") or "sendmail", "-C", str(gateway.config), "-f", "<>", A]
            subprocess.run(sendmail, input="Subject: x\n\nx\n", text=True, check=True)

        def waiting(*recipients: str) -> bool:
            for _ in range(200):
                if sorted(gateway.queued_addresses()) == sorted(recipients):
                    return True
                time.sleep(0.05)
            return False

        send()
        assert waiting(OLD)
        backend.apply(backend.plan({A: NEW}))
        send()
        assert waiting(OLD, NEW)
        backend.flush([A])
        queue = backend.queue([A])
        assert queue is not None and queue.active >= 1 and len(queue.queue_ids) == 2
