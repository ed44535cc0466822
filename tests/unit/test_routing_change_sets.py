"""Whatever people do and leave undone, what the console may say is what it does say."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from migrator.model.names import Address, Ingress, Nexthop
from migrator.model.route import Flip, Flips
from migrator.routing.operator.change_sets import Book, plain

NAME, NOW = Ingress("console"), datetime(2026, 12, 5, tzinfo=UTC)
ADDRESSES = tuple(Address(f"{name}@x") for name in "abc")
VALUES = (None, Nexthop("old"), Nexthop("new"), Nexthop("third"))
DEEDS = st.lists(
    st.tuples(
        st.dictionaries(st.sampled_from(ADDRESSES), st.sampled_from(VALUES), min_size=1),
        st.sampled_from(["confirms", "does it silently", "does half of it", "does nothing", "finds another value"]),
    ),
    max_size=12,
)


def states(book, address):
    believed = book.confirmed[address].value if address in book.confirmed else VALUES[1]
    return (believed, *book.possible.get(address, ()))


def flips_to(book, wanted):
    """As `Manual.plan` makes them."""
    found = ((a, tuple(dict.fromkeys(states(book, a))), value) for a, value in wanted.items())
    return Flips(tuple(Flip(a, next(s for s in may if s != v), v) for a, may, v in found if may != (v,)))


@given(DEEDS)
def test_what_the_console_says_is_always_among_what_it_may_say(deeds):
    book = Book()
    console: dict[Address, Nexthop | None] = dict.fromkeys(ADDRESSES, VALUES[1])
    for wanted, deed in deeds:
        flips = flips_to(book, wanted)
        if not flips.changes:
            continue
        book, change = book.asking(NAME, flips, NOW)
        assert book.asking(NAME, flips, NOW) == (book, change)
        if deed == "confirms":
            console |= {flip.address: flip.wanted for flip in flips.changes}
            book = book.confirming(change, "sato", NOW)
            assert all(set(states(book, flip.address)) == {flip.wanted} for flip in flips.changes)
        elif deed == "does it silently":
            console |= {flip.address: flip.wanted for flip in flips.changes}
        elif deed == "does half of it":
            console[flips.changes[0].address] = flips.changes[0].wanted
        elif deed == "finds another value":
            first = flips.changes[0]
            other = next(v for v in VALUES if v not in (first.expected, first.wanted))
            if any(console[f.address] == f.wanted for f in flips.changes):
                continue  # somebody who looks sees that some of it is made: it is for them to make the rest
            console[first.address] = other  # by another hand, earlier
            book = book.denying(change, {first.address: other}, "sato", NOW)
        assert all(console[address] in states(book, address) for address in ADDRESSES)


def test_a_token_is_the_same_however_it_is_typed():
    _, change = Book().asking(NAME, Flips((Flip(ADDRESSES[0], None, VALUES[1]),)), NOW)
    assert {plain(form) for form in (change.token, change.token.lower(), change.token.replace("-", ""))} == {
        change.token
    }
