"""What belongs to a mailbox beside its mail goes along, on real servers, and what does not is written down."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from migrator.copier import FolderPolicy
from migrator.imap.errors import CommandRefused
from migrator.imap.settings import Settings
from migrator.imap.sieve import Sieve
from migrator.model.errors import CertificateRefused
from migrator.model.wave import PassKind
from migrator.state.belongings import Belongings
from tests.lab.certificates import Authority
from tests.lab.corpus import fill
from tests.lab.cyrus import Cyrus
from tests.lab.requirements import require
from tests.servers.carried_rig import CarriedRig, FullDovecot, acl_of, admin_of, tls_sieve_of
from tests.servers.copier_rig import item

USERS = [f"u{number:02}@company.test" for number in range(60)]
NUMBERS = count()
MAIN = 'require ["fileinto"];\r\n# 整理\r\nfileinto "Projects";'.encode()  # no end of line at its end
DEBUG = b'require "vnd.dovecot.debug";\r\nkeep;\r\n'


@pytest.fixture(scope="module")
def old() -> Iterator[FullDovecot]:
    require("dovecot", "dovecot-sieve")
    with FullDovecot("old", users=USERS, plugin="sieve_extensions = +vnd.dovecot.debug") as server:
        yield server


@pytest.fixture(scope="module")
def new() -> Iterator[FullDovecot]:
    with FullDovecot("new", users=USERS, limit="30M") as server:
        yield server


@pytest.fixture(scope="module")
def cyrus() -> Iterator[Cyrus]:
    require("cyrus")
    with Cyrus("cyrus", users=USERS) as server:
        yield server


@pytest.fixture
def rig(old: FullDovecot, new: FullDovecot, tmp_path: Path) -> CarriedRig:
    return rig_of(old, new, tmp_path)


def rig_of(old: Any, new: Any, directory: Path, **options: Any) -> CarriedRig:
    """A mailbox of its own, with a colleague, some mail and a folder Projects."""
    user, mate = USERS[next(NUMBERS)], USERS[next(NUMBERS)]
    made = CarriedRig(old, new, user, directory, logins={mate: mate, user: user}, **options)
    made.mate = mate
    made.fill_old({"INBOX": [item("one")], "Projects": [item("two")]})
    return made


def tell(server: Any, user: str, *commands: str) -> list[bytes]:
    """Commands to a server, by the laboratory's own client; the first line of each answer."""
    with server.connect(user) as connection:
        return [answer.head for one in commands for answer in connection.command(one.encode())]


def scripts_of(rig: CarriedRig, side: str) -> tuple[dict[str, bytes], str]:
    with rig.sieve(side) as sieve:
        listed = sieve.scripts()
        return {name: sieve.read(name) for name in listed.names}, listed.active


def test_rights_go_along_and_nobody_else_gets_any(rig: CarriedRig):
    rig.identifiers = {"$sales": "$salespeople"}
    tell(
        rig.old,
        rig.user,
        f"SETACL Projects {rig.mate} lrswi",
        'SETACL Projects "$sales" lr',
        "SETACL Projects stranger lr",
    )
    rig.run()
    rights = acl_of(rig.new, rig.user, "Projects")
    assert set(rights.pop(rig.mate)) == set("lrswi") and set(rights.pop("$salespeople")) == set("lr")
    assert list(rights) == [rig.user]
    assert rig.left() == {"acl 'Projects' stranger": "nobody knows who that is on the target (lr)"}
    assert list(acl_of(rig.new, rig.user, "INBOX")) == [rig.user]


def test_the_sources_last_word_wins_until_somebody_changes_the_target(rig: CarriedRig):
    tell(rig.old, rig.user, f"SETACL Projects {rig.mate} lrs", f"SETACL INBOX {rig.mate} lr")
    rig.run()
    tell(rig.old, rig.user, f"SETACL Projects {rig.mate} l", f"DELETEACL INBOX {rig.mate}")
    rig.run(PassKind.FINAL)
    assert acl_of(rig.new, rig.user, "Projects")[rig.mate] == "l"
    assert rig.mate not in acl_of(rig.new, rig.user, "INBOX")
    tell(rig.new, rig.user, f"SETACL Projects {rig.mate} lr")
    tell(rig.old, rig.user, f"SETACL Projects {rig.mate} lrswi")
    rig.run(PassKind.FINAL)
    assert acl_of(rig.new, rig.user, "Projects")[rig.mate] == "lr"
    assert "changed on the target" in rig.left()[f"acl 'Projects' {rig.mate}"]


def test_a_new_folder_under_a_shared_one_is_not_shared_when_it_was_not(rig: CarriedRig):
    tell(rig.old, rig.user, f"SETACL Projects {rig.mate} lrs")
    rig.run()
    tell(rig.old, rig.user, "CREATE Projects/secret", f"DELETEACL Projects/secret {rig.mate}")
    rig.run(PassKind.FINAL)
    assert acl_of(rig.new, rig.user, "Projects")[rig.mate] == "lrs"
    assert list(acl_of(rig.new, rig.user, "Projects/secret")) == [rig.user]


def test_the_source_is_not_changed_and_nothing_is_carried_after_the_cutover(rig: CarriedRig):
    tell(rig.old, rig.user, f"SETACL Projects {rig.mate} lrs", "SUBSCRIBE Projects")
    with rig.sieve("source") as sieve:
        sieve.put("main", MAIN)
        sieve.activate("main")
    before = acl_of(rig.old, rig.user, "Projects"), scripts_of(rig, "source")
    rig.old.record_commands()
    rig.run()
    rig.old.record_commands(False)
    said = rig.old.commands(rig.user)
    assert {"GETACL", "GETMETADATA"} <= {one.verb for one in said} and not any(one.writes for one in said)
    assert (acl_of(rig.old, rig.user, "Projects"), scripts_of(rig, "source")) == before
    tell(rig.old, rig.user, f"SETACL Projects {rig.mate} lrswi")
    rig.run(PassKind.CATCH_UP)
    assert acl_of(rig.new, rig.user, "Projects")[rig.mate] == "lrs"


def test_scripts_go_along_byte_for_byte_with_the_one_that_is_active(rig: CarriedRig):
    with rig.sieve("source") as sieve:
        sieve.put("main", MAIN)
        sieve.put("休暇", b"keep;\n")
        sieve.activate("main")
    rig.run()
    assert scripts_of(rig, "target") == ({"main": MAIN, "休暇": b"keep;\n"}, "main")
    with rig.sieve("source") as sieve:
        sieve.activate("休暇")
        sieve.delete("main")
    rig.run(PassKind.FINAL)
    assert scripts_of(rig, "target") == ({"休暇": b"keep;\n"}, "休暇")


def test_a_script_that_the_target_does_not_take_is_told_with_its_words_and_is_not_made_active(rig: CarriedRig):
    with rig.sieve("source") as sieve:
        sieve.put("debug", DEBUG)
        sieve.activate("debug")
    rig.run()
    assert scripts_of(rig, "target") == ({}, "")
    assert "unknown Sieve capability `vnd.dovecot.debug'" in rig.left()["sieve debug"]
    assert "not carried" in rig.left()["sieve-active"]
    [remedy] = [one.remedy for key, one in rig.known().items() if key.name == "debug"]
    assert "requires vnd.dovecot.debug" in remedy and "Dovecot's own" in remedy


def test_a_script_of_the_targets_own_is_left_alone(rig: CarriedRig):
    with rig.sieve("target") as sieve:
        sieve.put("main", b"discard;\r\n")
    with rig.sieve("source") as sieve:
        sieve.put("main", MAIN)
        sieve.activate("main")
    rig.run()
    assert scripts_of(rig, "target") == ({"main": b"discard;\r\n"}, "")
    assert "one of its own" in rig.left()["sieve main"] and "not carried" in rig.left()["sieve-active"]


def test_subscriptions_follow_also_where_a_folder_has_no_new_mail(rig: CarriedRig):
    tell(rig.old, rig.user, "UNSUBSCRIBE Projects")
    rig.run()
    assert b'* LSUB () "/" Projects\r\n' not in tell(rig.new, rig.user, 'LSUB "" "*"')
    tell(rig.old, rig.user, "SUBSCRIBE Projects")
    rig.run(PassKind.FINAL)
    assert b'* LSUB () "/" Projects\r\n' in tell(rig.new, rig.user, 'LSUB "" "*"')
    tell(rig.old, rig.user, "UNSUBSCRIBE Projects")
    rig.run(PassKind.FINAL)
    assert b'* LSUB () "/" Projects\r\n' not in tell(rig.new, rig.user, 'LSUB "" "*"')


def test_entries_of_folders_and_of_the_account_go_along(rig: CarriedRig):
    tell(
        rig.old,
        rig.user,
        'SETMETADATA Projects (/private/comment "a \\"quoted\\" one" /shared/comment "for all")',
        'SETMETADATA "" (/private/vendor/webmail/colour {8+}\r\nred\r\nblu)',
    )
    rig.run()
    read = (
        "GETMETADATA Projects (/private/comment /shared/comment)",
        'GETMETADATA "" (/private/vendor/webmail/colour)',
    )
    for one in read:
        with rig.old.connect(rig.user) as there, rig.new.connect(rig.user) as here:
            assert there.command(one.encode()) == here.command(one.encode()) != []
    tell(rig.old, rig.user, "SETMETADATA Projects (/shared/comment NIL)")
    rig.run(PassKind.FINAL)
    with rig.new.connect(rig.user) as here:
        assert here.command(b"GETMETADATA Projects (/shared/comment)")[0].tokens()[2] == [b"/shared/comment", None]
    assert rig.left() == {}


def test_folders_that_others_share_are_told_and_not_copied(rig: CarriedRig):
    with rig.old.connect(rig.mate) as connection:
        fill(connection, {"INBOX": [item("a mate's")], "Team": [item("a team's")]})
    tell(rig.old, rig.mate, f"SETACL Team {rig.user} lrs", f"SETACL INBOX {rig.user} lrs")
    report = rig.run()
    assert report.source_messages == 2 and report.behind == 0
    with rig.new.connect(rig.user) as connection:
        names = {one.tokens()[3] for one in connection.command(b'LIST "" "*"')}
    assert names == {b"INBOX", b"Projects"}
    told = rig.left()["namespaces 'shared/'"]
    assert told == "2 folders of other people, listed here: not this mailbox's mail"


def test_a_pass_that_finds_all_in_place_writes_nothing_to_the_target(rig: CarriedRig):
    tell(rig.old, rig.user, f"SETACL Projects {rig.mate} lrs", "SUBSCRIBE Projects")
    tell(rig.old, rig.user, 'SETMETADATA Projects (/private/comment "x")')
    rig.run()
    rig.new.record_commands()
    before = rig.known()
    rig.run(PassKind.FINAL)
    rig.new.record_commands(False)
    words = {one.verb for one in rig.new.commands(rig.user)}
    assert not words & {"SETACL", "DELETEACL", "SETMETADATA", "SETQUOTA", "SUBSCRIBE", "UNSUBSCRIBE"}
    assert rig.known() == before


def test_without_a_place_for_scripts_they_are_in_the_report(rig: CarriedRig):
    rig.sieve_on = frozenset({"source"})
    with rig.sieve("source") as sieve:
        sieve.put("main", MAIN)
    rig.run()
    assert rig.left() == {"sieve main": "nobody said where the target takes scripts"}


def test_a_managesieve_that_is_down_does_not_stop_the_mail(rig: CarriedRig):
    rig.where_sieve = {"source": 1}  # nobody listens there
    report = rig.run()
    assert report.copied == 2
    assert "does not answer" in rig.left()["sieve"]
    rig.where_sieve = {}
    rig.run(PassKind.FINAL)
    assert rig.left() == {}


def test_a_run_that_dies_at_any_step_is_made_good_by_the_next(rig: CarriedRig, monkeypatch: pytest.MonkeyPatch):
    """Before and after each effect and each commit; the source says something else each time."""
    rig.run()
    steps: list[tuple[Any, str]] = [(Settings, name) for name in ("set_rights", "set_entry", "subscribe")]
    steps += [(Sieve, name) for name in ("put", "activate", "delete")]
    steps.append((Belongings, "put"))
    died = 0
    for point in count():
        letter = "lrswi"[: 1 + point % 5]
        tell(rig.old, rig.user, f"SETACL Projects {rig.mate} {letter}", f"SETACL INBOX {rig.mate} {letter}")
        tell(rig.old, rig.user, f'SETMETADATA Projects (/private/comment "{point}")')
        tell(rig.old, rig.user, f"{'UN' * (point % 2)}SUBSCRIBE Projects")
        with rig.sieve("source") as sieve:
            sieve.put(f"script-{point}", b"keep; # %d" % point)
            sieve.activate(f"script-{point}")
            for name in set(sieve.scripts().names) - {f"script-{point}"}:
                sieve.delete(name)
        state = {"left": point}
        with monkeypatch.context() as patch:
            for owner, name in steps:
                patch.setattr(owner, name, dies(getattr(owner, name), state))
            try:
                rig.run(PassKind.FINAL)
            except Dead:
                died += 1
            else:
                break
        rig.run(PassKind.FINAL)
        assert set(acl_of(rig.new, rig.user, "Projects")[rig.mate]) == set(letter)
        assert set(acl_of(rig.new, rig.user, "INBOX")[rig.mate]) == set(letter)
        assert scripts_of(rig, "target") == ({f"script-{point}": b"keep; # %d" % point}, f"script-{point}")
        assert (b'* LSUB () "/" Projects\r\n' in tell(rig.new, rig.user, 'LSUB "" "*"')) is (point % 2 == 0)
        with rig.new.connect(rig.user) as here:
            [comment] = here.command(b"GETMETADATA Projects /private/comment")
        assert comment.tokens()[2] == [b"/private/comment", str(point).encode()]
        assert rig.left() == {}
    assert died >= 18


def test_a_source_that_suddenly_shows_nothing_is_not_believed(rig: CarriedRig):
    names = [f"script-{number}" for number in range(3)]
    with rig.sieve("source") as sieve:
        for name in names:
            sieve.put(name, MAIN)
    rig.run()
    with rig.sieve("source") as sieve:
        for name in names:
            sieve.delete(name)
    rig.run(PassKind.FINAL)
    assert set(scripts_of(rig, "target")[0]) == set(names)
    assert rig.left() == {"sieve": "the source shows none, and 3 had been carried"}


def test_where_a_side_does_not_tell_nothing_is_taken_away(rig: CarriedRig, monkeypatch: pytest.MonkeyPatch):
    tell(rig.old, rig.user, f"SETACL Projects {rig.mate} lrs", 'SETMETADATA Projects (/private/comment "x")')
    rig.run()
    refused = CommandRefused("GETACL", "NOPERM", "not you")
    rights, entries = Settings.rights, Settings.entries
    for side in (0, 1):  # the source is asked first
        asked: dict[str, int] = {"rights": 0, "entries": 0}

        def deaf(name: str, call: Any, side: int = side, asked: dict[str, int] = asked) -> Any:
            def asking(settings: Settings, names: Any) -> Any:
                asked[name] += 1
                return call(settings, names) | ({"Projects": refused} if asked[name] - 1 == side else {})

            return asking

        with monkeypatch.context() as patch:
            patch.setattr(Settings, "rights", deaf("rights", rights))
            patch.setattr(Settings, "entries", deaf("entries", entries))
            rig.run(PassKind.FINAL)
        assert set(acl_of(rig.new, rig.user, "Projects")[rig.mate]) == set("lrs")
        assert all("does not tell: not you" in reason for reason in rig.left().values()) and len(rig.left()) == 2
    rig.run(PassKind.FINAL)
    assert rig.left() == {} and set(acl_of(rig.new, rig.user, "Projects")[rig.mate]) == set("lrs")
    with rig.new.connect(rig.user) as here:
        assert here.command(b"GETMETADATA Projects /private/comment")[0].tokens()[2] == [b"/private/comment", b"x"]


def test_a_server_that_gives_more_than_it_was_asked_for_has_it_taken_back(
    rig: CarriedRig, monkeypatch: pytest.MonkeyPatch
):
    tell(rig.old, rig.user, f"SETACL Projects {rig.mate} lrs")
    honest, asked = Settings.set_rights, list[Any]()

    def generous(settings: Settings, wanted: Any) -> Any:
        asked.append(wanted)
        return honest(settings, [(*one[:2], one[2] + "i") for one in wanted] if len(asked) == 1 else wanted)

    monkeypatch.setattr(Settings, "set_rights", generous)
    rig.run()
    assert rig.mate not in acl_of(rig.new, rig.user, "Projects")
    assert rig.left() == {f"acl 'Projects' {rig.mate}": "the target made lrsi of lrs: i too many"}


def test_a_rehearsal_leaves_the_targets_settings_alone(rig: CarriedRig):
    tell(rig.old, rig.user, f"SETACL INBOX {rig.mate} lrs", 'SETMETADATA "" (/private/comment "x")')
    with rig.sieve("source") as sieve:
        sieve.put("main", MAIN)
    assert rig.run(folder_policy=FolderPolicy(rehearsal=True)).copied == 2
    assert list(acl_of(rig.new, rig.user, "INBOX")) == [rig.user]
    assert scripts_of(rig, "target") == ({}, "") and rig.known() == {}


class Dead(BaseException):
    """kill -9, as far as what is done on the servers and in the state goes."""


def dies(call: Any, state: dict[str, int]) -> Any:
    """`call`, which dies before or after its effect when it is its turn: two turns a call."""

    def dying(*arguments: Any) -> Any:
        turn = state["left"]
        state["left"] -= 2
        if turn == 0:
            raise Dead
        done = call(*arguments)
        if turn == 1:
            raise Dead
        return done

    return dying


def test_to_a_cyrus(old: FullDovecot, cyrus: Cyrus, tmp_path: Path):
    rig = rig_of(old, cyrus, tmp_path, admin=lambda: admin_of(cyrus), identifiers={"$sales": "group:sales"})
    tell(
        old,
        rig.user,
        f"SETACL Projects {rig.mate} lrswi",
        'SETACL Projects "$sales" lr',
        "SUBSCRIBE Projects",
        'SETMETADATA Projects (/private/comment "hi there")',
        "SETMETADATA INBOX (/private/comment {8+}\r\nred\r\nblu)",
        'SETMETADATA "" (/private/vendor/webmail/colour "red")',
    )
    with rig.sieve("source") as sieve:
        for name, script in {"main": MAIN, "休暇": b"keep;\n", "debug": DEBUG}.items():
            sieve.put(name, script)
        sieve.activate("main")
    rig.run()
    rights = acl_of(cyrus, rig.user, "Projects")
    assert set(rights) == {rig.user.partition("@")[0], mate := rig.mate.partition("@")[0]}
    assert rights[mate] == "lrswi"
    with cyrus.connect(rig.mate) as connection:
        names = {one.tokens()[3] for one in connection.command(b'LIST "" "*"')}
    assert f"Other Users/{rig.user.partition('@')[0]}/Projects".encode() in names
    scripts, active = scripts_of(rig, "target")
    assert active == "main" and scripts["main"] == MAIN and sorted(scripts.values()) == sorted([MAIN, b"keep;\n"])
    assert b'* LSUB () "/" Projects\r\n' in tell(cyrus, rig.user, 'LSUB "" "*"')
    assert b"* QUOTA INBOX (STORAGE 0 20480)\r\n" in tell(cyrus, rig.user, "GETQUOTAROOT INBOX")
    assert tell(cyrus, rig.user, "GETMETADATA Projects /private/comment") == [
        b'* METADATA Projects ("/private/comment" "hi there")\r\n'
    ]
    assert "metadata 'INBOX' /private/comment" not in rig.left()
    assert rig.left() == {
        "acl 'Projects' group:sales": "the target can give it nothing of lr: perhaps it does not know it",
        "metadata /private/vendor/webmail/colour": "the target refused: Permission denied",
        "sieve debug": 'the target refused: line 1: Unsupported feature(s) in "require": "vnd.dovecot.debug"',
    }
    before = rig.known()
    rig.run(PassKind.FINAL)
    assert rig.known() == before


def test_a_target_that_keeps_nothing_but_mail(old: FullDovecot, tmp_path: Path, make_dovecot: Any):
    plain = make_dovecot("plain", users=USERS)
    rig = rig_of(old, plain, tmp_path, sieve_on=frozenset({"source"}))
    tell(old, rig.user, f"SETACL Projects {rig.mate} lrs", 'SETMETADATA Projects (/private/comment "x")')
    rig.run()
    assert rig.left() == {
        f"acl 'Projects' {rig.mate}": "the target has no access control lists",
        "metadata 'Projects' /private/comment": "the target keeps no entries (METADATA)",
        "quota STORAGE": "the target has no quotas over IMAP",
    }
    tell(old, rig.user, f"DELETEACL Projects {rig.mate}", "SETMETADATA Projects (/private/comment NIL)")
    rig.run(PassKind.FINAL)
    assert list(rig.left()) == ["quota STORAGE"]


def test_a_quota_that_our_login_may_not_set_is_in_the_report(old: FullDovecot, cyrus: Cyrus, tmp_path: Path):
    rig = rig_of(old, cyrus, tmp_path)
    rig.run()
    assert rig.left() == {"quota STORAGE": "the target refused: Permission denied"}


def test_managesieve_over_starttls_is_verified(authority: Authority, tmp_path: Path):
    require("dovecot", "dovecot-sieve")
    with FullDovecot("tls", users=["x@company.test"], authority=authority) as server:
        with tls_sieve_of(server, "x@company.test", str(authority.ca_file)) as sieve:
            sieve.put("main", MAIN)
            assert sieve.scripts().names == ("main",)
        with pytest.raises(CertificateRefused):
            tls_sieve_of(server, "x@company.test", None)
