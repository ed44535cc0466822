"""Search filters with an address in them: what is filled in is never syntax, and whose entry is which."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ldap3.operation.search import compile_filter, parse_filter

from migrator.model.ldap_filter import Attributes, escape, template
from migrator.model.names import Address

A, B = Address("a@company.test"), Address("b@company.test")


def compared(text):
    """The values that a filter of equalities compares with, as ldap3 would send them; it shares no code with ours."""
    node = parse_filter(text, None, False, False, None, False).elements[0]
    both = compile_filter(node)["and"]
    return {bytes(both[number]["equalityMatch"]["assertionValue"]) for number in range(len(both))}


@given(st.text(min_size=1).filter(lambda text: text == text.strip()))  # what ldap3 strips is in no address
def test_whatever_is_filled_in_is_one_value_and_nothing_else(value):
    assert compared(f"(&(objectClass=person)(mail={escape(value)}))") == {value.encode(), b"person"}


def test_an_address_is_filled_in_whole_and_in_parts():
    text = template("(|(mail={address})(&(uid={local})(o={domain})))").fill(Address("x*y@company.test"))
    assert text == "(|(mail=x\\2ay@company.test)(&(uid=x\\2ay)(o=company.test)))"


def test_a_filter_of_many_finds_any_of_them():
    assert template("(mail={address})").any_of([A, B]) == "(|(mail=a@company.test)(mail=b@company.test))"


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("(mail={address})", [("mail", "{address}")]),
        ("(&(objectClass=x)(!(off=TRUE))(proxyAddresses=smtp:{address}))", [("proxyaddresses", "smtp:{address}")]),
        ("(|(mail={address})(mailLocalAddress={address}))", [("mail", "{address}"), ("maillocaladdress", "{address}")]),
        # here, an entry that is found does not say by itself for whom it was found
        ("(|(mail={address})(uid=admin))", []),
        ("(&(uid={local})(o={domain}))", []),
        ("(|(&(old=TRUE)(mail={address}))(mailLocalAddress={address}))", []),
        ("(!(mail={address}))", []),
        ("(mail={local}*)", []),
        ("(mail~={address})", []),
        ("(mail>={address})", []),
        ("(mail:caseExactMatch:={address})", []),
    ],
)
def test_whose_an_entry_is_can_be_told_only_by_a_value_that_decides_alone(text, keys):
    assert list(template(text).keys) == keys


def test_entries_are_given_to_those_whose_value_they_have_without_case():
    entries: list[Attributes] = [
        {"mail": (b"B@company.test", b"other@company.test")},
        {"mail": (b"x@company.test",)},
        {},
    ]
    assert list(template("(mail={address})").owners(entries, [A, B])) == [[B], [], []]


def test_an_entry_can_be_that_of_two_addresses():
    entries: list[dict[str, tuple[bytes, ...]]] = [{"mail": (b"a@company.test", b"b@company.test")}]
    (owners,) = template("(mail={address})").owners(entries, [A, B])
    assert set(owners) == {A, B}


def test_what_is_escaped_in_the_filter_is_compared_as_what_it_means():
    entries: list[dict[str, tuple[bytes, ...]]] = [{"mail": ("(ü)a@company.test".encode(),)}]
    assert list(template(r"(mail=\28\c3\bc\29{address})").owners(entries, [A])) == [[A]]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("mail={address}", "a parenthesis is missing"),
        ("(mail={address}", "not balanced"),
        ("(&(mail={address})", "not balanced"),
        ("(mail={address}))", "after its end"),
        ("({address})", "does not begin with attribute=value"),
        ("(!(mail={address})(a=b))", "takes one filter"),
        ("(mail={domain})", "{address} or {local}"),
        ("(mail=a@company.test)", "everybody has the same entry"),
        ("", "a parenthesis is missing"),
    ],
)
def test_what_is_no_filter_or_finds_everybody_the_same_is_refused(text, told):
    with pytest.raises(ValueError, match=told):
        template(text)
