"""Filters that resize images by linear interpolation: a start for learned resizing."""

from __future__ import annotations

import functools

import numpy as np

from kusari.dtypes import DTypeLike
from kusari.initializers.initializer import HostArray, Initializer


class _SamplingFilter(Initializer):
    """Fill W (O, I, k, …, k) with one filter, on the diagonal of the first two axes (or for I = 1, throughout)."""

    def __init__(self, interpolation: str = "linear", dtype: DTypeLike = None) -> None:
        super().__init__(dtype)
        if interpolation != "linear":
            raise ValueError(f"{type(self).__name__}(interpolation={interpolation!r}): expected 'linear'")
        self.interpolation = interpolation

    def line(self, ksize: int) -> HostArray:
        """Return the filter along one axis."""
        raise NotImplementedError(f"{type(self).__name__} does not define line(ksize)")

    def __call__(self, array: HostArray) -> None:
        """Fill ``array`` in place.

        Raises:
            ValueError: No window, one that is not k × … × k, or channels that neither match nor are 1.
        """
        self.check_dtype(array)
        outside, inside, *window = array.shape if array.ndim > 2 else (0, 0)
        if not window or len(set(window)) != 1:
            raise ValueError(f"{type(self).__name__}: expected shape (O, I, k, …, k), got {array.shape}")
        if inside not in (1, outside):
            raise ValueError(f"{type(self).__name__}: expected as many inputs as outputs, or one, got {array.shape}")
        array[...] = 0
        channels = np.arange(outside)
        array[channels, 0 if inside == 1 else channels] = functools.reduce(
            np.multiply.outer, [self.line(window[0])] * len(window)
        )


class UpsamplingDeconvFilter(_SamplingFilter):
    """Fill a deconvolution's W with the filter that enlarges by linear interpolation.

    w(i) = 1 − |i − (k − 1) / 2| / ⌈k / 2⌉ along each axis; k = 2s − s mod 2 enlarges s times at stride s.

    Args:
        interpolation: ``linear``.
        dtype: What the array is to have; None: ``config.dtype``.

    Raises:
        ValueError: Another interpolation.

    Source: Long, Shelhamer, Darrell, 2015, arXiv:1411.4038, §3.3.

    >>> UpsamplingDeconvFilter().line(4)
    array([0.25, 0.75, 0.75, 0.25])
    """

    def line(self, ksize: int) -> HostArray:
        """Return w(0) … w(k − 1)."""
        distance = np.abs(np.arange(ksize) - (ksize - 1) / 2)
        weights: HostArray = 1 - distance / ((ksize + 1) // 2)
        return weights


class DownsamplingConvFilter(_SamplingFilter):
    """Fill a convolution's W with the filter that shrinks by a weighted mean: the enlarging one, with sum 1.

    Args:
        interpolation: ``linear``.
        dtype: What the array is to have; None: ``config.dtype``.

    Raises:
        ValueError: Another interpolation.

    >>> DownsamplingConvFilter().line(3)
    array([0.25, 0.5 , 0.25])
    """

    def line(self, ksize: int) -> HostArray:
        """Return w / Σw, w as in `UpsamplingDeconvFilter`."""
        weights = UpsamplingDeconvFilter().line(ksize)
        normalized: HostArray = weights / weights.sum()
        return normalized
