"""Figures for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

TABLES = ("runs", "flipped", "planned", "ratios", "slowdown", "note")
FIGURES = ("wall_s", "cpu_client_s", "cpu_source_s", "cpu_target_s", "peak_rss_mb", "round_trips", "differ")


def render(result: Mapping[str, Any]) -> str:
    """The head of a result, the medians of its runs as a table, and its ratios."""
    head = ", ".join(f"{name} {value}" for name, value in result.items() if name not in TABLES and value is not None)
    lines = [head, *([result["note"]] if "note" in result else []), ""]
    if result.get("runs"):
        lines += _medians(result["runs"])
    if result.get("flipped"):
        lines += _flipped(result["flipped"])
    if rows := result.get("planned"):
        lines += table(list(rows[0]), [[str(value) for value in row.values()] for row in rows])
    for name in ("ratios", "slowdown"):
        lines += [""] if result.get(name) else []
        for pair, ratio in result.get(name, {}).items():
            lines.append(f"{pair}: " + ", ".join(f"{key} {value}" for key, value in ratio.items() if key != "rounds"))
    return "\n".join(lines)


def _medians(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """One line for what was run several times: the median of each figure, and the most that differed."""
    names = [name for name in runs[0] if name not in (*FIGURES, "round", "differences")]
    figures = [name for name in FIGURES if any(run[name] is not None for run in runs)]
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for run in runs:
        groups.setdefault(tuple(run[name] for name in names), []).append(run)
    rows = [[*map(str, key), *(_middle(name, group) for name in figures)] for key, group in groups.items()]
    kinds = {tuple(run["differences"]) for run in runs if run["differences"]}
    notes = [f"differ: {', '.join(sorted({kind for each in kinds for kind in each}))}"] if kinds else []
    return table([*names, *figures], rows) + notes


def _flipped(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """One line a kind of map: the medians of its flips there and back, the slowest, and the most that were wrong."""
    parts = ("wall_s", "plan_s", "apply_s", "read_s")
    lines = []
    for kind in dict.fromkeys(row["kind"] for row in rows):
        own = [row for row in rows if row["kind"] == kind]
        medians = [f"{median(row[part] for row in own):.2f}" for part in parts]
        lines.append(
            [kind, *medians, f"{max(row['wall_s'] for row in own):.2f}", str(max(row["wrong"] for row in own))]
        )
    return table(["kind", *parts, "slowest_s", "wrong"], lines)


def _middle(name: str, group: Sequence[Mapping[str, Any]]) -> str:
    values = [run[name] for run in group if run[name] is not None]
    if not values:
        return "-"
    if name == "differ":
        return str(max(values))
    return f"{median(values):.0f}" if name == "round_trips" else f"{median(values):.2f}"


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines with aligned columns."""
    widths = [max(map(len, cells)) for cells in zip(columns, *rows, strict=True)]
    return ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in (columns, *rows)]
