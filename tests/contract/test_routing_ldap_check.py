"""What `wave check` finds in a directory before a flip, without changing it; and how the connection is protected."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from migrator.model.errors import CertificateRefused
from migrator.model.mailbox import Endpoint, Login, Secret, Tls
from migrator.model.names import Address
from migrator.routing.errors import DirectoryRefused
from migrator.routing.reader import Reader
from tests.contract.places_ldap import LdapPlace, ldap_place
from tests.contract.routing_places import NEW, OLD, A, B, C, D
from tests.lab.certificates import Authority
from tests.lab.proxy import DelayProxy
from tests.lab.slapd import ACCESS, PEOPLE, SERVICE, SUFFIX, dn_of

NOBODY = Address("nobody@company.test")
HIDING = (
    """
access to dn.base=""
    by * read
access to dn.subtree="{people}" attrs={attributes}
    by dn.exact="{service}" =wscx
    by * search
"""
    + ACCESS
)


@pytest.fixture(scope="module")
def here() -> Iterator[LdapPlace]:
    """One place for all tests that change nothing, or put it back."""
    with ldap_place(tls=True) as made:
        yield made


def found(place: LdapPlace, severity: str, **settings: object) -> str:
    """All findings of that severity, with their remedies."""
    return "\n".join(f"{f.text} > {f.remedy}" for f in place.routing(**settings).check() if f.severity == severity)


def test_a_check_changes_nothing(here):
    before = here.state()
    assert found(here, "error") == ""
    assert here.state() == before


def test_a_healthy_place_over_tls_has_no_findings_at_all(here):
    over_tls = Endpoint(here.slapd.host, here.slapd.tls_port, Tls.IMPLICIT, str(here.slapd.authority.ca_file))
    assert here.routing(endpoint=over_tls).check() == []


def test_a_password_in_the_clear_is_a_warning(here):
    assert "goes to ldap://" in found(here, "warning")
    assert "in the clear > Write `url: ldaps://" in found(here, "warning")


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"login": Login(SERVICE, Secret("wrong"))}, "does not let"),
        ({"endpoint": Endpoint("127.0.0.1", 1, Tls.NONE)}, "does not answer"),
        ({"base": "ou=gone,dc=company,dc=test"}, "noSuchObject"),
        ({"attribute": "mailNowhere"}, "the schema has no attribute mailNowhere > Correct `attribute:`"),
        ({"attribute": "mailOpaque"}, "gives mailOpaque no equality rule"),
        ({"attribute": "modifyTimestamp"}, "modifyTimestamp is the server's own"),
        ({"attribute": "mailHost"}, "insufficientAccessRights > Give the account of `bind_dn` the rights"),
        ({"reader": Reader("/nowhere/postfix reload")}, "/nowhere/postfix was not found"),
    ],
)
def test_what_stands_in_the_way_is_an_error(here, settings, told):
    assert told in found(here, "error", **settings)


def test_a_postfix_that_nobody_tells_is_a_warning(here):
    assert "for half a minute > Write `reload: postfix reload`" in found(here, "warning", reader=Reader())
    assert "half a minute" not in found(here, "warning", reader=Reader(), freeze=None)


def test_a_server_that_is_away_is_told_once_and_not_waited_for(here):
    errors = found(here, "error", endpoint=Endpoint("127.0.0.1", 1, Tls.NONE), patience=600.0)
    assert errors.count("does not answer") == 1


def test_addresses_that_cannot_be_routed_are_warnings_since_their_wave_may_be_another(here):
    with here.slapd.admin() as connection:
        connection.add(f"cn=second,{PEOPLE}", ["inetOrgPerson"], {"cn": "second", "sn": "x", "mail": [B]})
    here.slapd.set(C, "mailTransport", [OLD, NEW])
    try:
        warnings = found(here, "warning", known=(A, B, C, D, NOBODY))
    finally:
        here.set_by_hand(C, OLD)
        with here.slapd.admin() as connection:
            connection.delete(f"cn=second,{PEOPLE}")
    assert "3 addresses cannot be routed" in warnings
    assert f"{B} has 2 entries" in warnings
    assert f"{C} has 2 values" in warnings
    assert f"{NOBODY} has no entry" in warnings


def test_entries_whose_object_class_does_not_allow_the_attribute_are_warnings(here):
    plain = Address("plain@company.test")
    with here.slapd.admin() as connection:
        connection.add(dn_of(plain), ["inetOrgPerson"], {"cn": "plain", "sn": "x", "mail": [plain]})
    try:
        warnings = found(here, "warning", known=(A, D, plain))
    finally:
        with here.slapd.admin() as connection:
            connection.delete(dn_of(plain))
    assert f"1 entries have no object class that allows mailTransport:\n  {plain} > Give them one" in warnings
    assert "companymailrecipient" in warnings


def test_what_a_class_or_an_attribute_has_from_the_one_above_it_counts(here):
    assert "no object class" not in found(here, "warning", attribute="telephoneNumber")  # of person
    assert "no equality rule" not in found(here, "error", attribute="cn")  # of name


def test_nobody_at_all_is_no_proof_that_entries_may_be_changed(here):
    assert "whether it may be changed is not known" in found(here, "warning", known=())


def test_values_that_the_account_may_not_read_are_an_error_and_never_taken_for_none():
    with ldap_place(access=HIDING) as here:
        errors = found(here, "error", known=(A, D))
        assert f"may not read mailTransport, which these entries have:\n  {dn_of(A)} > " in errors
        assert dn_of(D) not in errors
        backend = here.routing()
        flips = backend.plan({A: NEW})
        with pytest.raises(DirectoryRefused, match="yet it cannot be changed") as refused:
            backend.apply(flips)
        assert "may not be allowed to read a value" in refused.value.remedy
        assert here.slapd.values(A, "mailTransport") == [OLD]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("readonly on", "unwillingToPerform"),
        (
            "syncrepl rid=1 provider=ldap://127.0.0.1:1 searchbase=dc=company,dc=test type=refreshOnly\n"
            "updateref ldap://provider.company.test",
            "referral > This server is a replica",
        ),
    ],
)
def test_a_server_that_takes_no_changes_is_an_error(more, told):
    with ldap_place(more=more) as here:
        assert told in found(here, "error")
        backend = here.routing()
        with pytest.raises(DirectoryRefused):
            backend.apply(backend.plan({A: NEW}))


def test_a_server_without_assertions_is_a_warning_where_several_values_are_possible(here, monkeypatch):
    monkeypatch.setattr("migrator.routing.ldap.check.ASSERTION", "1.2.3.4")
    assert "knows no assertions" in found(here, "warning")
    assert "knows no assertions" not in found(here, "warning", attribute="mailHost")


# TLS


@pytest.mark.parametrize("tls", [Tls.IMPLICIT, Tls.STARTTLS])
def test_flips_over_tls(here, tls):
    port = here.slapd.tls_port if tls is Tls.IMPLICIT else here.slapd.port
    backend = here.routing(endpoint=Endpoint(here.slapd.host, port, tls, str(here.slapd.authority.ca_file)))
    flips = backend.plan({A: NEW})
    backend.apply(flips)
    assert here.answer(A) == NEW
    backend.revert(flips)
    assert here.answer(A) == OLD


def binds(place: LdapPlace) -> int:
    return place.slapd.log.read_text().count(f'BIND dn="{SERVICE}"')


@pytest.mark.parametrize("tls", [Tls.IMPLICIT, Tls.STARTTLS])
@pytest.mark.parametrize("wrong", ["authority", "none", "name"])
def test_a_certificate_that_proves_nothing_is_refused_before_the_password_is_sent(here, tmp_path, tls, wrong):
    port = here.slapd.tls_port if tls is Tls.IMPLICIT else here.slapd.port
    with DelayProxy((here.slapd.host, port)) as proxy:  # the same server by a name that is not in its certificate
        endpoint = {
            "authority": Endpoint(here.slapd.host, port, tls, str(Authority(tmp_path).ca_file)),
            "none": Endpoint(here.slapd.host, port, tls),
            "name": Endpoint(proxy.host, proxy.port, tls, str(here.slapd.authority.ca_file)),
        }[wrong]
        before = binds(here)
        with pytest.raises(CertificateRefused, match="no password was sent") as refused:
            here.routing(endpoint=endpoint, patience=0.1).read([A])
    assert refused.value.runbook == "certificate-refused"
    assert binds(here) == before


def test_a_server_that_does_not_start_tls_gets_no_password():
    with ldap_place() as here:
        before = binds(here)
        with pytest.raises(CertificateRefused, match="does not start TLS"):
            here.routing(endpoint=Endpoint(here.slapd.host, here.slapd.port, Tls.STARTTLS)).read([A])
        assert binds(here) == before


def test_a_ca_file_that_cannot_be_read_is_told(here):
    endpoint = Endpoint(here.slapd.host, here.slapd.tls_port, Tls.IMPLICIT, "/nowhere.pem")
    with pytest.raises(CertificateRefused, match="the CA file '/nowhere"):
        here.routing(endpoint=endpoint).read([A])


def test_a_referral_is_not_followed_since_that_would_send_the_password_wherever_a_server_says(here):
    replica = f"syncrepl rid=1 provider=ldap://127.0.0.1:1 searchbase={SUFFIX} type=refreshOnly"
    with ldap_place(more=f"{replica}\nupdateref {here.slapd.url}") as other:
        before = binds(here)
        backend = other.routing()
        with pytest.raises(DirectoryRefused, match="referral"):
            backend.apply(backend.plan({A: NEW}))
    assert binds(here) == before
    assert here.answer(A) == OLD


def test_the_rights_in_the_documentation_are_those_that_all_of_this_was_tested_with():
    page = (Path(__file__).parents[2] / "docs" / "routing-ldap.md").read_text("utf-8")
    rules = ACCESS.format(people=PEOPLE, service=SERVICE, attributes="mailTransport").split("access to ")
    ours = [rule for rule in rules if rule.startswith("dn.subtree")]
    assert len(ours) == 2
    for rule in ours:
        lines = rule.replace("dc=company,dc=test", "dc=example,dc=co,dc=jp").splitlines()
        assert "access to " + "\n".join(f"      {line}" for line in lines).strip() in page
