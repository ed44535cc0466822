"""`./dev bench forecast` runs: there is a forecast after a pilot. How near it comes is not judged here."""

from __future__ import annotations

from bench.forecast import bench_forecast
from tests.lab.requirements import require


def test_a_wave_has_a_forecast_once_a_pilot_has_run() -> None:
    require("dovecot")
    found = bench_forecast(2, 3, 8, 1)
    assert found["ratio"] > 0
