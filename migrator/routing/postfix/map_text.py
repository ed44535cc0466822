"""The text of a Postfix map: what it says, and edits that leave everything else as the operator wrote it.

The rules are those of postmap(1) and transport(5): blank lines and lines whose first character is `#` are skipped; a
line that starts with white space continues the one before; a key ends at the first white space outside quotes; keys
are compared without case; of doubled keys the first counts.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from migrator.model.names import Address, Nexthop, has_control, neutral
from migrator.routing import text_lines
from migrator.routing.errors import MapInvalid, ValueUnwritable, listing

_SPACE = " \t\n\v\f\r"  # C's isspace(): str.split() would take U+3000 for white space too
_KEY = re.compile(r'(?:\\.|"(?:\\.|[^"\\])*"|[^\\" \t\n\v\f\r])+(?=[ \t\n\v\f\r]|$)', re.DOTALL)
_UNCLEAN = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\ud800-\udfff]")  # control characters but tab; octets not UTF-8
_AFTER_KEY = re.compile(r"(?P<separator>[ \t\v\f]*).*?(?P<ending>\r?\n?)\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: `key` folded, `raw_key` as written, `lines` the indices (from 0) of the lines that it occupies."""

    key: str
    raw_key: str
    value: str
    lines: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Ignored:
    """A line (from 1) that Postfix leaves out, with the reason."""

    line: int
    reason: str


@dataclass(frozen=True)
class MapText:
    """A map's text, taken apart: `lines` with their endings; `doubled` maps a key to all its lines (from 1)."""

    lines: tuple[str, ...]
    entries: Mapping[str, Entry]
    doubled: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    ignored: tuple[Ignored, ...] = ()

    def values(self) -> dict[str, str]:
        """What Postfix makes of the text: folded key to value."""
        return {key: entry.value for key, entry in self.entries.items()}


def fold(key: str) -> str:
    """A key as Postfix compares it."""
    return key.casefold()


def parse(text: str) -> MapText:
    """Take a map's text apart. Never fails: what Postfix would leave out is listed in `ignored`."""
    lines = text_lines.split(text)
    entries: dict[str, Entry] = {}
    doubled: dict[str, tuple[int, ...]] = {}
    ignored: list[Ignored] = []
    for indices in _logical_lines(lines):
        entry = _entry(lines, indices)
        if isinstance(entry, Ignored):
            ignored.append(entry)
        elif entry.key in entries:
            before = doubled.get(entry.key, (entries[entry.key].lines[0] + 1,))
            doubled[entry.key] = (*before, indices[0] + 1)
        else:
            entries[entry.key] = entry
    return MapText(lines, entries, doubled, tuple(ignored))


def edit(text: MapText, changes: Mapping[Address, Nexthop | None]) -> str:
    """The text with each address's value set, or its entry removed (None); all other lines stay as they are.

    MapInvalid when one of the addresses has more than one entry; ValueUnwritable for what a map line cannot hold.
    """
    return text_lines.join(*_edited(text, changes))


def diff(text: MapText, changes: Mapping[Address, Nexthop | None], file: str) -> str:
    """What `edit` would do, as a unified diff without context; empty when nothing. Errors as `edit`."""
    return text_lines.diff(text.lines, *_edited(text, changes), file)


def refuse_doubled(text: MapText, addresses: tuple[Address, ...]) -> None:
    """MapInvalid, with line numbers, when one of `addresses` has two entries: which counts depends on postmap."""
    found = [(address, text.doubled[fold(address)]) for address in addresses if fold(address) in text.doubled]
    if found:
        lines = [f"{address}: lines {', '.join(map(str, numbers))}" for address, numbers in found]
        raise MapInvalid(
            f"entries are doubled in the map, so that it is not clear which of them counts:{listing(lines)}",
            remedy="Leave one entry for each of these addresses, run postmap, and run again.",
        )


def refuse_undecodable(text: MapText) -> None:
    """MapInvalid when an entry is not UTF-8, or holds NUL: whether Postfix heeds it depends on its configuration."""
    suspect = [entry for entry in text.entries.values() if _UNCLEAN.search(f"{entry.key}\t{entry.value}")]
    if suspect:
        lines = [f"line {entry.lines[0] + 1}: {_visible(entry.raw_key)}" for entry in suspect]
        raise MapInvalid(
            f"entries hold octets that are not UTF-8 text:{listing(lines)}",
            remedy="Correct or remove these lines, run postmap, and run again.",
        )


def refuse_unwritable(address: Address, value: Nexthop | None) -> None:
    """ValueUnwritable for an address or a value that no map of Postfix could give back."""
    if address.startswith("#") or has_control(address) or _KEY.fullmatch(address) is None:
        raise ValueUnwritable(f"{neutral(address)!r} cannot be a key of a Postfix map", remedy="Leave it out.")
    if value is not None and (_UNCLEAN.search(value) or not value or value != value.strip(_SPACE)):
        raise ValueUnwritable(
            f"{_visible(value)!r} cannot be a value of a Postfix map (for {address})",
            remedy="Write it on one line, without control characters and without white space at its ends.",
        )


def _logical_lines(lines: tuple[str, ...]) -> Iterator[tuple[int, ...]]:
    current: list[int] = []
    for index, line in enumerate(lines):
        content = line.lstrip(_SPACE)
        if not content or content.startswith("#"):
            continue
        if line[0] not in _SPACE and current:
            yield tuple(current)
            current = []
        current.append(index)
    if current:
        yield tuple(current)


def _entry(lines: tuple[str, ...], indices: tuple[int, ...]) -> Entry | Ignored:
    whole = "".join(lines[index].rstrip("\n") for index in indices) if len(indices) > 1 else lines[indices[0]]
    number = indices[0] + 1
    if whole[0] in _SPACE:
        return Ignored(number, "it starts with white space, and there is no entry before it that it could continue")
    key = _KEY.match(whole)
    if key is None:
        return Ignored(number, "its quotes are not balanced")
    value = whole[key.end() :].strip(_SPACE)
    if not value:
        return Ignored(number, "it has a key and no value")
    return Entry(fold(key.group()), key.group(), value, indices)


def _edited(text: MapText, changes: Mapping[Address, Nexthop | None]) -> tuple[list[str], list[str]]:
    """The lines as they become, index by index (a removed one is empty), and those that are added at the end."""
    refuse_doubled(text, tuple(changes))
    lines, added = list(text.lines), []
    for address, value in changes.items():
        refuse_unwritable(address, value)
        entry = text.entries.get(fold(address))
        if entry is not None:
            _replace(lines, entry, value)
        elif value is not None:
            added.append(f"{address}\t{value}\n")
    return lines, added


def _replace(lines: list[str], entry: Entry, value: Nexthop | None) -> None:
    first, *continued = entry.lines
    shape = _AFTER_KEY.match(lines[first], len(entry.raw_key))
    assert shape is not None
    separator = shape["separator"] or "\t"
    lines[first] = "" if value is None else f"{entry.raw_key}{separator}{value}{shape['ending']}"
    for index in continued:
        lines[index] = ""


def _visible(text: str) -> str:
    return neutral(text.encode("utf-8", "backslashreplace").decode("utf-8"))
