"""What an entry of the kind dns-mx may say."""

import pytest

from migrator import workspace
from migrator.model.names import Address, ServerName
from migrator.waves.places import places
from migrator.workspace.routing import DnsMxEntry, host_and_port
from tests.unit.workspace_files import CONFIG, make, problems

OLD, NEW = ServerName("old"), ServerName("new")
ENTRY = """\
  - name: dns
    kind: dns-mx
    zone: Example.CO.JP.
    primary: ns1.example.co.jp
    key: {name: migrator-key, secret: "env:TSIG"}
    nexthop: {old: "10 MX.{domain}, 10 a.example.co.jp", new: "20 MX2.new.example.co.jp,10 mx1.new.example.co.jp."}
"""
WITH = CONFIG.replace("canary:", f"{ENTRY}canary:")
ROWS = """\
address,department,source,target
a@example.co.jp,sales,old,new
b@tokyo.example.co.jp,sales,old,new
c@not-example.co.jp,sales,old,new
"""


def entry(directory, config=WITH) -> DnsMxEntry:
    found = workspace.load(make(directory, config, ROWS, waves={})).config.routing[-1]
    assert isinstance(found, DnsMxEntry)
    return found


def test_mx_records_are_brought_into_the_spelling_in_which_they_are_compared(tmp_path):
    dns = entry(tmp_path)
    assert dns.says(Address("b@tokyo.example.co.jp"), NEW) == "10 mx1.new.example.co.jp., 20 mx2.new.example.co.jp."
    assert dns.says(Address("b@tokyo.example.co.jp"), OLD) == "10 a.example.co.jp., 10 mx.tokyo.example.co.jp."


def test_records_of_one_preference_are_in_the_order_of_the_names_that_they_come_to(tmp_path):
    config = WITH.replace("10 MX.{domain}, 10 a.example.co.jp", "10 mx.{domain}, 10 mx.example.co.jp")
    assert (
        entry(tmp_path, config).says(Address("b@z.example.co.jp"), OLD)
        == "10 mx.example.co.jp., 10 mx.z.example.co.jp."
    )


def test_it_serves_the_sub_domains_of_its_zone_and_never_the_main_domain(tmp_path):
    dns = entry(tmp_path)
    addresses = ("a@example.co.jp", "b@tokyo.example.co.jp", "c@not-example.co.jp")
    assert [dns.serves(Address(each)) for each in addresses] == [False, True, False]


def test_a_domain_that_is_a_zone_of_its_own_is_served(tmp_path):
    dns = entry(tmp_path, WITH.replace("zone: Example.CO.JP.", "zone: tokyo.example.co.jp"))
    addresses = ("a@example.co.jp", "b@tokyo.example.co.jp", "x@osaka.example.co.jp")
    assert [dns.serves(Address(each)) for each in addresses] == [False, True, False]


def test_the_place_is_built_with_its_mailboxes_and_its_key(tmp_path, monkeypatch):
    monkeypatch.setenv("TSIG", "c2VjcmV0")
    place = places(workspace.load(make(tmp_path, WITH, ROWS, waves={})))[-1]
    assert (place.name, place.routing.carries_mail, place.routing.freeze_value) == ("dns", True, None)
    assert place.serves([Address("a@example.co.jp"), Address("b@tokyo.example.co.jp")]) == ["b@tokyo.example.co.jp"]


@pytest.mark.parametrize(
    ("was", "now", "told"),
    [
        ("10 MX.{domain}, ", "10 mx.{local}.jp, ", "only {domain} can stand in it"),
        ("10 MX.{domain}, ", "10 10.0.0.2, ", "an MX record names a host, never an address; not 10.0.0.2"),
        ("10 MX.{domain}, ", "10 mx, ", "not the full name of a host: mx"),
        ("10 MX.{domain}, ", "mx.example.co.jp, ", "not MX records; write `PREFERENCE HOST`"),
        ("zone: Example.CO.JP.", "zone: user@example.co.jp", "not the name of a zone"),
        ("    zone:", '    servers: ["ns1.example.co.jp:x"]\n    zone:', "not a name server; write HOST"),
        ("    zone:", "    mode: freeze\n    zone:", "this place cannot hold mail back"),
        ("migrator-key, ", "migrator-key, algorithm: hmac-md5, ", "must be 'hmac-sha256'"),
    ],
)
def test_a_mistake_is_told(tmp_path, was, now, told):
    assert WITH.count(was) == 1
    found = problems(make(tmp_path, WITH.replace(was, now), ROWS, waves={}))
    assert [line for line in found if told in line] != [], found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ns1.example.co.jp", ("ns1.example.co.jp", 53)),
        ("10.0.0.1:5353", ("10.0.0.1", 5353)),
        ("2001:db8::1", ("2001:db8::1", 53)),
        ("[2001:db8::1]:5353", ("2001:db8::1", 5353)),
        ("[2001:db8::1]", ("2001:db8::1", 53)),
        ("::1", ("::1", 53)),
    ],
)
def test_a_name_server_is_a_host_with_or_without_a_port(text, found):
    assert host_and_port(text) == found


@pytest.mark.parametrize("text", ["", "ns1:0", "ns1:65536", "ns1 53", "[::1]53", "dns://ns1", ":53"])
def test_anything_else_is_none(text):
    with pytest.raises(ValueError, match="not a name server"):
        host_and_port(text)
