"""Drawing the numbers of a case: on the host, in float64, the same ones every time."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from kusari.types import Shape

HostArray: TypeAlias = "np.ndarray[Any, Any]"
Draw: TypeAlias = Callable[[np.random.Generator, Shape], HostArray]


def normal(generator: np.random.Generator, shape: Shape) -> HostArray:
    """Draw from N(0, 1)."""
    return np.asarray(generator.standard_normal(shape))


def positive(generator: np.random.Generator, shape: Shape) -> HostArray:
    """Draw evenly from [0.5, 2)."""
    return np.asarray(generator.uniform(0.5, 2.0, shape))


def distinct(generator: np.random.Generator, shape: Shape) -> HostArray:
    """Draw numbers between −2 and 2 of which no two are equal, nor nearly so: a maximum has no ties.

    Spaced by 1/32 where they fit, so that float16 and bfloat16 hold them apart.
    """
    count = math.prod(shape)
    values = (np.arange(count) - count // 2) / max(32, count / 4)
    return np.asarray(generator.permutation(values).reshape(shape))


def small(generator: np.random.Generator, shape: Shape) -> HostArray:
    """Draw from N(0, ¼²): what gradients and filters are like."""
    return np.asarray(generator.standard_normal(shape) / 4)


def integers(low: int, high: int) -> Draw:
    """Draw evenly from low … high − 1."""

    def draw(generator: np.random.Generator, shape: Shape) -> HostArray:
        return np.asarray(generator.integers(low, high, shape))

    return draw


def repeated(*values: float) -> Draw:
    """Repeat the given numbers: kinks, extremes, infinities, NaN."""

    def draw(generator: np.random.Generator, shape: Shape) -> HostArray:
        return np.resize(np.asarray(values, dtype=np.float64), shape)

    return draw


def normal_with(*values: float) -> Draw:
    """Draw from N(0, 1) and put each of the given numbers somewhere."""

    def draw(generator: np.random.Generator, shape: Shape) -> HostArray:
        drawn = normal(generator, shape)
        places = generator.choice(drawn.size, size=len(values), replace=False)
        drawn.reshape(-1)[places] = values
        return drawn

    return draw


def near(*kinks: float, within: float = 0.05) -> Callable[[HostArray], HostArray]:
    """Return a function that moves numbers away from kinks, where a finite difference would straddle one.

    >>> near(0.0)(np.array([-0.01, 0.0, 0.5]))
    array([-0.06,  0.05,  0.5 ])
    """

    def move(values: HostArray) -> HostArray:
        for kink in kinks:
            close = np.abs(values - kink) < within
            values = np.where(close, np.where(values < kink, values - within, values + within), values)
        return values

    return move
