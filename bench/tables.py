"""Figures for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def render(result: Mapping[str, Any]) -> str:
    """The head of a result, its runs as a table, and its ratios."""
    head = ", ".join(f"{name} {value}" for name, value in result.items() if name not in ("runs", "ratios"))
    lines = [head, ""]
    if result.get("runs"):
        columns = [name for name in result["runs"][0] if name != "differences"]
        lines += table(columns, [[_cell(run[name]) for name in columns] for run in result["runs"]])
    lines += [""] if result.get("ratios") else []
    for pair, ratio in result.get("ratios", {}).items():
        lines.append(f"{pair}: " + ", ".join(f"{name} {value}" for name, value in ratio.items()))
    return "\n".join(lines)


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines with aligned columns."""
    widths = [max(map(len, cells)) for cells in zip(columns, *rows, strict=True)]
    return ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in (columns, *rows)]


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.2f}"
    return "-" if value is None else str(value)
