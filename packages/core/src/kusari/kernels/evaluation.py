"""Counting, for the evaluation of classifiers."""

from __future__ import annotations

from kusari.backend import Backend, kernel
from kusari.types import Array


@kernel
def count_labels(backend: Backend, labels: Array, count: int) -> Array:
    """How often each of 0 … count − 1 occurs in ``labels``, integers of any shape: (count,), int64.

    Others are not counted.
    """
    xp = backend.xp
    # Sorted, equal labels lie between two edges: N log N, where comparing with each label would take N · count.
    ordered = xp.sort(xp.astype(xp.reshape(labels, (-1,)), xp.int64))
    edges = xp.searchsorted(ordered, xp.arange(count + 1, dtype=xp.int64, device=labels.device))
    return xp.astype(edges[1:] - edges[:-1], xp.int64)


@kernel
def hit_rate(backend: Backend, hits: Array, counted: Array | None) -> Array:
    """How many ``hits`` there are for each that is ``counted`` (bool; None: all), 0-d, float64; 0 where none is.

    Counted in integers: float16 counts to 2048 and float32 to 16 million.
    """
    xp = backend.xp

    def count(mask: Array) -> Array:
        return xp.astype(backend.as_array(xp.count_nonzero(mask), mask), xp.float64)

    if counted is None:
        return count(hits) / max(hits.size, 1)
    return count(hits) / xp.maximum(count(counted), 1)


@kernel
def share(backend: Backend, part: Array, whole: Array) -> Array:
    """part / whole of two counts, in float64; NaN where whole is 0."""
    xp = backend.xp
    some = xp.astype(xp.maximum(whole, 1), xp.float64)
    return xp.where(whole > 0, xp.astype(part, xp.float64) / some, xp.nan)


@kernel
def f_score(backend: Backend, precision: Array, recall: Array, beta: float) -> Array:
    """(1 + β²) p r / (β² p + r); NaN where the divisor is 0, or p or r is NaN."""
    xp, square = backend.xp, beta * beta
    divisor = square * precision + recall
    some = xp.where(divisor == 0, 1, divisor)
    return xp.where(divisor == 0, xp.nan, (1 + square) * precision * recall / some)
