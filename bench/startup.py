"""`./dev bench startup`: how long the program takes to say what it can do."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from statistics import median
from typing import Any


def bench_startup(runs: int) -> dict[str, Any]:
    """Median, least and most of `runs` starts of `migrator --help`; a first one, which compiles, does not count."""
    times = [_start() for _ in range(runs + 1)][1:]
    figures = {"median_s": median(times), "least_s": min(times), "most_s": max(times)}
    return {"bench": "startup", "starts": runs, **{name: round(value, 3) for name, value in figures.items()}}


def _start() -> float:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    began = time.monotonic()
    subprocess.run([sys.executable, "-m", "migrator", "--help"], stdout=subprocess.DEVNULL, env=environment, check=True)
    return time.monotonic() - began
