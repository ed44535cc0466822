"""Digests: the same for any chunking, equal exactly where the ladder says that two messages are the same."""

from __future__ import annotations

import itertools
import re
from hashlib import blake2b

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from migrator.imap.digest import Digester, Digests, LadderDigester, digests, grade
from migrator.model.message import Grade

text = st.lists(
    st.sampled_from(
        [b"a", b"Subject: x", b"\r", b"\n", b"\r\n", b"\r\r\n", b"\n\n", b"\0", b"\x80", b"\xe3\x81", b"X"]
    ),
    max_size=30,
).map(b"".join)
cuts = st.lists(st.integers(0, 80), max_size=8)


def pieces(data: bytes, where: list[int]) -> list[bytes]:
    edges = sorted({min(cut, len(data)) for cut in where} | {0, len(data)})
    return [data[start:end] for start, end in itertools.pairwise(edges)]


def hashed(data: bytes) -> bytes:
    return blake2b(data, digest_size=16).digest()


def l4_of(data: bytes) -> bytes:
    """The canonical form after what Dovecot does to NUL and Cyrus to 8-bit headers, written the slow way."""
    canonical = data.replace(b"\r", b"").rstrip(b"\n").replace(b"\0", b"\x80")
    end = (b"\n" + canonical).find(b"\n\n")
    end = len(canonical) if end < 0 else end
    return hashed(re.sub(rb"[\x80-\xff]", b"X", canonical[:end]) + canonical[end:])


@settings(deadline=None)
@given(text, cuts)
@example(b"a\n\x80", [1])
def test_any_chunking_gives_the_same_digests(data: bytes, where: list[int]) -> None:
    digester, ladder = Digester(), LadderDigester()
    for piece in pieces(data, where):
        digester.update(memoryview(piece))
        ladder.update(memoryview(piece))
    assert digester.raw_size == len(data)
    assert digester.digest() == ladder.digest() == hashed(data.replace(b"\r", b"").rstrip(b"\n"))
    assert ladder.l4() == l4_of(data)
    assert digests(pieces(data, where)) == digests([data])


@settings(deadline=None)
@given(text, cuts)
def test_every_rung_is_the_rewriting_that_the_ladder_names(data: bytes, where: list[int]) -> None:
    found = digests(pieces(data, where))
    stripped = data.rstrip(b"\r\n")
    assert found.raw == hashed(data)
    assert found.l1 == hashed(re.sub(rb"\r*\n", b"\n", stripped))
    assert found.l2 == hashed(stripped.replace(b"\r", b""))
    assert found.l3 == hashed(stripped.replace(b"\r", b"").replace(b"\0", b"\x80"))


@settings(deadline=None)
@given(text)
def test_line_ends_that_servers_rewrite_do_not_change_the_digest(data: bytes) -> None:
    def l2(changed: bytes) -> bytes:
        digester = Digester()
        digester.update(changed)
        return digester.digest()

    crlf = re.sub(rb"\r*\n", b"\r\n", data)
    assert l2(data) == l2(crlf) == l2(crlf + b"\r\n") == l2(data.replace(b"\r", b""))


SOURCE = b"Subject: caf\xe9\r\n\r\nbody\0 with \xe9\r\nlone\rCR\r\n"


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (SOURCE, Grade.L0),
        (SOURCE.replace(b"\r\n", b"\n"), Grade.L1),
        (SOURCE + b"\r\n\r\n", Grade.L1),
        (SOURCE.replace(b"\r", b""), Grade.L2),
        (SOURCE.replace(b"\0", b"\x80"), Grade.L3),
        (SOURCE.replace(b"caf\xe9", b"cafX"), Grade.L4),
        (SOURCE.replace(b"caf\xe9", b"cafX").replace(b"\0", b"\x80").replace(b"\r", b""), Grade.L4),
        (SOURCE.replace(b"with \xe9", b"with X"), None),
        (SOURCE + b"more", None),
        (SOURCE[:-12], None),
    ],
)
def test_the_grade_is_the_best_rung_on_which_both_are_the_same(target: bytes, expected: Grade | None) -> None:
    source: Digests = digests([SOURCE])
    assert grade(source, digests([target])) == expected
