"""What is shown of the figures: a line a row, the limits that are exceeded, and means over groups."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from typing import Any, Final

Row = dict[str, Any]
MEAN_LIMITS: Final = {"layer": 1.0, "drawn": 1.1}
"""What the geometric mean of a group's ratios to PyTorch must stay under."""
LEGEND: Final = """\
ratio: Kusari / PyTorch, each in its best setting, median over rounds with a 90 % interval; below 1 Kusari is faster
alone: Kusari without [fast], on NumPy alone / PyTorch      orig.: the original / Kusari
MiB:   what a step adds to a process that has run a tiny one, at its peak; Kusari, then PyTorch"""


def geometric_mean(values: Sequence[float]) -> float:
    """Return the n-th root of the product.

    >>> geometric_mean([0.5, 2.0, 8.0])
    2.0
    """
    return math.exp(statistics.fmean(math.log(value) for value in values))


def header(threads: int) -> str:
    """Return the line above the rows."""
    return (
        f"{f'milliseconds, {threads} threads':60} {'kusari':>9} {'torch':>9} {'ratio':>6}  {'90 %':^11} limit"
        f" {'alone':>6} {'orig.':>6} {'MiB':>6} {'torch':>6}  PyTorch's setting"
    )


def line(row: Row) -> str:
    """Return a row, in the columns of `header`; what was not measured is blank."""
    low, high = row["interval"]
    cells = [
        f"{row['workload']:46} {row['group']:13} {row['kusari']['ms']:9.2f} {row['torch']['ms']:9.2f}",
        f"{row['ratio']:6.2f}  {low:5.2f}–{high:<5.2f} {_cell(row['limit'], '5.1f')}",
        _cell(row.get("alone", {}).get("ratio"), "6.2f"),
        _cell(row.get("original", {}).get("ratio"), "6.1f"),
        _cell(row["kusari"].get("added_mib"), "6.0f"),
        f"{_cell(row['torch'].get('added_mib'), '6.0f')}  {row['torch']['setting']}",
    ]
    return " ".join(cells).rstrip()


def _cell(value: float | None, form: str) -> str:
    return format("" if value is None else format(value, form), f">{form.partition('.')[0]}")


def exceeded(row: Row) -> Iterator[str]:
    """Yield what a row was to keep and did not."""
    name = f"{row['group']} {row['workload']}"
    if row["limit"] is not None and row["ratio"] > row["limit"]:
        yield f"{name}: {row['ratio']:.2f} times PyTorch's time, limit {row['limit']}"
    alone, original, memory = (row.get(part, {}) for part in ("alone", "original", "memory"))
    if alone and alone["limit"] is not None and alone["ratio"] > alone["limit"]:
        yield f"{name}, NumPy alone: {alone['ratio']:.2f} times PyTorch's time, limit {alone['limit']}"
    if original and original["limit"] is not None and original["ratio"] < original["limit"]:
        yield f"{name}: {original['ratio']:.1f} times as fast as the original, to be {original['limit']}"
    if memory and memory["limit"] is not None and memory["ratio"] > memory["limit"]:
        yield f"{name}: {memory['ratio']:.2f} times PyTorch's memory, limit {memory['limit']}"


def means(rows: Sequence[Row]) -> Iterator[Row]:
    """Yield the geometric mean and the worst ratio of each group."""
    for group in dict.fromkeys(row["group"] for row in rows):
        members = [row for row in rows if row["group"] == group]
        worst = max(members, key=lambda row: row["ratio"])
        yield {
            "group": group,
            "rows": len(members),
            "below_1": sum(row["ratio"] < 1 for row in members),
            "geometric_mean": round(geometric_mean([row["ratio"] for row in members]), 3),
            "limit": MEAN_LIMITS.get(group),
            "worst": worst["workload"],
            "worst_ratio": worst["ratio"],
        }


def mean_line(mean: Row) -> str:
    """Return a group's mean in words."""
    limit = "" if mean["limit"] is None else f" (limit {mean['limit']})"
    return (
        f"{mean['group']}: geometric mean {mean['geometric_mean']:.2f}{limit}, {mean['below_1']} of {mean['rows']} "
        f"below 1, worst {mean['worst_ratio']:.2f}: {mean['worst']}"
    )


def failures(rows: Sequence[Row], group_means: Sequence[Row]) -> list[str]:
    """Return all that was to be kept and was not, a line each."""
    found = [text for row in rows for text in exceeded(row)]
    above = [mean for mean in group_means if mean["limit"] is not None and mean["geometric_mean"] > mean["limit"]]
    return [*found, *(f"{mean['group']}: the geometric mean is over its limit" for mean in above)]
