"""The table of figures: columns, limits, means."""

from __future__ import annotations

import math
from typing import Any

import pytest
from benchmarks import table

ROW: dict[str, Any] = {
    "workload": "VGG with BN, batch 32",
    "group": "step",
    "kusari": {"setting": "", "ms": 123.456, "added_mib": 363.2},
    "torch": {"setting": "channels_last, fused", "ms": 234.5, "added_mib": 187.1},
    "ratio": 0.526,
    "interval": [0.51, 0.54],
    "limit": 1.0,
    "alone": {"ms": 400.0, "ratio": 1.71, "limit": 1.8},
    "original": {"ms": 1234.5, "ratio": 10.0, "limit": 6.0},
    "memory": {"ratio": 0.9, "limit": 1.0},
}


def test_a_line_has_its_figures_below_their_heads() -> None:
    head, line = table.header(2), table.line(ROW)
    ends = {"kusari": "123.46", "torch": "234.50", "ratio": "0.53", "limit": "1.0", "alone": "1.71", "orig.": "10.0"}
    for word, figure in ends.items():
        assert line.index(figure) + len(figure) == head.index(word) + len(word), word
    assert line.split()[-4:] == ["363", "187", "channels_last,", "fused"]
    assert "2 threads" in head


def test_what_was_not_measured_is_blank_and_keeps_the_columns() -> None:
    bare = {name: ROW[name] for name in ("workload", "group", "ratio", "interval")} | {
        "kusari": {"setting": "contiguous", "ms": 1.0},
        "torch": {"setting": "channels_last", "ms": 2.0},
        "limit": None,
    }
    line, full = table.line(bare), table.line(ROW)
    assert line.index("channels_last") == full.index("channels_last")
    assert line.split()[-2:] == ["0.51–0.54", "channels_last"]


def test_a_row_within_its_limits_is_silent() -> None:
    assert list(table.exceeded(ROW)) == []


@pytest.mark.parametrize(
    ("part", "ratio", "words"),
    [
        (None, 1.01, "1.01 times PyTorch's time, limit 1.0"),
        ("alone", 1.81, "NumPy alone: 1.81 times PyTorch's time, limit 1.8"),
        ("original", 5.9, "5.9 times as fast as the original, to be 6.0"),
        ("memory", 1.94, "1.94 times PyTorch's memory, limit 1.0"),
    ],
)
def test_each_limit_is_kept_by_itself(part: str | None, ratio: float, words: str) -> None:
    change = {"ratio": ratio} if part is None else {part: ROW[part] | {"ratio": ratio}}
    (text,) = table.exceeded(ROW | change)
    assert text.startswith("step VGG with BN, batch 32")
    assert text.endswith(words)


def test_limits_that_are_not_set_or_not_measured_are_not_exceeded() -> None:
    unlimited = {part: ROW[part] | {"ratio": 99.0, "limit": None} for part in ("alone", "memory")}
    assert list(table.exceeded(ROW | unlimited | {"ratio": 99.0, "limit": None})) == []
    assert list(table.exceeded({name: ROW[name] for name in ("workload", "group", "ratio", "limit")})) == []


def test_means_are_geometric_and_name_the_worst() -> None:
    rows = [ROW | {"group": "drawn", "workload": f"w{ratio}", "ratio": ratio} for ratio in (0.5, 4.0, 0.9)]
    (mean,) = table.means(rows)
    assert mean["geometric_mean"] == pytest.approx(math.cbrt(0.5 * 4.0 * 0.9), abs=1e-3)
    assert (mean["rows"], mean["below_1"], mean["worst"], mean["worst_ratio"]) == (3, 2, "w4.0", 4.0)
    assert table.mean_line(mean) == "drawn: geometric mean 1.22 (limit 1.1), 2 of 3 below 1, worst 4.00: w4.0"
    failures = table.failures(rows, [mean])
    assert len(failures) == 2  # the row of 4.0, whose limit is 1 here, and the mean
    assert failures[-1].startswith("drawn: the geometric mean")
