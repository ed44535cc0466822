"""The parser: any bytes in any pieces give the same lines and literals, and nothing grows without bound."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from migrator.imap.errors import ProtocolViolation
from migrator.imap.parser import LINE_CAP, LITERAL_CAP, Parser

Event = tuple[str, bytes]


def take(parser: Parser, events: list[Event]) -> None:
    """Take out all that is there; the pieces of a literal are joined."""
    while True:
        if parser.literal_left:
            chunk = parser.chunk()
            if chunk is None:
                return
            events[-1] = ("literal", events[-1][1] + bytes(chunk))
            continue
        line = parser.line()
        if line is None:
            return
        events.append(("line", line))
        if parser.literal >= 0:
            events.append(("literal", b""))


def parse(data: bytes, cuts: list[int], size: int = 64) -> list[Event]:
    parser, events = Parser(size), list[Event]()
    edges = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    for start, end in itertools.pairwise(edges):
        for at in range(start, end, max(1, size // 4)):  # no more than there is space for
            parser.feed(data[at : min(end, at + max(1, size // 4))])
            take(parser, events)
    return events


plain = st.binary(max_size=60).map(lambda text: text.replace(b"\r", b"r").replace(b"\n", b"n").replace(b"}", b")"))
response = st.one_of(
    plain.map(lambda text: [("line", b"* X" + text)]),
    st.tuples(plain, st.binary(max_size=300) | st.text("\r\na", max_size=99).map(str.encode), plain).map(
        lambda each: [
            ("line", b"* 1 FETCH (" + each[0] + b"{%d}" % len(each[1])),
            ("literal", each[1]),
            ("line", each[2]),
        ]
    ),
)


def encode(events: list[Event]) -> bytes:
    return b"".join(value + b"\r\n" if kind == "line" else value for kind, value in events)


@settings(deadline=None)
@given(st.lists(response, max_size=8), st.lists(st.integers(0, 3000), max_size=30), st.sampled_from([8, 64, 4096]))
@example([[("line", b"* 1 FETCH ({0}"), ("literal", b""), ("line", b")")]], [3], 64)
def test_any_chunking_gives_the_same_lines_and_literals(
    responses: list[list[Event]], cuts: list[int], size: int
) -> None:
    events = [event for each in responses for event in each]
    assert parse(encode(events), cuts, size) == events


@settings(deadline=None)
@given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=10))
def test_garbage_gives_the_same_events_for_any_chunking_or_is_refused(data: bytes, cuts: list[int]) -> None:
    def outcome(where: list[int]) -> object:
        try:
            return parse(data, where, 4096)
        except ProtocolViolation as error:
            return str(error)

    assert outcome(cuts) == outcome([])


def test_text_that_looks_like_a_literal_in_a_status_line_is_text() -> None:
    lines = [b"* OK see {3}", b"+ go on {3}", b"M1 NO try {99999999999}", b"* BYE {5}"]
    assert parse(b"\r\n".join(lines) + b"\r\n", []) == [("line", line) for line in lines]


def test_a_line_beyond_the_cap_is_refused_before_it_is_complete() -> None:
    parser = Parser()
    parser.feed(b"x" * LINE_CAP)
    assert parser.line() is None
    parser.feed(b"x")
    with pytest.raises(ProtocolViolation, match="line of more than"):
        parser.line()


def test_a_literal_beyond_the_cap_is_refused_when_it_is_announced() -> None:
    parser = Parser()
    parser.feed(b"* 1 FETCH (BODY[] {%d}\r\n" % (LITERAL_CAP + 1))
    with pytest.raises(ProtocolViolation, match="literal of"):
        parser.line()


def test_a_number_of_twenty_digits_is_refused_and_a_longer_one_is_no_literal() -> None:
    parser = Parser()
    parser.feed(b"* 1 FETCH (BODY[] {99999999999999999999}\r\n")
    with pytest.raises(ProtocolViolation):
        parser.line()


def test_a_literal_is_handed_out_as_views_of_the_buffer_in_constant_memory() -> None:
    parser = Parser(4096)
    parser.feed(b"* 1 FETCH (BODY[] {1000000}\r\n")
    parser.line()
    seen = 0
    while parser.literal_left:
        space = parser.space()
        parser.filled(min(len(space), 1_000_000 - seen))
        chunk = parser.chunk()
        assert chunk is not None
        assert chunk.obj is space.obj
        assert len(space) <= 4096
        seen += len(chunk)
    assert seen == 1_000_000


HEAD = re.compile(rb"\* (\d+) FETCH \(BODY\[\] \{(\d+)\}\r\n")


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=6), st.lists(st.integers(0, 1500), max_size=6))
def test_a_response_taken_whole_is_what_its_lines_and_chunks_would_have_been(
    literals: list[bytes], cuts: list[int]
) -> None:
    data = b"".join(b"* 7 FETCH (BODY[] {%d}\r\n%b)\r\n" % (len(each), each) for each in literals)
    parser, found = Parser(64), list[bytes]()
    edges = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    for start, end in itertools.pairwise(edges):
        for at in range(start, end, 16):
            parser.feed(data[at : min(end, at + 16)])
            while whole := parser.take_whole(HEAD, b")\r\n"):
                assert whole[0] == 7
                found.append(bytes(whole[1]))
    assert found == literals


@pytest.mark.parametrize("rest", [b"", b" UID 3)\r\n", b")", b"abcdefgh"])
def test_a_response_that_is_not_all_there_or_ends_otherwise_is_left_to_the_lines(rest: bytes) -> None:
    parser = Parser()
    parser.feed(b"* 7 FETCH (BODY[] {3}\r\nabc" + rest)
    assert parser.take_whole(HEAD, b")\r\n") is None
    assert parser.line() == b"* 7 FETCH (BODY[] {3}"
    assert parser.take_whole(HEAD, b")\r\n") is None
    assert bytes(parser.chunk() or b"") == b"abc"
