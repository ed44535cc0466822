"""Durations and sizes as people write them: `2m`, `10s`, `1h`, `20MB`."""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_OCTETS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


def parse_duration(text: object) -> timedelta:
    """`10s`, `2m`, `1h`, `1d` or a sum of them (`1h30m`). ValueError otherwise, and for more than 10,000 days."""
    if isinstance(text, timedelta):
        return text
    parts = re.findall(r"([0-9]{1,9})([smhd])", text) if isinstance(text, str) else []
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError("not a duration: write a number with s, m, h or d, like 30s, 2m or 1h30m")
    seconds = sum(int(number) * _SECONDS[unit] for number, unit in parts)
    if seconds > 10_000 * 86400:
        raise ValueError("a duration of more than 10,000 days")
    return timedelta(seconds=seconds)


def show_duration(duration: timedelta) -> str:
    """The shortest spelling that `parse_duration` reads back (whole seconds)."""
    rest, parts = round(duration.total_seconds()), []
    for unit in "dhms":
        count, rest = divmod(rest, _SECONDS[unit])
        parts += [f"{count}{unit}"] if count else []
    return "".join(parts) or "0s"


def parse_size(text: object) -> int:
    """Octets of `20MB`, `64KiB` or a plain number of octets. ValueError otherwise."""
    if isinstance(text, int) and not isinstance(text, bool) and text >= 0:
        return text
    found = re.fullmatch(r"([0-9]{1,12})\s?([A-Za-z]{1,3})", text) if isinstance(text, str) else None
    if not found or found[2].upper() not in _OCTETS:
        raise ValueError("not a size: write a number with B, KB, MB, GB, TB, KiB, MiB or GiB, like 20MB")
    return int(found[1]) * _OCTETS[found[2].upper()]


def _positive(duration: timedelta) -> timedelta:
    if not duration:
        raise ValueError("must be more than 0s")
    return duration


def _some(octets: int) -> int:
    if not octets:
        raise ValueError("must be more than 0")
    return octets


Duration = Annotated[timedelta, BeforeValidator(parse_duration), PlainSerializer(show_duration, return_type=str)]
PositiveDuration = Annotated[
    timedelta,
    BeforeValidator(lambda text: _positive(parse_duration(text))),
    PlainSerializer(show_duration, return_type=str),
]
Size = Annotated[int, BeforeValidator(parse_size)]
PositiveSize = Annotated[int, BeforeValidator(lambda text: _some(parse_size(text)))]
