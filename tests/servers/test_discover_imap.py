"""`mailbox discover --imap` on real servers: sizes, shares, mailboxes that cannot be entered, kill -9 and resume."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable

import pytest

from migrator import state
from migrator.imap import connect
from migrator.imap.survey import survey
from migrator.model.inventory import Bond, Whose
from migrator.model.mailbox import Endpoint, Login, Secret, Tls
from migrator.model.names import Address, FolderName
from migrator.model.sharing import Identities, shares
from tests.lab.cyrus import Cyrus
from tests.lab.dovecot_acl import ACL, MASTER_IS_OWNER
from tests.lab.requirements import dovecot_version, require
from tests.lab.scene import Scene
from tests.lab.wire import Literal

SHARING = pytest.mark.skipif(not (dovecot_version() or "2.3").startswith("2.3"), reason="Dovecot 2.3's configuration")


def look(scene: Scene, *more: str) -> dict[str, int]:
    done = scene.migrator("mailbox", "discover", "--imap", "-o", "json", *more)
    assert done.returncode == 0, done.stderr
    found: dict[str, int] = json.loads(done.stdout)
    return found


def sizes(scene: Scene) -> dict[str, tuple[int, int, int, int | None]]:
    with state.open(f"sqlite:///{scene.workspace}/state/migrator.db") as store:
        found = store.inventory.sizes()
    return {address: (one.messages, one.octets, one.folders, one.largest) for address, one in found.items()}


def judged(scene: Scene, address: str) -> tuple[int, int, int, int | None]:
    """The same, with the eyes of the laboratory's own client."""
    octets: list[int] = []
    with scene.old.connect(address) as connection:
        folders = [one for one in connection.folders() if "\\noselect" not in one.attributes]
        for folder in folders:
            if connection.examine(folder.name)["exists"]:
                octets += [int(str(m["RFC822.SIZE"], "ascii")) for m in connection.fetch("1:*", "RFC822.SIZE")]  # type: ignore[arg-type]
    return len(octets), sum(octets), len(folders), max(octets, default=0)


def test_sizes_are_what_another_client_sees_and_the_source_is_only_read(make_scene: Callable[..., Scene]) -> None:
    scene = make_scene({"sales": 3}, postfix=False)
    scene.fill(per_folder=4)
    before = scene.snapshots("old")
    scene.old.record_commands()
    found = look(scene)
    scene.old.record_commands(False)
    assert sizes(scene) == {address: judged(scene, address) for address in scene.addresses}
    assert (found["looked_at"], found["messages"]) == (3, sum(one[0] for one in sizes(scene).values()))
    said = {command.verb for command in scene.old.commands()}
    assert {"EXAMINE", "FETCH"} <= said <= {"EXAMINE", "FETCH", "LIST", "STATUS", "NAMESPACE", "ID", "ENABLE", "LOGOUT"}
    assert all(verdict.clean for verdict in scene.compare(before, scene.snapshots("old")).values())
    listed = json.loads(scene.migrator("mailbox", "list", "-o", "json").stdout)
    assert {row["address"]: row["octets"] for row in listed} == {a: one[1] for a, one in sizes(scene).items()}


@SHARING
@pytest.mark.parametrize("auth", ["master-user", "password"])
def test_who_shares_with_whom_is_found_from_both_sides(make_scene: Callable[..., Scene], auth: str) -> None:
    scene = make_scene({"sales": 4}, postfix=False, auth=auth, old={"extra": ACL + MASTER_IS_OWNER})
    owner, guest, other, alone = scene.addresses
    with scene.old.connect(owner) as connection:
        connection.command(b"CREATE Plans")
        connection.command(b"SETACL Plans", guest.encode(), b"lrs")
        connection.command(b"SETACL Plans", other.encode(), b"l")  # sees its name, and nothing in it
        connection.command(b"SETACL INBOX anyone lr")
    look(scene)
    with state.open(f"sqlite:///{scene.workspace}/state/migrator.db") as store:
        both = frozenset({Address(owner), Address(guest)})
        assert store.inventory.bonds() == (Bond(both, f"share the folder Plans of {owner}"),)
        assert {(one.identifier, one.grantee, one.rights) for one in store.inventory.shares(Address(owner))} >= {
            (guest, guest, "lrs"), (other, other, "l"), ("anyone", None, "lr"),
        }  # fmt: skip
        seen = {one.name: one for one in store.inventory.folders(Address(guest)) if one.whose != "own"}
        assert seen.keys() == {f"shared/{owner}/Plans", f"shared/{owner}"}  # the latter since everybody may
        plans = seen[FolderName(f"shared/{owner}/Plans")]
        assert plans.octets is None and set("lrs") <= set(plans.mine)
        assert store.inventory.sizes()[Address(guest)].folders == 1
    shown = json.loads(scene.migrator("mailbox", "show", guest, "-o", "json").stdout)
    assert shown["moves with"] == [f"{owner} (share the folder Plans of {owner})"]
    assert [one.partition(" (")[0] for one in shown["uses"]] == [f"INBOX of {owner}", f"Plans of {owner}"]
    assert json.loads(scene.migrator("mailbox", "show", alone, "-o", "json").stdout)["moves with"] == []


@SHARING
def test_a_master_user_without_rights_is_told_and_never_taken_for_an_empty_mailbox(
    make_scene: Callable[..., Scene],
) -> None:
    scene = make_scene({"sales": 1}, postfix=False, old={"extra": ACL})
    scene.fill(per_folder=2)
    done = scene.migrator("mailbox", "discover", "--imap")
    assert done.returncode == 3
    assert "acl_user" in done.stderr
    assert sizes(scene) == {}


def test_a_mailbox_that_cannot_be_entered_is_told_with_a_remedy_and_stops_no_other(
    make_scene: Callable[..., Scene],
) -> None:
    scene = make_scene({"sales": 4}, postfix=False, auth="password")
    scene.fill(per_folder=2)
    wrong = scene.addresses[1]
    secret = scene.workspace / "secrets" / f"old-{wrong}"
    right = secret.read_text()
    secret.write_text("not that one\n")
    done = scene.migrator("mailbox", "discover", "--imap", "-o", "json")
    assert done.returncode == 3
    told = [json.loads(line) for line in done.stderr.splitlines()]
    [failed] = [one for one in told if one["event"] == "failed"]
    assert failed["mailbox"] == wrong and "Check the login" in failed["error"]
    assert sizes(scene).keys() == set(scene.addresses) - {wrong}
    secret.write_text(right)
    assert look(scene)["looked_at"] == 1
    assert sizes(scene).keys() == set(scene.addresses)


def test_killed_and_run_again_it_looks_at_what_is_left(make_scene: Callable[..., Scene]) -> None:
    scene = make_scene({"sales": 40}, postfix=False, config={"concurrency": {"mailboxes": 2}})
    scene.fill(per_folder=1)
    run = scene.begin("mailbox", "discover", "--imap", "-o", "json", until='"looked at"')
    run.send_signal(signal.SIGKILL)
    assert run.wait() == -signal.SIGKILL
    done = sizes(scene)
    assert 1 <= len(done) < 40
    found = look(scene)
    assert (found["known_before"], found["looked_at"]) == (len(done), 40 - len(done))
    assert sizes(scene) == {address: judged(scene, address) for address in scene.addresses}
    assert look(scene)["looked_at"] == 0
    assert look(scene, "--again")["looked_at"] == 40


def test_asked_to_stop_it_finishes_what_it_is_at_and_says_how_to_go_on(make_scene: Callable[..., Scene]) -> None:
    scene = make_scene({"sales": 60}, postfix=False, config={"concurrency": {"mailboxes": 1}})
    look(scene)
    run = scene.begin("mailbox", "discover", "--imap", "--again", "-o", "json", until='"looked at"')
    run.send_signal(signal.SIGINT)
    _, told = run.communicate(timeout=60)
    assert run.returncode == 130
    assert "mailbox discover --imap" in told and "--again" not in told
    found = look(scene)
    assert 0 < found["looked_at"] < 60 and found["known_before"] + found["looked_at"] == 60


def test_cyrus_tells_the_same() -> None:
    require("cyrus")
    owner, guest = Address("taro.y@company.test"), Address("hanako@company.test")
    known = Identities({"taro.y": owner, "hanako": guest})
    letter = b"From: a@b.test\r\nSubject: x\r\n\r\n" + b"text\r\n" * 200
    found = {}
    with Cyrus(users=[owner, guest]) as cyrus:
        with cyrus.connect(owner) as connection:
            connection.command(b"CREATE Plans")
            connection.command(b"SETACL Plans hanako lrs")
            connection.command(b"APPEND Plans", Literal(letter))
        place = Endpoint(cyrus.host, cyrus.imap_port, Tls.NONE)
        for one in (owner, guest):
            with connect(place, Login(one, Secret(cyrus.passwords[one])), allow_plaintext=True) as session:
                found[one] = survey(session)
    [plans] = [folder for folder in found[owner].folders if folder.name == "Plans"]
    assert (plans.messages, plans.octets, plans.largest) == (1, len(letter), len(letter))
    seen = [folder for folder in found[guest].folders if folder.whose is Whose.OTHERS]
    assert [(one.name, one.octets) for one in seen] == [("Other Users/taro.y/Plans", None)]
    told = [
        share
        for one, stock in found.items()
        for share in shares(one, stock.folders, stock.own, [(s.prefix, s.separator) for s in stock.others], known)
    ]
    assert [(share.told_by, share.owner, share.grantee, share.folder) for share in told] == [
        (owner, owner, guest, "Plans"), (guest, owner, guest, "Plans"),
    ]  # fmt: skip
