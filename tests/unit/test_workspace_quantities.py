"""Durations and sizes."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migrator.workspace.quantities import parse_duration, parse_size, show_duration


@pytest.mark.parametrize(
    ("text", "seconds"), [("10s", 10), ("2m", 120), ("1h", 3600), ("1h30m", 5400), ("2d", 172800), ("0s", 0)]
)
def test_durations_are_numbers_with_units(text, seconds):
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "10", "10 s", "s", "-1s", "1.5h", "1w", "10S", 10, None, "999999999d", "１s"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


@settings(deadline=None)
@given(st.integers(0, 10**8))
def test_a_duration_that_was_shown_is_read_back_the_same(seconds):
    assert parse_duration(show_duration(timedelta(seconds=seconds))) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("text", "octets"), [("20MB", 20_000_000), ("64KiB", 65536), ("1 GB", 10**9), ("5B", 5), (42, 42), ("1tb", 10**12)]
)
def test_sizes_are_numbers_with_units(text, octets):
    assert parse_size(text) == octets


@pytest.mark.parametrize("text", ["", "MB", "1.5GB", "-1MB", "1XB", -1, True, None, "1MBps"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(ValueError, match="size"):
        parse_size(text)
