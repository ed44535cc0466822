"""The time that `wave cutover --at` means, also when the clock is set back or forward; and what a refusal leaves."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from typer.testing import CliRunner

from migrator import state
from migrator.cli.app import app
from migrator.cli.cutover import time_meant
from migrator.model.names import WaveName
from tests.unit.workspace_files import make

BERLIN = ZoneInfo("Europe/Berlin")  # 2026: forward on 29 March at 02:00, back on 25 October at 03:00


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "text", "meant"),
    [
        ("2026-12-05T12:00", "22:00", "2026-12-05T21:00"),
        ("2026-12-05T22:30", "22:00", "2026-12-06T21:00"),
        ("2026-12-05T12:00", "2026-12-06T01:00", "2026-12-06T00:00"),
        ("2026-12-05T12:00", "2026-12-06T01:00+09:00", "2026-12-05T16:00"),
        # 02:30 comes twice: at 00:30 and at 01:30 UTC
        ("2026-10-25T00:00", "02:30", "2026-10-25T00:30"),
        ("2026-10-25T00:45", "02:30", "2026-10-25T01:30"),
        ("2026-10-25T01:10", "02:30", "2026-10-25T01:30"),
        ("2026-10-25T01:10", "2026-10-25T02:30", "2026-10-25T01:30"),
        ("2026-10-25T01:40", "02:30", "2026-10-26T01:30"),
        # 02:30 does not come: as long after 02:00 as it says
        ("2026-03-29T00:00", "02:30", "2026-03-29T01:30"),
        ("2026-03-28T22:00", "2026-03-29T02:30", "2026-03-29T01:30"),
    ],
)
def test_a_time_is_the_next_one_by_the_clock_on_the_wall(now: str, text: str, meant: str) -> None:
    found = time_meant(text, utc(now).astimezone(BERLIN))
    assert found.astimezone(UTC) == utc(meant)


def test_a_time_that_does_not_come_is_shown_as_the_one_that_does() -> None:
    assert f"{time_meant('02:30', utc('2026-03-29T00:00').astimezone(BERLIN)):%H:%M %Z}" == "03:30 CEST"


@pytest.mark.parametrize("text", ["25:00", "tonight", "", "2026-13-01T00:00"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"time data|isoformat|month|unconverted"):
        time_meant(text, utc("2026-12-05T12:00").astimezone(BERLIN))


def test_a_cutover_that_is_refused_leaves_no_time_for_the_next_one(tmp_path: Path) -> None:
    root = make(tmp_path)
    later = (datetime.now(UTC) + timedelta(hours=9)).isoformat(timespec="minutes")
    command = ["-C", str(root), "wave", "cutover", "sales", "--at", later, "--yes"]
    result = CliRunner().invoke(app, command, prog_name="migrator")
    assert "is not in step yet" in result.output
    with state.open(f"sqlite:///{root}/state/migrator.db") as store:
        assert not store.holds.get(WaveName("sales"))
