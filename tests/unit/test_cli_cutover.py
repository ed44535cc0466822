"""What `wave cutover --at` understands, and what becomes of the time when the cutover has begun."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import typer

from migrator.cli.cutover import agree_on, moment
from migrator.cli.standing import summary
from migrator.model.names import WaveName
from migrator.model.wave import WaveState
from migrator.reports.status import status
from migrator.waves.holding import schedule
from tests.unit.wave_world import op, put

__all__ = ["op"]  # a fixture
SALES = WaveName("sales")
TOKYO = ZoneInfo("Asia/Tokyo")
TEN = datetime(2026, 12, 5, 22, 0, tzinfo=TOKYO)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("22:00", TEN + timedelta(days=1)),
        ("22:01", TEN + timedelta(minutes=1)),
        ("2026-12-06T01:30", datetime(2026, 12, 6, 1, 30, tzinfo=TOKYO)),
        ("2026-12-05T13:05Z", datetime(2026, 12, 5, 13, 5, tzinfo=UTC)),
        ("now", TEN),
    ],
)
def test_a_time_of_day_is_the_next_one_by_the_workspace_s_clock(text: str, found: datetime) -> None:
    assert moment(text, TEN) == found


@pytest.mark.parametrize("text", ["ten", "25:00", "2026-12-05 at ten"])
def test_what_is_no_time_is_a_usage_error(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="not a time"):
        moment(text, TEN)


@pytest.mark.parametrize("text", ["22:00", "2020-12-05T22:00", "now"])
@pytest.mark.parametrize("state", [WaveState.FREEZING, WaveState.FINAL_PASS, WaveState.VERIFYING])
def test_the_same_command_resumes_a_cutover_that_has_begun_whatever_its_time(op: Any, state: Any, text: str) -> None:
    put(op, state)
    assert agree_on(op, text, yes=True) is False
    assert op.store.holds.get(SALES).not_before is None
    assert "--at" in op.progress.notes[-1]


def test_a_time_that_is_past_is_refused_and_now_takes_an_earlier_one_back(op: Any) -> None:
    put(op, WaveState.SYNCED)
    schedule(op.store, SALES, datetime.now(UTC) + timedelta(hours=5), op.actor)
    with pytest.raises(typer.BadParameter, match="is past"):
        agree_on(op, "2020-12-05T22:00", yes=True)
    assert op.store.holds.get(SALES).not_before is not None
    assert agree_on(op, "now", yes=True) is False
    assert op.store.holds.get(SALES).not_before is None


def test_a_status_tells_of_a_time_that_is_to_come_and_of_no_other(op: Any) -> None:
    put(op, WaveState.SYNCED)
    schedule(op.store, SALES, datetime.now(UTC) + timedelta(hours=5), op.actor)
    assert "not before" in str(summary(status(op.store, op.workspace, SALES))["cutover_held"])
    schedule(op.store, SALES, datetime.now(UTC) - timedelta(hours=5), op.actor)
    assert summary(status(op.store, op.workspace, SALES))["cutover_held"] is None
