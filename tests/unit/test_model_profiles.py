"""Which server is which, and what is known of each kind."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator.model import profiles
from migrator.model.profiles import (
    COURIER,
    CYRUS,
    DOMINO,
    DOVECOT,
    EXCHANGE,
    GMAIL,
    UNKNOWN,
    ZIMBRA,
    Profile,
    largest_message,
    objections,
    recognise,
)

COURIER_OFFERS = ("IMAP4REV1", "UIDPLUS", "THREAD=ORDEREDSUBJECT", "ACL", "ACL2=UNION")
ALL = [value for value in vars(profiles).values() if isinstance(value, Profile)]


@pytest.mark.parametrize(
    ("identity", "greeting", "offers", "expected"),
    [
        ({"name": "Dovecot"}, "* OK [CAPABILITY IMAP4rev1] Dovecot (Debian) ready.", (), DOVECOT),
        ({}, "* OK Dovecot ready.", (), DOVECOT),
        ({"name": "Cyrus IMAP", "version": "3.6.1"}, "", (), CYRUS),
        ({}, "* OK [CAPABILITY IMAP4rev1] mail.company.test Cyrus IMAP 3.6.1 server ready", (), CYRUS),
        ({}, "* OK [CAPABILITY IMAP4rev1] Courier-IMAP ready. Copyright 1998-2018", (), COURIER),
        ({"vendor": "Double Precision, Inc."}, "", (), COURIER),
        ({}, "", COURIER_OFFERS, COURIER),
        ({"name": "Microsoft.Exchange.Imap4.Imap4Server", "version": "15.20"}, "", (), EXCHANGE),
        ({}, "* OK The Microsoft Exchange IMAP4 service is ready.", (), EXCHANGE),
        ({"name": "GImap", "vendor": "Google, Inc."}, "", (), GMAIL),
        ({}, "* OK Gimap ready for requests from 127.0.0.1 k2if6111336rvb.0", (), GMAIL),
        ({}, "", ("X-GM-EXT-1",), GMAIL),
        ({"name": "Zimbra", "version": "8.8.12_GA_3803"}, "", (), ZIMBRA),
        ({}, "* OK mail.company.test Zimbra IMAP4rev1 server ready", (), ZIMBRA),
        ({}, "* OK Domino IMAP4 Server Release 10.0.1FP3 ready Wed, 30 Oct 2019 09:28:06 +0100", (), DOMINO),
        ({}, "* OK IMAP ready", ("IMAP4REV1",), UNKNOWN),
        ({"name": ""}, "", (), UNKNOWN),
        ({"name": "Zimbra"}, "* OK Dovecot ready.", (), ZIMBRA),  # a proxy greets, and passes the rest on
    ],
)
def test_a_server_is_recognised_by_what_it_says_of_itself(identity, greeting, offers, expected):
    assert recognise(identity, greeting, frozenset(offers)) is expected


@given(st.dictionaries(st.sampled_from(["name", "vendor", "version"]), st.text()), st.text(), st.frozensets(st.text()))
def test_whatever_a_server_says_it_gets_a_profile(identity, greeting, offers):
    assert recognise(identity, greeting, offers) in ALL


@pytest.mark.parametrize("character", '\\"%^|{}')
def test_what_cyrus_was_seen_to_refuse_is_told_and_nothing_else(character):
    (one,) = objections(CYRUS, ("plans", f"a{character}b"))
    assert (repr(character) in one, "refused" in one, profiles.MEASURED in one) == (True, True, True)


@pytest.mark.parametrize(
    ("profile", "path", "words"),
    [
        (COURIER, ("\U0001f600",), ["refused"]),
        (COURIER, ("日本語",), []),
        (COURIER, ("x" * 255,), ["255 octets in a name"]),
        (DOVECOT, ("x" * 254,), []),
        (DOVECOT, ("x" * 127, "y" * 127), ["255 octets in a name"]),
        (CYRUS, ("x" * 300,), []),
        (ZIMBRA, ("a:b",), ["refused"]),
        (ZIMBRA, ("x" * 128,), []),
        (ZIMBRA, ("日" * 129,), ["129 characters in a part"]),
        (DOMINO, ("日" * 21,), []),
        (DOMINO, ("日" * 22,), ["66 octets in a part"]),
        (DOMINO, ("x" * 60, "y" * 60, "z" * 60), ["182 octets in a name"]),
        (DOMINO, ("a_b",), ["a meaning of its own"]),
        (DOMINO, ("(old)",), ["nobody sees"]),
        (DOMINO, ("plans (old)",), []),
        (EXCHANGE, ('a:b"|', "x" * 300), []),  # nothing is known
        (UNKNOWN, ('a:b"|', "x" * 300), []),
    ],
)
def test_names_that_a_kind_of_server_does_not_take_as_they_are(profile, path, words):
    found = objections(profile, path)
    assert len(found) == len(words)
    assert all(word in text for word, text in zip(words, found, strict=True))


def test_what_a_server_says_of_its_limit_counts_before_what_is_known_of_its_kind():
    assert [largest_message(GMAIL, frozenset(c)) for c in ((), ("APPENDLIMIT",))] == [GMAIL.message_octets] * 2
    own = largest_message(GMAIL, frozenset({"APPENDLIMIT=1000"}))
    assert own is not None
    assert own.value == 1000
    assert largest_message(DOVECOT, frozenset({"IMAP4REV1"})) is None


def test_every_figure_names_its_source_and_what_is_quoted_its_year():
    for profile in ALL:
        figures = [getattr(profile, name) for name in profile.__dataclass_fields__ if name not in ("title", "names")]
        sources = [figure.source for figure in figures if isinstance(figure, profiles.Figure)]
        sources += [rule.source for rule in profile.names]
        assert all(profiles.MEASURED in source or re.search(r"\b20[0-9]{2}\b", source) for source in sources), sources
