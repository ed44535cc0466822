"""Ways of mail through places: where each ends, and which go in a circle."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator.model.names import Address, Ingress, Nexthop, ServerName
from migrator.waves.ways import Stop, Way, astray, destination, follow

A = Address("a@example.co.jp")
OLD, NEW = ServerName("old"), ServerName("new")
TO_OLD, TO_NEW = Nexthop("smtp:[mail.example.co.jp]:25"), Nexthop("lmtp:inet:[new.example.co.jp]:24")
BACK = Nexthop("smtp:[gw.example.co.jp]")


def stop(name: str, said: str | None, listens: str = "", at: ServerName | None = None) -> Stop:
    means = {OLD: None if at == OLD else TO_OLD, NEW: None if at == NEW else TO_NEW}
    place = frozenset({(listens, 25)}) if listens else frozenset()
    return Stop(Ingress(name), place, at, {A: None if said is None else Nexthop(said)}, {A: means})


def way(*stops: Stop) -> Way:
    return follow(A, stops[0], stops)


@pytest.mark.parametrize(
    ("nexthop", "expected"),
    [
        ("smtp:[Mail.Example.CO.JP]:2525", ("mail.example.co.jp", 2525)),
        ("smtp:[mail.example.co.jp]", ("mail.example.co.jp", 25)),
        ("lmtp:inet:[10.0.0.2]:24", ("10.0.0.2", 24)),
        ("lmtp:inet:new.example.co.jp:24", ("new.example.co.jp", 24)),
        ("lmtp:inet:[::1]", ("::1", 24)),
        ("relay:[gw.example.co.jp]:submission", ("gw.example.co.jp", 587)),
        ("10 mx.new.example.co.jp.", ("mx.new.example.co.jp", 25)),
        ("new.example.co.jp", ("new.example.co.jp", 25)),
        ("10.0.0.2:143", ("10.0.0.2", 143)),
        ("a@new.example.co.jp", None),
        ("lmtp:unix:private/dovecot", None),
        ("retry:4.7.0 mailbox is being moved, try again", None),
        ("local:", None),
    ],
)
def test_the_host_and_port_that_a_nexthop_names(nexthop, expected):
    assert destination(Nexthop(nexthop)) == expected


@given(st.text(max_size=60))
def test_no_text_is_too_odd_for_a_nexthop(text):
    destination(Nexthop(text))


def test_mail_ends_on_the_server_for_which_the_place_says_that():
    assert way(stop("gateway", TO_NEW)).ends == NEW
    assert way(stop("gateway", TO_OLD)).ends == OLD


def test_mail_is_followed_through_a_place_that_takes_it_in():
    old_mta = stop("old-mta", TO_NEW, "mail.example.co.jp", at=OLD)
    found = way(stop("gateway", TO_OLD, "gw.example.co.jp"), old_mta)
    assert (found.through, found.ends) == (("gateway", "old-mta"), NEW)


def test_a_server_s_own_place_without_an_entry_delivers_at_home():
    assert way(stop("gateway", TO_OLD), stop("old-mta", None, "mail.example.co.jp", at=OLD)).ends == OLD


def test_places_that_send_mail_to_each_other_are_a_loop():
    found = way(stop("gateway", TO_OLD, "gw.example.co.jp"), stop("old-mta", BACK, "mail.example.co.jp", at=OLD))
    assert found.loops
    assert str(found) == f"{A}: gateway > old-mta > gateway ends in a loop"


def test_a_place_that_sends_to_itself_is_a_loop():
    assert way(stop("gateway", BACK, "gw.example.co.jp")).loops


def test_what_loops_or_ends_elsewhere_is_astray_and_what_nobody_knows_is_not():
    loop = way(stop("gateway", BACK, "gw.example.co.jp"))
    wrong, right, lost = way(stop("x", TO_OLD)), way(stop("x", TO_NEW)), way(stop("x", "smtp:[nobody.example]"))
    assert astray([loop, wrong, right, lost], {A: NEW}) == [loop, wrong]
    assert lost.ends is None


@given(st.lists(st.integers(0, 5), min_size=6, max_size=6), st.integers(0, 5))
def test_every_way_ends_or_loops(onward, start):
    """Places that hand mail on at random: no way is followed for ever, and a loop is a place that comes twice."""
    stops = [stop(f"p{n}", f"smtp:[p{to}.example.co.jp]", f"p{n}.example.co.jp") for n, to in enumerate(onward)]
    found = follow(A, stops[start], stops)
    assert found.loops
    assert len(set(found.through)) == len(found.through) - 1
