"""A wave goes there and back under traffic; `./dev torture cutover --cycles N` is the long form. And its referee."""

import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from typing import Any

import pytest

from tests.lab import require
from tests.lab.scene import Scene
from tests.lab.traffic import Traffic
from tests.torture.cycles import MAP_TYPES, Plan, cycles
from tests.torture.pauses import Arrivals, pause
from tests.torture.referee import Findings, Referee
from tests.torture.wide import BRANCH, EXCHANGES, SERVERS, WideScene

PEOPLE = 4


@pytest.mark.parametrize(("mode", "faults"), [("freeze", "none"), ("no-hold", "reload-fails")])
def test_mail_that_arrives_during_a_cutover_and_a_rollback_is_once_where_its_mailbox_is(mode: Any, faults: str) -> None:
    require("dovecot", "postfix", "postfix-lmdb")
    figures, sentences = cycles(Plan(cycles=1, mailboxes=PEOPLE, rate=10, mode=mode, faults=faults))
    assert sentences == []
    assert figures["cycles"] == 1
    assert figures["faults"] == (faults != "none")
    assert figures["mails"] > 20
    assert not any(figures[fault] for fault in Findings.FAULTS)


def test_the_referee_sees_what_is_lost_doubled_astray_split_bounced_and_left(make_scene: Callable[..., Scene]) -> None:
    scene = make_scene({"sales": PEOPLE}, map_types=MAP_TYPES)
    lost, doubled, astray, split = scene.addresses
    sent = send(scene, scene.addresses, ["gateway", "gateway-2", "old-mta"])
    referee = Referee(scene, sent, patience=5)
    referee.judge("old", "at first")
    assert referee.findings.sentences() == []

    with closing(scene.old.connect(lost)) as connection:
        connection.command(b"SELECT", b"INBOX")
        connection.command(b"UID STORE", b"1", b"+FLAGS (\\Deleted)")
        connection.command(b"UID EXPUNGE", b"1")
    with closing(scene.old.connect(doubled)) as connection:
        connection.command(b"SELECT", b"INBOX")
        connection.command(b"UID COPY", b"1", b"INBOX")
    with closing(scene.new.connect(lost)) as connection:
        connection.command(b"CREATE", b"migrator-staging")
    scene.old_mta.write_map({astray: scene.new.nexthop, split: "error:5.1.1 nobody there"})
    scene.old_mta.reload()
    time.sleep(1.1)  # mail of another second is other mail, also to a judge who looks for altered copies
    sent.sent += send(scene, [astray, split], ["old-mta"]).sent
    referee.judge("old", "later")
    referee.look_for_leavings("later")

    told = {name: " ".join(getattr(referee.findings, name)) for name in Findings.FAULTS}
    seen = {name: [address for address in scene.addresses if address in text] for name, text in told.items()}
    assert seen == {
        "lost": [lost, astray, split],  # what is only on the new server is no longer on the old one, either
        "doubled": [doubled], "astray": [astray], "altered": [], "bounced": [split], "split": [astray, split],
        "left": [lost], "stuck": [],
    }  # fmt: skip


def test_the_referee_sees_what_a_directory_and_each_name_server_say(stack: ExitStack) -> None:
    require("dovecot", "postfix", "postfix-lmdb", *SERVERS)
    scene = stack.enter_context(WideScene("sales", 2, map_types=MAP_TYPES))
    home, branch = scene.addresses
    assert branch.endswith(f"@{BRANCH}")
    referee = Referee(scene, send(scene, scene.addresses, list(scene.routers)), patience=5)
    referee.judge("old", "at first")
    assert referee.findings.sentences() == []

    scene.lagging.set()
    scene.set_exchanges(EXCHANGES["new"])
    scene.slapd.set(home, "mailTransport", [scene.new.nexthop])
    referee.judge("old", "later")
    of_home, of_branch = referee.findings.split
    assert home in of_home
    assert "'old-mta': 'old', 'directory': 'new'" in of_home
    assert branch in of_branch
    assert "'mx on the primary': 'new', 'mx on the secondary': 'old'" in of_branch

    scene.lagging.clear()
    scene.name_servers.wait()
    referee.judge("old", "at last")
    assert "'mx on the primary': 'new', 'mx on the secondary': 'new'" in referee.findings.split[-1]


def test_a_pause_is_the_longest_delay_of_a_mailbox(make_scene: Callable[..., Scene]) -> None:
    scene = make_scene({"sales": 2})
    prompt, held = scene.addresses
    scene.gateway.write_map({prompt: scene.old.nexthop, held: "retry:4.7.0 wait"})
    scene.gateway.reload()
    traffic = send(scene, scene.addresses, ["gateway"])
    time.sleep(1)
    scene.gateway.write_map(dict.fromkeys(scene.addresses, scene.old.nexthop))
    scene.gateway.reload()
    scene.wait_until_delivered()
    arrivals = Arrivals(scene.servers.values())
    assert pause(traffic.sent, arrivals) is None  # not looked yet
    arrivals.refresh()
    found = pause(traffic.sent, arrivals)
    assert found is not None
    assert found.longest > 1
    assert found.longest > found.median
    alone = pause([mail for mail in traffic.sent if mail.address == prompt], arrivals)
    assert alone is not None
    assert alone.longest < 1


def send(scene: Scene, addresses: list[str], through: list[str]) -> Traffic:
    """A mail to each address through each router, or a few more, accepted."""
    ingresses = {name: (scene.routers[name].host, scene.routers[name].port) for name in through}
    traffic = Traffic(ingresses, addresses, rate=100).start()
    while len(traffic.sent) + traffic.pending < len(addresses) * len(through):
        time.sleep(0.001)
    traffic.stop()
    return traffic
