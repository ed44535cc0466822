"""The waves' windows as an iCalendar file (RFC 5545), for calendars that people have. Pure."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from migrator.model.wave import Wave

OCTETS = 75  # of a line, without its end (RFC 5545, 3.1)


def icalendar(waves: Iterable[Wave], domain: str, now: datetime) -> str:
    """An event for each wave that has a window; times in UTC, so that every calendar shows them in its own zone.

    An event keeps its UID, so that a calendar that reads the file again moves it and makes no second one.
    """
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//migrator//wave calendar//EN", "METHOD:PUBLISH"]
    for wave in waves:
        lines += _event(wave, domain, now)
    lines.append("END:VCALENDAR")
    return "".join(f"{folded}\r\n" for line in lines for folded in fold(line))


def _event(wave: Wave, domain: str, now: datetime) -> list[str]:
    if wave.window is None:
        return []
    many = "1 mailbox" if len(wave.mailboxes) == 1 else f"{len(wave.mailboxes):,} mailboxes"
    return [
        "BEGIN:VEVENT",
        f"UID:{escape(wave.name)}@{escape(domain)}",
        f"DTSTAMP:{_utc(now)}",
        f"DTSTART:{_utc(wave.window.start)}",
        f"DTEND:{_utc(wave.window.end)}",
        f"SUMMARY:{escape(f'Mail moves: {wave.name} to {wave.target} ({many})')}",
        f"DESCRIPTION:{escape('Departments: ' + ', '.join(wave.departments))}",
        "END:VEVENT",
    ]


def _utc(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def escape(text: str) -> str:
    """`text` as a TEXT value (RFC 5545, 3.3.11)."""
    for what in ("\\", ";", ","):
        text = text.replace(what, "\\" + what)
    return text.replace("\r\n", "\\n").replace("\n", "\\n").replace("\r", "\\n")


def fold(line: str) -> Iterator[str]:
    """`line` in parts of at most 75 octets, the later ones behind a space; no character is cut (RFC 5545, 3.1)."""
    part, room = "", OCTETS
    for letter in line:
        size = len(letter.encode())
        if size > room:
            yield part
            part, room = " ", OCTETS - 1
        part, room = part + letter, room - size
    yield part
