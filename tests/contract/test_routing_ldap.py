"""What a directory's entries refuse, keep and report, beyond the contract of every backend."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import ldap3
import pytest
from ldap3.core.exceptions import LDAPSocketReceiveError

from migrator.model.errors import ExitCode, LoginRefused, Unreachable
from migrator.model.mailbox import Login, Secret
from migrator.model.names import Address, Nexthop
from migrator.model.route import Flips
from migrator.routing import RouteConflict
from migrator.routing.backups import keep
from migrator.routing.errors import DirectoryRefused, EntryInvalid, ReloadFailed, ValueUnwritable
from migrator.routing.ldap import attribute
from migrator.routing.ldap.wire import Session
from migrator.routing.reader import Reader
from tests.contract.places_ldap import LdapPlace, ldap_place
from tests.contract.routing_places import FREEZE, NEW, OLD, A, B, C, D
from tests.lab.requirements import find_program
from tests.lab.slapd import PEOPLE, SERVICE, SERVICE_PASSWORD, dn_of

E, NOBODY = Address("e@company.test"), Address("nobody@company.test")
HAND = Nexthop("smtp:[by.hand]")
WANTED = {A: NEW, C: NEW, D: NEW}


@pytest.fixture
def here() -> Iterator[LdapPlace]:
    with ldap_place() as made:
        yield made


def values(here: LdapPlace, *addresses: Address) -> list[list[str]]:
    return [here.slapd.values(address, here.attribute) for address in addresses or (A, B, C, D)]


def add(here: LdapPlace, address: str, dn: str, **attributes: list[str]) -> None:
    """Another entry with that address."""
    with here.slapd.admin() as connection:
        classes = list(attributes.pop("objectClass", ("inetOrgPerson", "companyMailRecipient")))
        connection.add(dn, classes, {"cn": "x", "sn": "x", "mail": [address], **attributes})


def before_the_first_write(monkeypatch: pytest.MonkeyPatch, work: Callable[[], object]) -> None:
    """Do the work between an apply's look at the entries and its first MODIFY."""

    def kept(*given: Any) -> Any:
        work()
        return keep(*given)

    monkeypatch.setattr(attribute, "keep", kept)


def instead_of_modify_number(
    monkeypatch: pytest.MonkeyPatch, number: int, work: Callable[[Callable[[], Any]], Any]
) -> list[str]:
    """Have `work` called for the `number`-th MODIFY (from 0), with what would send it; gives the names sent to."""
    modify, sent = ldap3.Connection.modify, list[str]()

    def counted(self: Any, dn: str, *given: Any, **named: Any) -> Any:
        sent.append(dn)
        send = partial(modify, self, dn, *given, **named)
        return work(send) if len(sent) == number + 1 else send()

    monkeypatch.setattr(ldap3.Connection, "modify", counted)
    return sent


# what is changed, and what is kept


def test_nothing_but_the_attribute_changes(here):
    def kept() -> list[str]:
        own = ("mailTransport:", "entryCSN:", "modifyTimestamp:", "modifiersName:", "contextCSN:")
        return [line for line in here.slapd.contents() if not line.startswith(own)]

    before = kept()
    backend = here.routing()
    backend.apply(backend.plan(WANTED))
    assert values(here) == [[NEW], [OLD], [NEW], [NEW]]
    assert kept() == before


def test_each_entry_is_changed_by_one_request_that_names_the_old_value(here, monkeypatch):
    sent = instead_of_modify_number(monkeypatch, -1, lambda send: send())
    backend = here.routing()
    backend.apply(backend.plan(WANTED | {B: None}))
    assert sent == [dn_of(address) for address in (A, C, D, B)]
    log = here.slapd.log.read_text()
    assert log.count("MOD attr=mailTransport mailTransport") == 2  # a and c: one delete and one add in one request
    assert log.count(" MOD attr=mailTransport\n") == 2  # d: add alone; b: delete alone


def test_many_addresses_are_found_in_a_few_searches(monkeypatch):
    many = {f"u{number}@company.test": {"mailTransport": [f"smtp:[s{number}.test]"]} for number in range(250)}
    asked = []
    search = Session.search

    def counted(self: Session, *given: Any) -> Any:
        asked.append(given)
        return search(self, *given)

    monkeypatch.setattr(Session, "search", counted)
    with ldap_place(others=many) as here:
        found = here.routing().read([Address(address) for address in many])
    assert found == {address: attributes["mailTransport"][0] for address, attributes in many.items()}
    assert len(asked) == 3


@pytest.mark.parametrize(
    "filter",
    [
        "(&(objectClass=inetOrgPerson)(|(mail={address})(mailLocalAddress={address})))",
        "(&(uid={local})(mail=*@{domain}))",
        "(mail:caseIgnoreIA5Match:={address})",
    ],
)
def test_entries_are_found_by_any_filter(here, filter):
    backend = here.routing(filter=filter)
    backend.apply(backend.plan(WANTED))
    assert values(here) == [[NEW], [OLD], [NEW], [NEW]]


def test_a_star_in_an_address_stands_for_itself():
    star, starry = Address("x*y@company.test"), Address("xzy@company.test")
    with ldap_place(others={star: {"mailTransport": [OLD]}, starry: {"mailTransport": [OLD]}}) as here:
        backend = here.routing()
        backend.apply(backend.plan({star: NEW}))
        assert values(here, star, starry) == [[NEW], [OLD]]


def test_two_addresses_of_one_entry_move_together_or_not_at_all(here):
    with here.slapd.admin() as connection:
        connection.modify(dn_of(A), {"mail": [(ldap3.MODIFY_ADD, [E])]})
    backend = here.routing()
    flips = backend.plan({A: NEW, E: NEW, C: NEW})
    assert backend.apply(flips).changed == (A, E, C)
    assert values(here, A, C) == [[NEW], [NEW]]
    apart = backend.plan({A: OLD, E: HAND})
    with pytest.raises(EntryInvalid, match=f"share an entry.*\n.*{A} to .*{E} to "):
        backend.apply(apart)
    assert values(here, A) == [[NEW]]


def test_the_copy_puts_back_what_was_there(here):
    backend = here.routing(known=(A, B, C, D, NOBODY))
    kept = backend.backup()
    assert f"# {NOBODY} has no entry" in kept.read_text()
    assert kept.stat().st_mode & 0o777 == 0o600
    backend.apply(backend.plan(WANTED))
    here.slapd.stop()
    command = [
        find_program("slapmodify") or "slapmodify",
        "-f",
        str(here.slapd.directory / "slapd.conf"),
        "-l",
        str(kept),
    ]
    assert subprocess.run(command, capture_output=True, text=True).returncode == 0
    here.slapd.start()
    assert values(here) == [[OLD], [OLD], [OLD], []]


def test_a_flip_keeps_a_copy_first_of_the_entries_that_it_changes(here):
    backend = here.routing()
    backend.apply(backend.plan({A: NEW}))
    (kept,) = here.backups.iterdir()
    assert f"dn: {dn_of(A)}\nchangetype: modify\nreplace: mailTransport\nmailTransport: {OLD}\n" in kept.read_text()
    backend.apply(Flips())
    assert list(here.backups.iterdir()) == [kept]


def test_the_dry_run_names_the_entry(here):
    backend = here.routing()
    assert backend.diff(backend.plan({A: NEW, D: NEW, C: None})).splitlines() == [
        f"--- {here.slapd.url}/{PEOPLE} mailTransport",
        f"+++ {here.slapd.url}/{PEOPLE} mailTransport (planned)",
        f"@@ {dn_of(A)} @@",
        f"-mailTransport: {OLD}",
        f"+mailTransport: {NEW}",
        f"@@ {dn_of(D)} @@",
        f"+mailTransport: {NEW}",
        f"@@ {dn_of(C)} @@",
        f"-mailTransport: {OLD}",
    ]


# what cannot be routed


def test_addresses_without_one_entry_with_one_value_are_refused_by_name_and_nothing_is_written(here):
    add(here, B, f"cn=second,{PEOPLE}")
    here.slapd.set(C, "mailTransport", [OLD, HAND])
    before = here.state()
    backend = here.routing()
    with pytest.raises(EntryInvalid) as refused:
        backend.plan({A: NEW, NOBODY: NEW, B: NEW, C: NEW})
    told = str(refused.value)
    assert refused.value.exit_code is ExitCode.CONFIG
    assert "3 addresses cannot be routed" in told
    assert f"{NOBODY} has no entry" in told
    assert f"{B} has 2 entries: " in told
    assert f"cn=second,{PEOPLE}" in told
    assert f"{C} has 2 values: " in told
    assert HAND in told
    assert "one entry with one value" in refused.value.remedy
    with pytest.raises(EntryInvalid):
        backend.read([NOBODY])
    assert here.state() == before


@pytest.mark.parametrize("value", ["", " smtp:[x.test]", "smtp:[x.test]\ny"])
def test_values_that_no_reader_could_use_are_refused(here, value):
    with pytest.raises(ValueUnwritable):
        here.routing().plan({A: Nexthop(value)})


def test_a_base_that_is_not_there_is_refused_and_not_taken_for_nobody(here):
    with pytest.raises(DirectoryRefused, match="noSuchObject") as refused:
        here.routing(base="ou=gone,dc=company,dc=test").read([A])
    assert "base:" in refused.value.remedy


def test_a_filter_that_is_none_is_refused(here):
    with pytest.raises(ValueError, match="RFC 4515"):
        here.routing(filter="mail={address}")


# changes in the middle


@pytest.mark.parametrize(("address", "by_hand"), [(C, HAND), (C, None), (D, HAND)])
def test_an_entry_that_changes_after_the_look_stops_the_flip_and_the_rest_is_told(here, monkeypatch, address, by_hand):
    backend = here.routing()
    flips = backend.plan({A: NEW, address: NEW, B: NEW})
    before_the_first_write(monkeypatch, lambda: here.set_by_hand(address, by_hand))
    with pytest.raises(RouteConflict) as refused:
        backend.apply(flips)
    (conflict,) = refused.value.conflicts
    assert (conflict.address, conflict.found, conflict.wanted) == (address, by_hand, NEW)
    assert "nothing was written" not in str(refused.value)
    assert f"changed (1): {A}; not changed (2): {address}, {B}" in str(refused.value)
    assert values(here, A, address, B) == [[NEW], [by_hand] if by_hand else [], [OLD]]
    monkeypatch.undo()
    here.set_by_hand(address, flips.changes[1].expected)
    assert backend.apply(flips).changed == (address, B)
    assert values(here, A, address, B) == [[NEW], [NEW], [NEW]]


def test_a_value_that_appears_where_there_was_none_stays_alone_though_the_attribute_may_have_several(here, monkeypatch):
    backend = here.routing()
    flips = backend.plan({D: NEW})
    before_the_first_write(monkeypatch, lambda: here.set_by_hand(D, HAND))
    with pytest.raises(RouteConflict):
        backend.apply(flips)
    assert values(here, D) == [[HAND]]


def test_somebody_else_who_makes_the_same_change_first_is_no_conflict(here, monkeypatch):
    backend = here.routing()
    flips = backend.plan({A: NEW, D: NEW})

    def by_hand() -> None:
        here.set_by_hand(A, NEW)
        here.set_by_hand(D, NEW)

    before_the_first_write(monkeypatch, by_hand)
    backend.apply(flips)
    assert values(here, A, D) == [[NEW], [NEW]]


def test_a_value_added_beside_the_new_one_is_told_after_the_change(here, monkeypatch):
    backend = here.routing()
    flips = backend.plan({A: NEW})
    before_the_first_write(monkeypatch, lambda: here.slapd.set(A, "mailTransport", [OLD, HAND]))
    with pytest.raises(EntryInvalid, match=rf"the change is made:\n  {A} has 2 values") as refused:
        backend.apply(flips)
    assert "nothing was written" not in str(refused.value)


def test_an_entry_that_goes_away_in_the_middle_is_told(here, monkeypatch):
    def rename() -> None:
        with here.slapd.admin() as connection:
            connection.modify_dn(dn_of(C), "uid=renamed")

    backend = here.routing()
    flips = backend.plan({A: NEW, C: NEW})
    before_the_first_write(monkeypatch, rename)
    with pytest.raises(
        DirectoryRefused, match=rf"noSuchObject.*; changed \(1\): {A}; not changed \(1\): {C}"
    ) as refused:
        backend.apply(flips)
    assert "run again" in refused.value.remedy
    monkeypatch.undo()
    assert backend.apply(flips).changed == (C,)


def test_an_object_class_that_does_not_allow_the_attribute_is_told_and_the_rest_resumes():
    with ldap_place() as here:
        add(here, E, f"cn=plain,{PEOPLE}", objectClass=["inetOrgPerson"])
        backend = here.routing()
        flips = backend.plan({A: NEW, E: NEW, C: NEW})
        with pytest.raises(
            DirectoryRefused, match=rf"objectClassViolation.*changed \(1\): {A}; not changed \(2\): {E}, {C}"
        ) as refused:
            backend.apply(flips)
        assert "object class" in refused.value.remedy
        with here.slapd.admin() as connection:
            connection.modify(f"cn=plain,{PEOPLE}", {"objectClass": [(ldap3.MODIFY_ADD, ["companyMailRecipient"])]})
        backend.apply(flips)
        assert here.answers([A, E, C]) == {A: NEW, E: NEW, C: NEW}


def test_a_reader_that_cannot_be_told_is_told_by_the_next_apply(here):
    backend = here.routing(reader=Reader("false"))
    flips = backend.plan({A: NEW})
    with pytest.raises(ReloadFailed):
        backend.apply(flips)
    assert values(here, A) == [[NEW]]
    here.routing().apply(flips)
    assert here.told() == 1


# a server that goes away


def test_a_server_that_is_away_for_a_while_is_waited_for(here):
    backend = here.routing()
    flips = backend.plan(WANTED)
    here.slapd.stop()
    back = threading.Timer(3, here.slapd.start)
    back.start()
    try:
        assert backend.apply(flips).changed == (A, C, D)
    finally:
        back.join()
    assert values(here) == [[NEW], [OLD], [NEW], [NEW]]


def test_a_server_that_stays_away_is_an_error_that_may_go_away(here):
    backend = here.routing(patience=0.5)
    flips = backend.plan(WANTED)
    here.slapd.stop()
    for verb in (lambda: backend.apply(flips), lambda: backend.read([A]), lambda: backend.diff(flips), backend.backup):
        with pytest.raises(Unreachable, match="does not answer") as refused:
            verb()
        assert "same command again" in refused.value.remedy
    here.slapd.start()
    assert backend.apply(flips).changed == (A, C, D)


@pytest.mark.parametrize("executed", [True, False])
def test_an_answer_that_is_lost_is_looked_for_before_anything_is_done_again(here, monkeypatch, executed):
    def lose(send: Callable[[], Any]) -> None:
        if executed:
            send()
        here.slapd.kill()
        here.slapd.start()
        raise LDAPSocketReceiveError("error receiving data")

    backend = here.routing()
    flips = backend.plan(WANTED)
    sent = instead_of_modify_number(monkeypatch, 1, lose)
    assert backend.apply(flips).changed == (A, C, D)
    assert sent == [dn_of(address) for address in ((A, C, D) if executed else (A, C, C, D))]
    assert values(here) == [[NEW], [OLD], [NEW], [NEW]]


def test_a_server_lost_in_the_middle_leaves_one_entry_in_doubt_and_the_next_apply_or_revert_makes_all_whole(
    here, monkeypatch
):
    def lose(send: Callable[[], Any]) -> None:
        send()
        here.slapd.stop()
        raise LDAPSocketReceiveError("error receiving data")

    backend = here.routing(patience=0.5)
    flips = backend.plan(WANTED)
    for resume, after in ((backend.apply, [[NEW], [OLD], [NEW], [NEW]]), (backend.revert, [[OLD], [OLD], [OLD], []])):
        with monkeypatch.context() as patched:
            instead_of_modify_number(patched, 1, lose)
            with pytest.raises(Unreachable) as refused:
                backend.apply(flips)
        told = f"changed (1): {A}; changed or not, which is not known (1): {C}; not changed (1): {D}"
        assert told in str(refused.value)
        assert "same command again" in refused.value.remedy
        here.slapd.start()
        resume(flips)
        assert values(here) == after
        backend.revert(flips)


def test_a_change_whose_answer_was_lost_is_in_doubt_also_when_the_server_then_refuses_us(here, monkeypatch):
    def lose(send: Callable[[], Any]) -> None:
        send()
        monkeypatch.setattr(Session, "_open", refuse)
        raise LDAPSocketReceiveError("error receiving data")

    def refuse(session: Session) -> None:
        raise LoginRefused("the password has just been changed", remedy="Ask.")

    backend = here.routing()
    flips = backend.plan(WANTED)
    instead_of_modify_number(monkeypatch, 1, lose)
    with pytest.raises(LoginRefused) as refused:
        backend.apply(flips)
    told = f"changed (1): {A}; changed or not, which is not known (1): {C}; not changed (1): {D}"
    assert told in str(refused.value)
    assert values(here) == [[NEW], [OLD], [NEW], []]  # it was made


def test_a_hand_edit_while_the_server_was_away_is_a_conflict(here, monkeypatch):
    def lose(send: Callable[[], Any]) -> None:
        here.set_by_hand(C, HAND)
        raise LDAPSocketReceiveError("error receiving data")

    backend = here.routing()
    flips = backend.plan(WANTED)
    instead_of_modify_number(monkeypatch, 1, lose)
    with pytest.raises(RouteConflict, match=rf"changed \(1\): {A}; not changed \(2\): {C}, {D}"):
        backend.apply(flips)
    assert values(here, C) == [[HAND]]


def test_a_busy_server_is_asked_again(here, monkeypatch):
    busy = iter([51, 52])
    modify = ldap3.Connection.modify

    def answer(self: Any, *given: Any, **named: Any) -> Any:
        if code := next(busy, 0):
            self.result = {"result": code, "description": "busy", "message": "come back"}
            return False
        return modify(self, *given, **named)

    monkeypatch.setattr(ldap3.Connection, "modify", answer)
    backend = here.routing()
    backend.apply(backend.plan({A: NEW}))
    assert values(here, A) == [[NEW]]


def test_writers_and_a_server_that_comes_and_goes_leave_every_entry_whole(here):
    """Two processes' worth of writers flip there and back while slapd is killed; each entry has one value always."""
    errors: list[BaseException] = []
    deadline = time.monotonic() + 6

    def write(addresses: list[Address]) -> None:
        backend = here.routing(patience=30.0)
        try:
            while time.monotonic() < deadline:
                flips = backend.plan(dict.fromkeys(addresses, NEW))
                backend.apply(flips)
                backend.revert(flips)
        except BaseException as error:
            errors.append(error)

    writers = [threading.Thread(target=write, args=(own,)) for own in ([A, C], [B, D])]
    for writer in writers:
        writer.start()
    while time.monotonic() < deadline:
        time.sleep(0.7)
        here.slapd.kill()
        here.slapd.start()
    for writer in writers:
        writer.join()
    assert errors == []
    assert values(here) == [[OLD], [OLD], [OLD], []]


# credentials


@pytest.mark.parametrize("login", [Login(SERVICE, Secret("wrong")), Login("cn=nobody,dc=company,dc=test", Secret("x"))])
def test_a_login_that_is_refused_is_told_and_never_its_password(here, login):
    with pytest.raises(LoginRefused, match="invalidCredentials") as refused:
        here.routing(login=login).read([A])
    assert refused.value.exit_code is ExitCode.AUTH
    assert "wrong" not in f"{refused.value}{refused.value.remedy}"


def test_the_password_is_in_no_text_of_ours(here):
    backend = here.routing()
    assert SERVICE_PASSWORD not in f"{backend!r}{vars(backend)}{backend.check()}"


def test_an_account_without_the_right_is_told_and_nothing_is_changed():
    with ldap_place("mailHost") as here:
        backend = here.routing(attribute="mailTransport")
        flips = backend.plan({A: FREEZE})
        with pytest.raises(DirectoryRefused, match="insufficientAccessRights") as refused:
            backend.apply(flips)
        assert "docs/routing-ldap.md" in refused.value.remedy
        assert f"not changed (1): {A}" in str(refused.value)
