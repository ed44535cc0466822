"""Responses: what well-formed ones mean, and that nothing else than ProtocolViolation comes of garbage."""

from __future__ import annotations

import contextlib
import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from migrator.imap import Session
from migrator.imap.errors import ProtocolViolation
from migrator.imap.responses import (
    UNKNOWN_DATE,
    Token,
    backoff,
    expand,
    folder_name,
    internal_date,
    status_line,
    tokens,
)
from migrator.model.errors import MigratorError
from migrator.model.names import FolderName
from tests.unit.imap_script import Peer, session

ATOM = re.compile(rb"[!#-'*-Z\\^-z|}~\]\[]+")
values = st.recursive(
    st.none() | st.binary(max_size=12), lambda inner: st.lists(inner, max_size=4), max_leaves=15
)  # fmt: skip


def encode(value: Token, parts: list[bytes]) -> None:
    """Write `value` the way a server would; `parts` is [line, literal, line, ...]."""
    if value is None:
        parts[-1] += b"NIL"
    elif isinstance(value, list):
        parts[-1] += b"("
        for number, inner in enumerate(value):
            parts[-1] += b" " if number else b""
            encode(inner, parts)
        parts[-1] += b")"
    elif ATOM.fullmatch(value) and value.upper() != b"NIL" and value.count(b"[") == value.count(b"]") == 0:
        parts[-1] += value
    elif len(value) % 2 and not set(b"\r\n\0") & set(value):
        parts[-1] += b'"' + value.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
    else:
        parts[-1] += b"{%d}" % len(value)
        parts += [value, b""]


@settings(deadline=None)
@given(st.lists(values, min_size=1, max_size=5))
def test_what_a_server_writes_is_read_as_what_it_meant(meant: list[Token]) -> None:
    parts = [b"* "]
    for number, value in enumerate(meant):
        parts[-1] += b" " if number else b""
        encode(value, parts)
    parts[0] = parts[0][2:]
    assert tokens(parts) == meant


@settings(deadline=None)
@given(st.lists(st.binary(max_size=60), min_size=1, max_size=5))
@example([b'"' * 20_001])
@example([b"[" * 20_000])
@example([b"(" * 20_000])
@example([b'"\\'])
def test_garbage_is_read_or_refused(parts: list[bytes]) -> None:
    with contextlib.suppress(ProtocolViolation):
        tokens(parts)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (b"OK [UIDNEXT 5] Predicted", ("OK", "UIDNEXT", b"5", "Predicted")),
        (b"no [overquota] full", ("NO", "OVERQUOTA", b"", "full")),
        (b"OK", ("OK", "", b"", "")),
        (b"OK done", ("OK", "", b"", "done")),
        (b"OK [PERMANENTFLAGS (\\Seen \\*)] Limited", ("OK", "PERMANENTFLAGS", b"(\\Seen \\*)", "Limited")),
        (b"NO [", ("NO", "", b"", "[")),
        (b"NO \xff", ("NO", "", b"", "\ufffd")),
        (b"FETCH 1", None),
        (b"OKAY", None),
    ],
)
def test_a_status_response_gives_its_code_and_words(line: bytes, found: tuple[str, str, bytes, str] | None) -> None:
    status = status_line(line)
    assert (status and (status.status, status.code, status.args, status.text)) == found


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Suggested Backoff Time: 1500 milliseconds", 1.5),
        ("backoff 2 seconds", 2),
        ("Request is throttled. Suggested Backoff Time: 299961 milliseconds", 299.961),
        ("no hint", None),
    ],
)
def test_a_hint_to_back_off_is_read_in_seconds(text: str, seconds: float | None) -> None:
    assert backoff(text) == seconds


def test_dates_are_read_as_instants_with_their_zone() -> None:
    jst = timezone(timedelta(hours=9))
    assert internal_date(b"09-May-2020 01:02:03 +0900") == datetime(2020, 5, 9, 1, 2, 3, tzinfo=jst)
    assert internal_date(b" 9-may-2020 01:02:03 +0900") == datetime(2020, 5, 9, 1, 2, 3, tzinfo=jst)
    assert internal_date(b"31-Dec-1969 16:00:00 -0800") == datetime(1970, 1, 1, tzinfo=UTC)
    assert internal_date(b"30-Jun-2015 23:59:60 +0000") == datetime(2015, 6, 30, 23, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"00-Jan-0000 00:00:00 +0000",
        b"31-Feb-2020 00:00:00 +0000",
        b"garbage",
        b"09-Mai-2020 01:02:03 +0000",
        b"09-May-2020 01:02:03 +9999",
    ],
)
def test_a_date_that_is_none_is_marked_as_unknown(text: bytes) -> None:
    assert internal_date(text) is UNKNOWN_DATE


@pytest.mark.parametrize(
    ("uid_set", "uids"), [(b"1:3,7", [1, 2, 3, 7]), (b"5", [5]), (b"3:1", [1, 2, 3]), (b"9,1", [9, 1])]
)
def test_a_uid_set_is_expanded_in_its_order(uid_set: bytes, uids: list[int]) -> None:
    assert expand(uid_set, 10) == uids


@pytest.mark.parametrize(
    "uid_set", [b"", b"1:", b":1", b"1:*", b"a", b"1,,2", b"1:4294967295", b"1:6", b"1:2:3", b"9" * 30]
)
def test_a_uid_set_that_is_none_or_names_too_many_is_refused(uid_set: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        expand(uid_set, 5)


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (b"&Tgtm+DBN-", "下書き"),
        (b"R&-D", "R&D"),
        ("下書き".encode(), "下書き"),
        (b"caf\xe9", "café"),
        (b"&", "&"),
        (b"&&&", "&&&"),
        (b"&2AA-", "&2AA-"),
    ],
)
def test_a_folder_name_is_decoded_whatever_the_server_does(raw: bytes, name: str) -> None:
    assert folder_name(raw) == name or name.startswith("&")
    folder_name(raw).encode("utf-8")


@settings(deadline=None)
@given(st.binary(max_size=20))
def test_any_octets_are_some_name_that_can_be_written_down(raw: bytes) -> None:
    folder_name(raw).encode("utf-8")


# whole sessions against a server that says anything

SAID = [
    b'* LIST (\\HasNoChildren \\Sent) "/" "Sent"\r\n',
    b'* LSUB () "/" INBOX\r\n',
    b'* LIST () "/"\r\n',
    b"* STATUS INBOX (MESSAGES 3 UIDNEXT 4 UIDVALIDITY 5)\r\n",
    b"* STATUS INBOX NIL\r\n",
    b"* 3 EXISTS\r\n",
    b"*  EXISTS\r\n",
    b"* OK [UIDVALIDITY 7] x\r\n",
    b"* OK [UIDVALIDITY] x\r\n",
    b"* OK [PERMANENTFLAGS (\\Seen \\*)] x\r\n",
    b"* SEARCH 1 2 3\r\n",
    b"* SEARCH a\r\n",
    b'* ESEARCH (TAG "M2") UID ALL 1:3\r\n',
    b'* ESEARCH (TAG "M2") UID ALL ,\r\n',
    b'* NAMESPACE (("" "/")) NIL NIL\r\n',
    b"* NAMESPACE () NIL NIL\r\n",
    b'* NAMESPACE ((""))\r\n',
    b"* NAMESPACE \r\n",
    b"* OK [COPYUID 5 1:2 7:8] x\r\n",
    b"* OK [COPYUID 5 1:2 7] x\r\n",
    b'* 1 FETCH (UID 7 FLAGS (\\Seen) INTERNALDATE "01-Jan-2020 00:00:00 +0000" RFC822.SIZE 3)\r\n',
    b"* 1 FETCH (UID 7 FLAGS x INTERNALDATE (y) RFC822.SIZE 3)\r\n",
    b"* 1 FETCH (UID 7 BODY[] {3}\r\nabc)\r\n",
    b"* 1 FETCH (UID 7 BODY[] (x))\r\n",
    b"* 1 FETCH (BODY[HEADER.FIELDS (X)] {4}\r\nX: y UID 7)\r\n",
    b"* 1 FETCH (BODY[HEADER.FIELDS (X)] (x) UID 7)\r\n",
    b"M2 OK done\r\n",
    b"M2 OK [COPYUID 5 1:2 7] done\r\n",
    b"M3 OK done\r\n",
    b"M2 NO [LIMIT] no\r\n",
    b"M2 BAD no\r\n",
    b"+ go\r\n",
    b"* BYE\r\n",
    *(b"(", b")", b"{3}\r\n", b'"', b" NIL ", b"\xff"),
]
CALLS = {
    "folders": lambda it: it.folders(),
    "namespace": lambda it: it.namespace,
    "status": lambda it: it.status(FolderName("INBOX")),
    "select": lambda it: it.select(FolderName("INBOX")),
    "create": lambda it: it.create(FolderName("x")),
    "uids": lambda it: it.uids(),
    "scan": lambda it: it.scan("1:*"),
    "scan_header": lambda it: it.scan_header([7], "X"),
    "bodies": lambda it: [b"".join(map(bytes, body.chunks)) for body in it.bodies([7])],
    "move": lambda it: it.move([1, 2], FolderName("x")),
}


@settings(deadline=None, max_examples=300)
@given(
    st.sampled_from(sorted(CALLS)),
    st.lists(st.sampled_from(SAID) | st.binary(max_size=5), max_size=8),
    st.sampled_from([b"IMAP4rev1", b"IMAP4rev1 LIST-EXTENDED LIST-STATUS MOVE ESEARCH NAMESPACE"]),
)
@example("namespace", [b"* NAMESPACE () NIL NIL\r\n"], b"NAMESPACE")
@example("namespace", [b'* NAMESPACE ((""))\r\n'], b"NAMESPACE")
@example("namespace", [b"* NAMESPACE \r\n"], b"NAMESPACE")
@example("move", [b"M2 OK done\r\n* OK [COPYUID 5 1:2 7] x\r\n"], b"MOVE")
def test_whatever_a_server_says_a_call_returns_or_raises_a_migrator_error(
    call: str, said: list[bytes], capabilities: bytes
) -> None:
    def play(peer: Peer) -> None:
        peer.read()
        peer.raw(b"".join([*said, b"M2 OK done\r\nM3 OK done\r\n"]))

    with session(play, capabilities) as connected, contextlib.suppress(MigratorError):
        CALLS[call](connected)


def test_every_call_of_that_test_exists() -> None:
    assert all(hasattr(Session, call) for call in CALLS)
