"""Whether an SPF record lets the new server send."""

from __future__ import annotations

import pytest

from migrator.routing.dns.spf import permits

HOSTS = {
    "mx.new.jp": ["10.0.0.2", "2001:db8::2"],
    "tokyo.jp": ["10.0.0.9"],
    "four.jp": ["10.0.7.1"],
}
EXCHANGES = {"tokyo.jp": ["mx.new.jp"], "other.jp": ["four.jp"]}


class Names:
    def __init__(self, **policies: str) -> None:
        self._policies = {name.replace("_", "."): text for name, text in policies.items()}
        self.asked = 0

    def addresses(self, host: str) -> list[str]:
        return HOSTS.get(host, [])

    def exchanges(self, domain: str) -> list[str]:
        return EXCHANGES.get(domain, [])

    def policy(self, domain: str) -> str | None:
        self.asked += 1
        return self._policies.get(domain)


@pytest.mark.parametrize(
    ("record", "verdict"),
    [
        ("v=spf1 ip4:10.0.0.2 -all", True),
        ("v=spf1 ip4:10.0.0.0/24 -all", True),
        ("v=spf1 ip4:10.0.1.0/24 -all", False),
        ("v=spf1 ip6:2001:db8::/32 -all", False),
        ("v=spf1 mx -all", True),
        ("v=spf1 MX -ALL", True),
        ("v=spf1 mx:other.jp -all", False),
        ("v=spf1 mx:other.jp/16 -all", True),
        ("v=spf1 a -all", False),
        ("v=spf1 a/28 -all", True),
        ("v=spf1 a//64 -all", False),
        ("v=spf1 a:mx.new.jp -all", True),
        ("v=spf1 -ip4:10.0.0.2 mx -all", False),
        ("v=spf1 ~all", False),
        ("v=spf1 ?all", False),
        ("v=spf1 +all", True),
        ("v=spf1", False),
        ("v=spf1 include:good.jp -all", True),
        ("v=spf1 include:bad.jp -all", False),
        ("v=spf1 include:bad.jp mx -all", True),
        ("v=spf1 redirect=good.jp", True),
        ("v=spf1 exp=why.jp redirect=bad.jp", False),
        ("v=spf1 include:tokyo.jp -all", None),
        ("v=spf1 exists:%{i}.list.jp -all", None),
        ("v=spf1 a:%{d}.jp -all", None),
        ("v=spf1 ptr -all", None),
        ("v=spf1 ip4:ten -all", None),
        (None, None),
    ],
)
def test_the_verdict_is_that_of_the_record_or_none_where_a_look_cannot_tell(record, verdict):
    names = Names(good_jp="v=spf1 ip4:10.0.0.2 -all", bad_jp="v=spf1 -all", **({"tokyo_jp": record} if record else {}))
    assert permits("10.0.0.2", "tokyo.jp", names) is verdict


def test_an_address_of_the_other_family_is_looked_for_in_its_own():
    names = Names(tokyo_jp="v=spf1 ip6:2001:db8::/32 -all")
    assert permits("2001:db8::2", "tokyo.jp", names) is True
    assert permits("2001:db8::2", "tokyo.jp", Names(tokyo_jp="v=spf1 a:mx.new.jp//64 -all")) is True
    assert permits("2001:db9::2", "tokyo.jp", Names(tokyo_jp="v=spf1 a:mx.new.jp/8//64 -all")) is False


def test_a_record_that_includes_itself_comes_to_an_end():
    names = Names(tokyo_jp="v=spf1 include:tokyo.jp -all")
    assert permits("10.0.0.2", "tokyo.jp", names) is None
    assert names.asked <= 12
