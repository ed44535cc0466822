"""Flags and UIDs are written compactly, and read back as they were."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator.state.codes import flags_of, flags_text, uids_of, uids_text

SYSTEM = ["\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft"]
ATOMS = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters='(){%*"]'), min_size=1)


@given(st.frozensets(st.sampled_from(SYSTEM) | ATOMS))
def test_flags_survive_being_written(flags: frozenset[str]) -> None:
    assert flags_of(flags_text(flags)) == flags


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        ([], ""),
        (["\\Seen"], "S"),
        (["\\Flagged", "$Forwarded", "\\Seen", "$MDNSent"], "FS $Forwarded $MDNSent"),
        (["S"], " S"),
        (["\\seen"], " \\seen"),
    ],
)
def test_usual_flags_take_a_letter_and_keywords_stay_readable(flags: list[str], text: str) -> None:
    assert flags_text(frozenset(flags)) == text


def test_memory_of_flags_is_bounded() -> None:
    for number in range(10_000):
        flags = frozenset({f"keyword{number}"})
        assert flags_of(flags_text(flags)) == flags
    from migrator.state import codes

    assert len(codes._flags_seen) <= codes._REMEMBERED


@given(st.lists(st.integers(1, 2**32 - 1)) | st.lists(st.integers(1, 30)))
def test_uids_survive_being_written_in_their_order(uids: list[int]) -> None:
    assert uids_of(uids_text(uids)) == tuple(uids)


def test_a_run_of_uids_is_written_as_a_range() -> None:
    assert uids_text([3, 4, 5, 9, 8]) == "3:5,9,8"
    assert uids_text([]) == ""


def test_the_records_are_importable_without_a_database_library() -> None:
    program = "import sys, migrator.state, migrator.state.errors; sys.exit('sqlalchemy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
