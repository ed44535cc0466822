"""A report as Markdown. Whatever comes from servers, mail or people is escaped: it stays text, on its line."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from migrator.model.estimate import words
from migrator.model.message import Grade
from migrator.model.names import neutral
from migrator.reports.forecast import Forecast
from migrator.reports.light import findings
from migrator.reports.report import MailboxRow, Report

if TYPE_CHECKING:
    from jinja2 import Environment

EXAMPLES = 10  # messages shown of each class; the JSON form has them all
MEANING = {
    Grade.L0: "the same bytes",
    Grade.L1: "line endings were normalised",
    Grade.L2: "carriage returns were removed",
    Grade.L3: "NUL octets were replaced",
    Grade.L4: "8-bit octets in headers were replaced",
}
_UNSEEN = re.compile(r"[\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")  # invisible, turning, or no text
_SPECIAL = re.compile(r"([\\`*_\[\]<>|~&$])")
_LEADING = re.compile(r"^(\s*)([-+=#])|^(\s*\d+)([.)])(?=\s|$)")
_LINK = re.compile(r"\b(https?|ftp|mailto|xmpp)(:)|\b(www)(\.)", re.IGNORECASE)


def render_markdown(report: Report) -> str:
    """The report as GitHub-flavoured Markdown, ending with a newline."""
    found = findings(report)
    text = _environment().get_template("wave.md.j2").render(
        report=report,
        totals=report.totals,
        findings=found,
        light=found[0].light,
        meaning=MEANING,
        examples=EXAMPLES,
    )  # fmt: skip
    return text


def escape(text: str) -> str:
    """`text` as Markdown that shows it literally: no control or invisible characters, no markup, no link."""
    shown = _UNSEEN.sub(lambda found: f"\\u{ord(found.group()):04x}", neutral(text))
    shown = _SPECIAL.sub(r"\\\1", shown)
    shown = _LEADING.sub(lambda m: f"{m[1] or m[3] or ''}\\{m[2] or m[4]}", shown)
    return _LINK.sub(lambda m: f"{m[1] or m[3]}\\{m[2] or m[4]}", shown)


def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined  # a `status` needs no templates

    environment = Environment(
        loader=PackageLoader("migrator.reports", ""),
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        time=_time, size=_size, count=_count, last_pass=_last_pass, details=_details, time_left=_time_left
    )
    return environment


def _finalize(value: object) -> str:
    """Every expression of the template passes through here, so none can be forgotten."""
    return escape(str(value))


def _time(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _count(number: int) -> str:
    return f"{number:,}"


def _size(octets: int) -> str:
    """In powers of ten, as disks and quotas are sold: 1.2 MB."""
    size, units = float(octets), ["B", "kB", "MB", "GB", "TB"]
    while size >= 1000 and len(units) > 1:
        size, units = size / 1000, units[1:]
    return f"{octets} B" if units[0] == "B" else f"{size:.1f} {units[0]}"


def _last_pass(row: MailboxRow) -> str:
    if row.last is None:
        return "none"
    if row.last.finished is None:
        return f"{row.last.kind}, begun {_time(row.last.started)}, not ended"
    return f"{row.last.kind}, {_time(row.last.finished)}"


def _time_left(forecast: Forecast) -> str:
    return words(forecast.estimate, forecast.left.guessed if forecast.left else 0)


def _details(detail: Mapping[str, object]) -> str:
    return ", ".join(f"{key} {value if isinstance(value, str) else json.dumps(value)}" for key, value in detail.items())
