"""MX records on real name servers: late and stopped secondaries, keys that do not fit, TTLs, and what a check finds."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dns.message
import dns.query
import dns.update
import pytest

from migrator.model.errors import Unreachable
from migrator.model.names import Address, Nexthop
from migrator.model.route import Flip, Flips
from migrator.routing import Prepared, RouteConflict
from migrator.routing.dns import wire
from migrator.routing.dns import zone as zone_module
from migrator.routing.errors import DomainDivided, KeyRefused, NameServersDisagree, UpdateRefused, ZoneUnfit
from tests.contract.places_dns import NEW, OLD, TEXT, TTL, ZONE, Zone, zone
from tests.lab import require
from tests.lab.bind import HOST, POWERLESS

HAS_NOTHING = "c2VjcmV0IG9mIHNvbWVib2R5IGVsc2U="
TWO = Nexthop("10 newmx.company.test., 20 gw.company.test.")


@pytest.fixture
def here() -> Iterator[Zone]:
    require("bind")
    with zone() as made:
        yield made


@pytest.fixture
def late() -> Iterator[Zone]:
    """A zone whose secondary is not notified, and asks only once an hour."""
    require("bind")
    with zone(notify=False) as made:
        yield made


def flip_all(here: Zone) -> Flips:
    return here.backend().plan({here.a: NEW, here.c: NEW, here.d: NEW})


def errors(here: Zone, **changed: object) -> str:
    return "\n".join(finding.text for finding in here.backend(**changed).check() if finding.severity == "error")


def warnings(here: Zone, **changed: object) -> str:
    return "\n".join(finding.text for finding in here.backend(**changed).check() if finding.severity == "warning")


def test_several_records_are_one_value(here):
    here.backend().apply(here.backend().plan({here.a: TWO}))
    assert here.answer(here.a) == TWO
    assert here.backend().read([here.a]) == {here.a: TWO}


def test_all_mailboxes_of_a_domain_have_its_one_entry(here):
    second = Address("b@a.company.test")
    routing = here.backend(mailboxes={**here.mailboxes, second: (OLD, NEW)})
    assert routing.read([here.a, second]) == {here.a: OLD, second: OLD}
    applied = routing.apply(routing.plan({here.a: NEW, second: NEW}))
    assert (applied.changed, here.answer(here.a)) == ((here.a, second), NEW)


def test_a_domain_of_which_only_part_would_move_is_refused_before_anything_is_written(here):
    second = Address("b@a.company.test")
    routing = here.backend(mailboxes={**here.mailboxes, second: (OLD, NEW)})
    before = here.state()
    flips = Flips((Flip(here.c, OLD, NEW), Flip(here.a, OLD, NEW)))
    for refused in (
        lambda: routing.plan({here.c: NEW, here.a: NEW}),
        lambda: routing.apply(flips),
        lambda: routing.diff(flips),
        lambda: routing.prepare([here.a]),
    ):
        with pytest.raises(DomainDivided, match=r"1 mailboxes of a.company.test. would not move(.|\n)*b@a.company"):
            refused()
    assert here.state() == before


def test_a_domain_with_two_destinations_is_refused(here):
    second = Address("b@a.company.test")
    routing = here.backend(mailboxes={**here.mailboxes, second: (OLD, NEW)})
    with pytest.raises(DomainDivided, match="shall go to different places"):
        routing.plan({here.a: NEW, second: here.stale})


def test_an_address_elsewhere_has_no_entry_and_can_be_given_none(here):
    boss = Address("boss@company.test")
    assert here.backend().read([boss]) == {boss: None}
    assert here.backend().plan({boss: None}) == Flips()
    with pytest.raises(DomainDivided, match="an MX record cannot route a single address"):
        here.backend().plan({boss: NEW})


def test_a_wildcard_is_no_entry_of_the_domains_that_it_answers_for(here):
    here.servers.administer(ZONE, "*.company.test", "MX", OLD)
    assert here.answer(here.d) == OLD
    routing = here.backend()
    assert routing.read([here.a, here.d]) == {here.a: OLD, here.d: None}
    flips = routing.plan({here.d: NEW})
    routing.apply(flips)
    assert here.answer(here.d) == NEW
    routing.revert(flips)
    assert (here.answer(here.d), routing.read([here.d])) == (OLD, {here.d: None})


def test_a_record_that_differs_by_case_only_is_as_expected_and_can_be_flipped(here):
    here.set_by_hand(here.c, "10 OLDmx.Company.TEST.")
    here.backend().apply(Flips((Flip(here.c, Nexthop("10 oldmx.company.TEST"), NEW),)))
    assert here.answer(here.c) == NEW


@pytest.mark.parametrize("name", ["c", "d"])
def test_somebody_who_is_faster_than_the_update_is_a_conflict_and_nothing_is_written(here, monkeypatch, name):
    """Where there were records, and where there were none."""
    routing, flips, update, taken = here.backend(), flip_all(here), wire.update, getattr(here, name)
    before = {each: here.answer(each) for each in (here.a, here.c, here.d)}

    def overtaken(*arguments):
        here.set_by_hand(taken, here.elsewhere)
        return update(*arguments)

    monkeypatch.setattr(zone_module, "update", overtaken)
    with pytest.raises(RouteConflict) as refused:
        routing.apply(flips)
    assert [conflict.found for conflict in refused.value.conflicts] == [here.elsewhere]
    assert {each: here.answer(each) for each in before} == {**before, taken: here.elsewhere}


def test_somebody_who_is_faster_and_wants_the_same_is_no_conflict(here, monkeypatch):
    routing, flips, update, done = here.backend(), flip_all(here), wire.update, list[None]()

    def overtaken(*arguments):
        if not done:
            done.append(here.set_by_hand(here.c, NEW))
        return update(*arguments)

    monkeypatch.setattr(zone_module, "update", overtaken)
    assert routing.apply(flips).already == (here.c,)
    assert (here.answer(here.a), here.answer(here.c), here.answer(here.d)) == (NEW, NEW, NEW)


def test_a_late_secondary_is_waited_for(late):
    timer = threading.Timer(0.5, late.servers.notify, [ZONE])
    timer.start()
    late.backend().apply(flip_all(late))
    assert (late.answer(late.a), late.answer(late.d)) == (NEW, NEW)
    timer.join()


def test_a_secondary_that_stays_behind_is_named_with_what_it_says_and_the_same_call_resumes(late):
    flips = flip_all(late)
    with pytest.raises(NameServersDisagree) as told:
        late.backend(patience=0.3).apply(flips)
    text = str(told.value)
    assert f"{HOST}:{late.servers.secondary.port} has serial 2026010101, the primary 2026010102" in text
    assert f"says of a.company.test.: {OLD} (TTL {TTL} s)" in text
    assert (late.said(late.servers.primary, late.a), late.said(late.servers.secondary, late.a)) == (NEW, OLD)
    with pytest.raises(NameServersDisagree):
        late.backend(patience=0.3).apply(Flips())  # what a run does that finds nothing left to plan
    late.servers.notify(ZONE)
    assert late.backend().apply(flips).already == (late.a, late.c, late.d)
    assert late.answer(late.a) == NEW


def test_while_servers_differ_nothing_is_read_and_the_plan_follows_the_primary(late):
    late.set_by_hand(late.a, late.elsewhere, wait=False)
    with pytest.raises(NameServersDisagree, match=f"says {OLD}.*the primary {late.elsewhere}"):
        late.backend().read([late.a, late.c])
    assert late.backend().read([late.c]) == {late.c: OLD}
    assert late.backend().plan({late.a: NEW}) == Flips((Flip(late.a, late.elsewhere, NEW),))


def test_a_stopped_secondary_is_told_of_and_the_same_call_resumes_when_it_is_back(here):
    flips = flip_all(here)
    here.servers.secondary.stop()
    assert f"{HOST}:{here.servers.secondary.port} does not answer" in errors(here)
    assert here.backend().read([here.a]) == {here.a: OLD}
    with pytest.raises(NameServersDisagree, match="does not answer"):
        here.backend(patience=0.3).apply(flips)
    here.servers.secondary.start()
    here.servers.notify(ZONE)  # or it would ask at its next refresh only, in an hour
    here.backend().apply(flips)
    assert (here.answer(here.a), here.answer(here.c), here.answer(here.d)) == (NEW, NEW, NEW)


def test_a_stopped_primary_is_told_of_before_and_during_an_update(here, monkeypatch):
    flips, update = flip_all(here), wire.update

    def stopped_first(*arguments):
        here.servers.primary.stop()
        return update(*arguments)

    monkeypatch.setattr(zone_module, "update", stopped_first)
    with pytest.raises(Unreachable, match="did not answer an update"):
        here.backend().apply(flips)
    with pytest.raises(Unreachable, match="does not answer"):
        here.backend().read([here.a])
    assert "does not answer" in errors(here)
    monkeypatch.undo()
    here.servers.primary.start()
    here.backend().apply(flips)
    assert here.answer(here.a) == NEW


@pytest.mark.parametrize(
    ("key", "refusal", "told"),
    [
        ({"name": "stranger", "secret": HAS_NOTHING}, KeyRefused, "it does not know this key"),
        ({"secret": HAS_NOTHING}, KeyRefused, "the signature is wrong"),
        ({"algorithm": "hmac-sha512"}, KeyRefused, "refuses the TSIG key"),
        ({"secret": "not base64!"}, KeyRefused, "is not base64 text"),
        ({"name": POWERLESS}, UpdateRefused, "REFUSED: the key powerless-key may not do that"),
    ],
)
def test_a_key_that_does_not_fit_is_told_by_the_check_too_and_changes_nothing(here, key, refusal, told):
    given, before, flips = here.key(**key), here.state(), flip_all(here)
    with pytest.raises(refusal, match=told) as refused:
        here.backend(key=given).apply(flips)
    assert told in errors(here, key=given)
    assert here.state() == before
    assert given.secret.reveal() not in repr(refused.value) + refused.value.in_full + repr(given)


def test_an_answer_that_bears_no_signature_proves_nothing(here):
    """A machine in the middle says NOERROR to an update that never reached the primary."""
    key = here.key()
    with socketserver.TCPServer((HOST, 0), type("Liar", (Liar,), {"key": key})) as liar:
        threading.Thread(target=liar.handle_request).start()
        message = dns.update.UpdateMessage(ZONE)
        message.delete("a.company.test.", "MX")
        with pytest.raises(Unreachable, match=r"without the signature|requires a TSIG"):
            wire.update(wire.NameServer(HOST, liar.server_address[1]), message, key)


class Liar(socketserver.BaseRequestHandler):
    key: wire.TsigKey

    def handle(self) -> None:
        material = self.key.material()
        asked = dns.query.receive_tcp(self.request, keyring={material.name: material})[0]
        said = dns.message.make_response(asked)
        said.keyring = said.tsig = None
        dns.query.send_tcp(self.request, said.to_wire())


def test_a_check_changes_nothing(here):
    before = here.state()
    here.backend().check()
    assert here.state() == before


def test_a_zone_that_is_not_there_and_a_domain_that_is_a_zone_of_its_own_are_told(here):
    assert "answers REFUSED for other.test." in errors(here, zone="other.test")
    assert "does not serve a zone a.company.test." in errors(here, zone="a.company.test")
    here.servers.administer(ZONE, "d.company.test", "NS", "ns.elsewhere.test.")
    assert "answers without authority for d.company.test." in errors(here)
    with pytest.raises(ZoneUnfit):
        here.backend().plan({here.d: NEW})


def test_a_domain_that_is_an_alias_is_told(here):
    here.servers.administer(ZONE, "d.company.test", "CNAME", "a.company.test.")
    assert "d.company.test. is an alias (CNAME)" in errors(here)
    with pytest.raises(ZoneUnfit):
        here.backend().plan({here.d: NEW})


def test_a_secondary_that_does_not_have_the_zone_is_told(here):
    other = wire.NameServer(HOST, here.servers.secondary.port)
    (here.servers.secondary.directory / "named.conf").write_text(
        (here.servers.primary.directory / "named.conf")
        .read_text()
        .replace(str(here.servers.primary.port), str(other.port))
        .replace('zone "company.test"', 'zone "else.test"')
        .replace(str(here.servers.primary.directory), str(here.servers.secondary.directory))
    )
    (here.servers.secondary.directory / "company.test.zone").write_text(TEXT)
    here.servers.secondary.stop()
    here.servers.secondary.start()
    assert f"name server {other} answers REFUSED for company.test." in errors(here)


def test_without_servers_those_of_the_zone_s_ns_records_are_asked(here, monkeypatch):
    monkeypatch.setattr(wire, "PORT", here.servers.secondary.port)
    here.servers.secondary.stop()
    with pytest.raises(NameServersDisagree, match=r"ns1.company.test does not answer: 127.0.0.1(.|\n)*ns2.company"):
        here.backend(servers=[], patience=0.1).apply(flip_all(here))


def test_the_check_finds_targets_that_cannot_take_mail(here):
    here.servers.administer(ZONE, "alias.company.test", "CNAME", "newmx.company.test.")
    boxes = {here.a: (OLD, Nexthop("10 alias.company.test.")), here.c: (OLD, Nexthop("10 nowhere.company.test."))}
    found = errors(here, mailboxes=boxes)
    assert "alias.company.test. is to receive mail, but is an alias (CNAME) of newmx.company.test." in found
    assert "nowhere.company.test. is to receive mail, but has no address" in found
    assert "oldmx" not in found
    for address in boxes:  # as BIND has it
        with pytest.raises(UpdateRefused, match="is an alias or has no address"):
            here.backend().apply(here.backend().plan({address: boxes[address][1]}))


def test_the_check_finds_an_spf_record_that_does_not_know_the_new_server(here):
    boxes = {here.a: (OLD, NEW)}
    assert "SPF" not in warnings(here, mailboxes=boxes)
    here.servers.administer(ZONE, "a.company.test", "TXT", '"v=spf1 ip4:127.10.2.1 -all"')
    assert "the SPF record of a.company.test. does not let the new server send" in warnings(here, mailboxes=boxes)
    assert "newmx.company.test. (127.10.2.2)" in warnings(here, mailboxes=boxes)
    here.servers.administer(ZONE, "a.company.test", "TXT", '"v=spf1 mx -all"')  # follows the flip by itself
    assert "SPF" not in warnings(here, mailboxes=boxes)


def test_the_check_finds_that_the_main_domain_cannot_be_routed(here):
    boss = [Address("boss@company.test")]
    assert "1 mailboxes are in the main domain: an MX record cannot route a single" in warnings(here, alone=boss)
    assert "an MX record cannot route a single address" in errors(here, mailboxes={}, alone=boss)


def test_the_check_tells_how_long_old_answers_live(here):
    boxes = {here.a: (OLD, NEW)}
    assert f"the TTL of its MX records is still {TTL} s" in warnings(here, mailboxes=boxes)
    routing = here.backend(mailboxes=boxes)
    routing.prepare([here.a])
    assert f"caches may hold records with the old TTL ({TTL} s) until" in warnings(here, mailboxes=boxes)
    assert "d.company.test. has no MX records, and caches may remember that for 5 s" in warnings(here, ttl=1)


def test_a_ttl_is_lowered_on_every_server_and_the_old_one_is_waited_out(here):
    routing = here.backend()
    assert isinstance(routing, Prepared)
    before = datetime.now(UTC)
    due = routing.prepare([here.a, here.c, here.d])
    assert before + timedelta(seconds=TTL) <= due <= datetime.now(UTC) + timedelta(seconds=TTL)
    assert [here.ttl(each) for each in (here.a, here.c, here.d)] == [60, 60, None]
    assert (here.answer(here.a), here.answer(here.c)) == (OLD, OLD)
    assert here.backend().prepare([here.a, here.c, here.d]) == due  # the time goes on; it does not start again


def test_the_flip_and_the_way_back_keep_the_low_ttl_and_the_old_one_is_restored(here):
    everyone = [here.a, here.c, here.d]
    here.backend().prepare(everyone)
    flips = flip_all(here)
    here.backend().apply(flips)
    assert [here.ttl(each) for each in everyone] == [60, 60, 60]
    here.backend().finish(everyone)
    assert [here.ttl(each) for each in everyone] == [TTL, TTL, 60]  # there was none to restore for the last
    assert [here.answer(each) for each in everyone] == [NEW, NEW, NEW]
    assert not list(here.memory.glob("*.json"))
    serial = here.servers.primary.serial(ZONE)
    here.backend().finish(everyone)
    assert here.servers.primary.serial(ZONE) == serial


def test_a_ttl_that_somebody_raised_again_is_lowered_again_and_the_first_one_is_restored(here):
    here.backend().prepare([here.a])
    here.set_by_hand(here.a, OLD, ttl=900)
    due = here.backend().prepare([here.a])
    assert due >= datetime.now(UTC) + timedelta(seconds=890)
    assert here.ttl(here.a) == 60
    here.backend().finish([here.a])
    assert here.ttl(here.a) == TTL


def test_a_ttl_that_somebody_changed_since_stays(here):
    here.backend().prepare([here.a])
    here.set_by_hand(here.a, OLD, ttl=30)
    here.backend().finish([here.a])
    assert here.ttl(here.a) == 30
    assert not list(here.memory.glob("*.json"))


def test_a_ttl_that_is_low_already_needs_no_wait(here):
    serial = here.servers.primary.serial(ZONE)
    assert here.backend(ttl=TTL).prepare([here.a]) <= datetime.now(UTC)
    assert here.backend(ttl=TTL).prepare([here.d, Address("boss@company.test")]) <= datetime.now(UTC)
    assert here.servers.primary.serial(ZONE) == serial


def test_the_old_ttl_counts_from_when_the_last_server_has_the_new_one(late):
    with pytest.raises(NameServersDisagree, match=f"says of a.company.test.: {OLD} .TTL {TTL} s"):
        late.backend(patience=0.3).prepare([late.a])
    late.servers.notify(ZONE)
    late.servers.wait()
    then = datetime.now(UTC)
    assert late.backend().prepare([late.a]) >= then + timedelta(seconds=TTL)
