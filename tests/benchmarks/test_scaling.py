"""Fitting exponents, and what is shown of them."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from benchmarks.scaling import AXES, SIDES, WINDOWS, Curve, fit, lines, plot
from hypothesis import given
from hypothesis import strategies as st

SIZES = st.lists(st.integers(1, 1000), min_size=2, max_size=8, unique=True)


@given(SIZES, st.floats(-3, 3), st.floats(0.01, 100))
def test_exact_power_laws_are_found(sizes: list[int], exponent: float, coefficient: float) -> None:
    found = fit(sizes, [coefficient * math.pow(size, exponent) for size in sizes])
    assert found.exponent == pytest.approx(exponent, abs=1e-5)
    assert found.at(sizes[-1]) == pytest.approx(coefficient * math.pow(sizes[-1], exponent), rel=1e-6)


@given(st.lists(st.tuples(st.integers(1, 1000), st.floats(0.01, 100)), min_size=3, unique_by=lambda pair: pair[0]))
def test_other_curves_get_the_least_squares_of_the_logarithms(points: list[tuple[int, float]]) -> None:
    sizes, values = zip(*points, strict=True)
    design = np.stack([np.log(sizes), np.ones(len(sizes))], axis=1)
    (exponent, intercept), *_ = np.linalg.lstsq(design, np.log(values), rcond=None)
    found = fit(sizes, values)
    assert found.exponent == pytest.approx(exponent, rel=1e-6, abs=1e-6)
    assert found.coefficient == pytest.approx(math.exp(intercept), rel=1e-5)


@pytest.mark.parametrize(
    ("sizes", "values"), [([4], [1.0]), ([4, 4], [1.0, 2.0]), ([1, 2], [0.0, 1.0]), ([0, 1], [1, 1])]
)
def test_what_has_no_exponent_is_refused(sizes: list[int], values: list[float]) -> None:
    with pytest.raises(ValueError, match=r"power law|exponent"):
        fit(sizes, values)


def curves() -> list[Curve]:
    """Return curves in which each side, window and axis has an exponent of its own."""
    return [
        Curve(axis, window, side, sizes, [size ** exponent_of(axis, window, side) for size in sizes])
        for axis, sizes in AXES.items()
        for window in WINDOWS
        for side in SIDES
    ]


def exponent_of(axis: str, window: int, side: str) -> float:
    return 0.5 + 0.1 * list(AXES).index(axis) + 0.01 * window + 0.5 * SIDES.index(side)


def test_lines_say_times_and_exponents() -> None:
    head, first, *_ = lines([curve for curve in curves() if curve.axis == "batch"])
    assert head.split() == ["batch", "1", "2", "4", "8", "16", "32", "exponent"]
    assert first.split()[:3] == ["kusari", "3×3,", "ms"]
    assert [float(word) for word in first.split()[3:]] == [1.0, 1.44, 2.08, 3.01, 4.35, 6.28, 0.53]
    assert [first.index(word) + len(word) for word in first.split()[3:9]] == [
        head.index(word) + len(word) for word in (f" {size}" for size in AXES["batch"])
    ]


def test_the_plot_has_every_exponent_in_its_legends_and_is_the_same_again(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs matplotlib")
    plot(curves(), tmp_path / "one.svg", "a caption")
    plot(curves(), tmp_path / "two.svg", "a caption")
    drawing = (tmp_path / "one.svg").read_text(encoding="utf-8")
    assert drawing == (tmp_path / "two.svg").read_text(encoding="utf-8")
    assert all(f">{curve.label}</text>" in drawing for curve in curves())
    assert all(f">{axis}</text>" in drawing for axis in AXES)
    assert "a caption" in drawing
