"""Softmax, its logarithm, softmax cross entropy, and their gradients."""

from __future__ import annotations

from typing import Any, NamedTuple

from kusari.backend import Backend, Family, kernel
from kusari.types import Array, Shape


@kernel
def log_softmax(backend: Backend, x: Array, axis: int) -> Array:
    """x − log Σ eˣ along ``axis``; the largest value is taken out first, so that nothing overflows."""
    xp = backend.xp
    x = x - xp.max(x, axis=axis, keepdims=True)
    return x - xp.log(xp.sum(xp.exp(x), axis=axis, keepdims=True))


@kernel
def log_softmax_grad(backend: Backend, y: Array, gy: Array, axis: int) -> Array:
    """gy − eʸ Σ gy along ``axis``."""
    xp = backend.xp
    return gy - xp.exp(y) * xp.sum(gy, axis=axis, keepdims=True)


@kernel
def softmax(backend: Backend, x: Array, axis: int) -> Array:
    """eˣ / Σ eˣ along ``axis``; the largest value is taken out first, so that nothing overflows."""
    xp = backend.xp
    y = xp.exp(x - xp.max(x, axis=axis, keepdims=True))
    return y / xp.sum(y, axis=axis, keepdims=True)


@kernel
def softmax_grad(backend: Backend, y: Array, gy: Array, axis: int) -> Array:
    """y (gy − Σ gy y) along ``axis``."""
    weighted = gy * y
    return weighted - y * backend.xp.sum(weighted, axis=axis, keepdims=True)


class SoftmaxCrossEntropyProblem(NamedTuple):
    """Everything about a softmax cross entropy but its numbers."""

    x: Shape
    """(N, C, …): scores of C classes."""
    dtype: Any
    ignore_label: int = -1
    normalize: bool = True
    """Mean over labels that count; else over N."""
    reduce: str = "mean"
    """``mean``, or ``no`` for one loss per label."""
    weighted: bool = False
    """Each class has a weight."""


class SoftmaxCrossEntropy(Family[SoftmaxCrossEntropyProblem]):
    """loss = −w[t] log softmax(x)[t], averaged, where t is not the label to ignore."""

    def forward(self, x: Array, t: Array, weight: Array | None) -> tuple[Array, Any]:
        """Return the loss and what `grad_input` wants kept.

        Args:
            x: (N, C, …).
            t: (N, …), integers: a class, or the label to ignore.
            weight: (C,), or None.
        """
        xp, problem = self.backend.xp, self.problem
        counted = t != problem.ignore_label
        # Not by the scale of 0 alone: a NaN or an infinity in a row that does not count would outlive it.
        log_p = log_softmax(self.backend, xp.where(xp.expand_dims(counted, axis=1), x, 0), 1)
        label = xp.astype(xp.where(counted, t, 0), xp.int64)
        picked = xp.take_along_axis(log_p, xp.expand_dims(label, axis=1), axis=1)[:, 0, ...]
        scale = xp.astype(counted, x.dtype)
        if weight is not None:
            scale = scale * xp.reshape(xp.take(weight, xp.reshape(label, (-1,)), axis=0), label.shape)
        if problem.reduce == "mean":
            scale = scale / self._divisor(counted, x)
            return -xp.sum(picked * scale), (log_p, label, scale)
        return -picked * scale, (log_p, label, scale)

    def grad_input(self, kept: Any, gloss: Array) -> Array:
        """Return the gradient of x (N, C, …): (softmax(x) − 1ₜ) · scale · gloss."""
        xp, (log_p, label, scale) = self.backend.xp, kept
        classes = xp.arange(log_p.shape[1], dtype=label.dtype, device=label.device)
        classes = xp.reshape(classes, (1, -1, *(1 for _ in label.shape[1:])))
        p = xp.exp(log_p)
        return xp.where(classes == xp.expand_dims(label, axis=1), p - 1, p) * xp.expand_dims(scale * gloss, axis=1)

    def _divisor(self, counted: Array, x: Array) -> Any:
        """Return how many labels the mean is over, at least 1, as a 0-d array or a number."""
        xp = self.backend.xp
        if not self.problem.normalize:
            return max(x.shape[0], 1)
        # Counted in integers: a sum of float16 comes to 2048.
        count = self.backend.as_array(xp.count_nonzero(counted), counted)
        return xp.maximum(xp.astype(count, x.dtype), 1)
