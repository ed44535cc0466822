"""What may go into a command line: everything is rebuilt, and nothing can end a line or a string."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from migrator.imap import grammar
from migrator.imap.errors import UnsafeValue
from migrator.imap.grammar import LiteralText
from migrator.imap.responses import expand, folder_name, internal_date
from migrator.model.flags import flag_fits, keep_safe_flags
from migrator.model.names import FolderName

FLAG_LIST = re.compile(rb"\((?:\\?[!#-'+,\-.-\[^-z|}~]+ ?)*\)")
zones = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@settings(deadline=None)
@given(st.text(max_size=20))
def test_a_flag_is_refused_or_is_one_atom(flag: str) -> None:
    if flag_fits(flag):
        assert FLAG_LIST.fullmatch(grammar.flag_list([flag]))
        assert grammar.flag_list([flag]).count(b" ") == 0
    else:
        with pytest.raises(UnsafeValue):
            grammar.flag_list([flag])


@pytest.mark.parametrize(
    "flag",
    [
        "\\Recent",
        "\\Foo",
        "",
        "a b",
        'a"b',
        "a)",
        "(a",
        "a\r\nz1 NOOP",
        "a{3}",
        "a*",
        "a%",
        "a\\b",
        "a]",
        "é",
        "k" * 256,
    ],
)
def test_flags_that_a_server_could_refuse_before_the_text_are_never_sent(flag: str) -> None:
    assert not flag_fits(flag)
    assert keep_safe_flags(frozenset({flag, "$Ok"})) == (frozenset({"$Ok"}), frozenset({flag}))


def test_flags_beyond_what_a_line_may_hold_are_left_out_in_a_stable_order() -> None:
    flags = frozenset(f"keyword{number:05d}" for number in range(900))
    kept, left = keep_safe_flags(flags)
    assert (kept | left, kept & left) == (flags, frozenset())
    assert max(kept) < min(left)
    assert 5_900 < len(grammar.flag_list(kept)) <= 6_002
    with pytest.raises(UnsafeValue):
        grammar.flag_list(flags)


def test_system_flags_are_spelled_as_the_standard_spells_them() -> None:
    assert grammar.flag_list(["\\SEEN", "\\deleted", "$MDNSent", "[Gmail"]) == b"($MDNSent [Gmail \\Deleted \\Seen)"
    assert grammar.flag_list([]) == b"()"


@settings(deadline=None)
@given(st.datetimes(datetime(1970, 1, 2), datetime(9999, 12, 30), timezones=zones))
def test_a_date_comes_back_as_the_same_instant_and_zone(date: datetime) -> None:
    text = grammar.quoted_date(date)
    assert re.fullmatch(rb'"\d\d-[A-Z][a-z]{2}-\d{4} \d\d:\d\d:\d\d [+-]\d{4}"', text)
    read = internal_date(text.strip(b'"'))
    assert (read, read.utcoffset()) == (date.replace(microsecond=0), date.utcoffset())


def test_the_epoch_in_a_western_zone_is_written_as_1970() -> None:
    date = datetime(1969, 12, 31, 16, tzinfo=timezone(timedelta(hours=-8)))
    assert grammar.quoted_date(date) == b'"01-Jan-1970 00:00:00 +0000"'


@pytest.mark.parametrize(
    "date",
    [
        datetime(2020, 1, 1),
        datetime(1969, 12, 31, tzinfo=UTC),
        datetime(1900, 1, 1, tzinfo=UTC),
        datetime(2020, 1, 1, tzinfo=timezone(timedelta(seconds=1))),
    ],
)
def test_dates_that_servers_misread_are_refused(date: datetime) -> None:
    assert not grammar.date_fits(date)
    with pytest.raises(UnsafeValue):
        grammar.quoted_date(date)


@settings(deadline=None)
@given(st.text(min_size=1, max_size=30))
def test_a_folder_name_is_refused_or_survives_and_cannot_leave_its_place(name: str) -> None:
    try:
        octets = grammar.folder_octets(FolderName(name))
    except UnsafeValue:
        assert any(ord(c) < 32 or 127 <= ord(c) < 160 or 0xD800 <= ord(c) < 0xE000 for c in name)
        return
    assert folder_name(octets) == name
    word = grammar.astring(octets)
    if isinstance(word, LiteralText):
        assert word == octets
    else:
        assert re.fullmatch(rb'"[ !#-\[\]-~]*"', word)


@pytest.mark.parametrize("name", ["", "a\r\nx CREATE b", "a\0b", "a\x7f", "a\x85", "\ud800"])
def test_names_with_control_characters_are_refused(name: str) -> None:
    with pytest.raises(UnsafeValue):
        grammar.folder_octets(FolderName(name))


@pytest.mark.parametrize("name", ['a"b', "a\\b", 'x" "y'])
def test_names_with_quotes_and_backslashes_go_as_literals(name: str) -> None:
    assert isinstance(grammar.astring(grammar.folder_octets(FolderName(name))), LiteralText)


@settings(deadline=None)
@given(st.sets(st.integers(1, 2**32 - 1), max_size=4000) | st.sets(st.integers(1, 9000), max_size=6000))
@example(set(range(1, 40_000, 2)))
@example(set(range(1, 40_000)))
def test_uid_sets_name_exactly_these_uids_in_short_lines(uids: set[int]) -> None:
    sets = grammar.uid_sets(list(uids))
    assert [uid for each in sets for uid in expand(each, len(uids))] == sorted(uids)
    assert all(len(each) <= 7_500 for each in sets)


@pytest.mark.parametrize("uids", [[0], [-1, 5], [2**32]])
def test_uids_beyond_what_imap_has_are_refused(uids: list[int]) -> None:
    with pytest.raises(ValueError, match="between"):
        grammar.uid_sets(uids)
