"""Arrays as callers have them: any memory order, slices of larger ones, read-only."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

from kusari.backend import get_backend
from kusari_numpy.compiled_available import compiled_available

compiled = pytest.mark.skipif(compiled_available(get_backend("numpy")) is not True, reason="needs numba, threadpoolctl")

FORMATS = ("dense", "channels last", "slice", "reversed axes")


def in_format(x: Any, name: str) -> Any:
    """Return the same numbers in other memory, read-only."""
    if name == "channels last" and x.ndim > 2:
        x = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
    elif name == "slice":
        x = np.repeat(x, 2, axis=-1)[..., ::2]
    elif name == "reversed axes":
        x = np.asfortranarray(x)
    else:
        x = np.ascontiguousarray(x)
    x.flags.writeable = False
    return x


@st.composite
def images(draw: Any, axes: int, dtype: str = "d", longest: int = 6, smallest: int = 1) -> Any:
    """Draw (N, C, *spatial) of small numbers, among which some are equal."""
    shape = [draw(st.integers(smallest, longest)) for _ in range(axes + 2)]
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    x = np.where(rng.random(shape) < 0.3, rng.integers(-1, 2, shape), rng.standard_normal(shape)).astype(dtype)
    return in_format(x, draw(st.sampled_from(FORMATS)))
