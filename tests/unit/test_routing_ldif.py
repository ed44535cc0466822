"""LDIF by which `ldapmodify` puts values back: what could be taken for something else is written in base64."""

import base64

from hypothesis import example, given
from hypothesis import strategies as st

from migrator.routing.ldap.ldif import line, replacing


@given(st.text())
@example("ends in a space ")
@example("ü")
@example(": begins with a colon")
def test_a_line_says_its_value_whatever_that_is(value):
    written = line("mailHost", value)
    name, _, rest = written.removesuffix("\n").partition(":")
    assert (name, "\n" in rest, written.isascii()) == ("mailHost", False, True)
    if rest.startswith(": "):
        assert base64.b64decode(rest[2:]).decode() == value
    else:
        assert rest == f" {value}"
        assert not value.startswith((" ", ":", "<"))
        assert not value.endswith(" ")


def test_plain_values_stay_readable():
    assert line("mailTransport", "lmtp:inet:[new.test]:24") == "mailTransport: lmtp:inet:[new.test]:24\n"
    assert line("dn", "uid=営業,dc=test") == f"dn:: {base64.b64encode('uid=営業,dc=test'.encode()).decode()}\n"


def test_a_record_gives_the_attribute_exactly_the_values_that_it_had():
    head = "dn: uid=a,dc=test\nchangetype: modify\nreplace: mailHost\n"
    assert replacing("uid=a,dc=test", "mailHost", ["old.test"]) == head + "mailHost: old.test\n-\n\n"
    assert replacing("uid=a,dc=test", "mailHost", []) == head + "-\n\n"
