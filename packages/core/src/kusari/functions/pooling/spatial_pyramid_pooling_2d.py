"""Spatial pyramid pooling."""

from __future__ import annotations

import math
import operator

from kusari.autograd import Variable, as_variable
from kusari.autograd.shaping import reshape
from kusari.autograd.variable import VariableLike
from kusari.functions.arguments import require_spatial_axes
from kusari.functions.array.concat import concat
from kusari.functions.pooling.max_pooling_nd import max_pooling_2d


def spatial_pyramid_pooling_2d(x: VariableLike, pyramid_height: int, pooling: str | None = None) -> Variable:
    """Pool images at several resolutions, and put all that side by side: as many numbers for images of any size.

    Level l = 0 … ``pyramid_height`` − 1 cuts the image into 2ˡ × 2ˡ bins, ⌈H / 2ˡ⌉ × ⌈W / 2ˡ⌉ pixels each, the border
    shared out evenly; where that leaves an odd number of pixels for the border, the last bin gets fewer. Bins that
    see the border alone give −∞ (an image smaller than its pyramid), or are left out.

    Args:
        x: (N, C, H, W), floating.
        pyramid_height: How many levels.
        pooling: ``"max"``: the largest value in each bin.

    Returns:
        (N, C · Σ 4ˡ, 1, 1).

    Raises:
        ValueError: Another ``pooling``, another rank, or no level.

    Source: He, Zhang, Ren, Sun, 2014, arXiv:1406.4729.

    >>> spatial_pyramid_pooling_2d(np.arange(16.0).reshape(1, 1, 4, 4), 2, "max").array.ravel()
    array([15.,  5.,  7., 13., 15.])
    """
    if pooling != "max":
        raise ValueError(f"spatial_pyramid_pooling_2d(pooling={pooling!r}): expected 'max'")
    levels = operator.index(pyramid_height)
    if levels < 1:
        raise ValueError(f"spatial_pyramid_pooling_2d(pyramid_height={levels}): expected at least 1")
    x = as_variable(x)
    require_spatial_axes("spatial_pyramid_pooling_2d", x, 2)
    pooled = []
    for level in range(levels):
        bins = 2**level
        size = [-(-length // bins) for length in x.shape[2:]]
        pad = [(k * bins - length) // 2 for k, length in zip(size, x.shape[2:], strict=True)]
        y = max_pooling_2d(x, size, pad=pad, cover_all=True)
        pooled.append(reshape(y, (x.shape[0], math.prod(y.shape[1:]), 1, 1)))
    return concat(pooled, axis=1)
