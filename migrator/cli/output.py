"""Data on stdout: rows as a table, JSON, JSON lines or CSV. No value in them can steer a terminal or a spreadsheet."""

import csv
import io
import json
import re
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import datetime, timedelta
from enum import Enum, StrEnum
from itertools import chain

from migrator.model.names import neutral


class Format(StrEnum):
    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"


Row = Mapping[str, object]


def emit(rows: Iterable[Row], form: Format = Format.TABLE, columns: Sequence[str] | None = None) -> None:
    """Print `rows`; `columns` chooses and orders (default: the keys of the first row). No rows: an empty table or list.

    JSON keeps every key of a row; table and CSV have the columns only.
    """
    if form is Format.JSONL:
        for row in rows:
            print(safe_json(row))
        return
    listed = list(rows)
    names = list(columns if columns is not None else dict.fromkeys(chain.from_iterable(listed[:1])))
    if form is Format.JSON:
        print(safe_json(listed, indent=2))
    elif form is Format.CSV:
        sys.stdout.write(_csv(listed, names))
    elif listed:
        print(table([[_cell(row.get(name)) for name in names] for row in listed], names))


def emit_one(row: Row, form: Format = Format.TABLE) -> None:
    """Print one thing: a line a key (those without a value are left out), a JSON object, or a CSV of one row."""
    if form is Format.JSON:
        print(safe_json(row, indent=2))
    elif form is not Format.TABLE:
        emit([row], form)
    else:
        texts = {name: text for name, value in row.items() if (text := _cell(value))}
        wide = max((width(name) for name in texts), default=0)
        for name, text in texts.items():
            print(f"{name.replace('_', ' ')}{' ' * (wide - width(name))}  {text}".rstrip())


def safe_json(value: object, indent: int | None = None) -> str:
    """JSON in which control characters are escaped: C0 by JSON itself, DEL and C1 (and lone surrogates) here."""
    text = json.dumps(value, ensure_ascii=False, indent=indent, default=_plain)
    return re.sub(r"[\x7f-\x9f\ud800-\udfff]", lambda found: f"\\u{ord(found.group()):04x}", text)


def _plain(value: object) -> object:
    """What JSON has no word for: times in ISO 8601, durations in seconds, dataclasses as objects, sets sorted."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, frozenset | set):
        return sorted(value)
    return str(value)


def _cell(value: object) -> str:
    """A value as text for people: nothing for None, yes/no, times to the second on the clock of this machine.

    An error of several lines (the others begin with two spaces) becomes one.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return f"{value.astimezone():%Y-%m-%d %H:%M:%S}"
    if isinstance(value, Enum):
        return neutral(str(value.value))
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(_cell(one) for one in value)
    return neutral(str(value).replace("\n  ", " "))


def neutral_lines(text: str) -> str:
    """`text` with its line breaks kept, tabs as spaces, and every other control character made visible."""
    return "\n".join(neutral(line.expandtabs()) for line in text.split("\n"))


def table(rows: Sequence[Sequence[str]], names: Sequence[str]) -> str:
    """Aligned columns under upper-case names; numbers to the right; wide (East Asian) characters count two."""
    cells = [[name.upper().replace("_", " ") for name in names], *rows]
    widths = [max(width(row[number]) for row in cells) for number in range(len(names))]
    right = [
        bool(rows) and all(re.fullmatch(r"-?[0-9.,]*", row[number]) for row in rows) for number in range(len(names))
    ]
    return "\n".join(_line(row, widths, right) for row in cells)


def _line(row: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    padded = []
    for text, wide, to_the_right in zip(row, widths, right, strict=True):
        space = " " * (wide - width(text))
        padded.append(space + text if to_the_right else text + space)
    return "  ".join(padded).rstrip()


def width(text: str) -> int:
    """Columns that `text` takes on a terminal (Unicode UAX #11: wide and full-width two, combining marks none)."""
    if text.isascii():
        return len(text)
    return sum(
        0
        if unicodedata.category(letter) in ("Mn", "Me", "Cf")
        else 2
        if unicodedata.east_asian_width(letter) in "WF"
        else 1
        for letter in text
    )


def _csv(rows: Sequence[Row], names: Sequence[str]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    for row in rows:
        writer.writerow([_no_formula(row.get(name)) for name in names])
    return text.getvalue()


def _no_formula(value: object) -> str:
    """Text that a spreadsheet would take for a formula gets an apostrophe in front; numbers stay numbers."""
    text = value.isoformat(sep=" ", timespec="seconds") if isinstance(value, datetime) else _cell(value)
    formula = text.lstrip()[:1] in tuple("=+-@") and not isinstance(value, int | float)
    return f"'{text}" if formula else text


def size(octets: float) -> str:
    """Octets for people, in powers of 1,000."""
    for unit in ("B", "kB", "MB", "GB"):
        if octets < 1000:
            return f"{octets:.1f} {unit}" if unit != "B" else f"{octets:.0f} B"
        octets /= 1000
    return f"{octets:.1f} TB"
