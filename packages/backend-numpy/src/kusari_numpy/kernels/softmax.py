"""Softmax cross entropy, some rows at a time: every array but two stays in the cache."""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

import numpy as np

from kusari.backend import Backend
from kusari.kernels.softmax import SoftmaxCrossEntropy, SoftmaxCrossEntropyProblem
from kusari_numpy.compiled_available import compiled_available
from kusari_numpy.pieces import share
from kusari_numpy.workspace import aligned_empty

HostArray = np.ndarray[Any, Any]


class Exponentials(NamedTuple):
    """What is kept for backward: softmax(x) = rows / sums."""

    rows: HostArray
    """(M, C): exp(x − max x); 0 where the label does not count."""
    sums: HostArray
    """(M,)."""


class RowsSoftmaxCrossEntropy(SoftmaxCrossEntropy):
    """Forward reads the scores and writes their exponentials, backward reads these and writes the gradient.

    The portable definition goes over memory eight times forward and six times back, and takes each exponential twice.
    A loop of numba's own is no faster: its exponential is no vector instruction, NumPy's is. 700 rows of 10,000
    classes, float32, on one thread: 26 ms forward and 8 back, the portable definition 37 and 47.
    """

    contract = 1

    @classmethod
    def accepts(cls, problem: SoftmaxCrossEntropyProblem) -> bool | str:
        """Take float32 and float64."""
        if problem.dtype not in (np.float32, np.float64):
            return f"sums in float32 and float64; {problem.dtype} keeps the portable definition's roundings"
        if 0 in problem.x:
            return "nothing to compute"
        return True

    def forward(self, x: HostArray, t: HostArray, weight: HostArray | None) -> tuple[HostArray, Any]:  # type: ignore[override]
        """Return the loss and what `grad_input` wants kept."""
        scores = _rows(x)
        if scores is None:  # classes lie far apart in memory: a copy would cost what it saves
            portable: tuple[HostArray, Any] = super().forward(x, t, weight)  # type: ignore[assignment]
            return portable
        counted = t != self.problem.ignore_label
        label = np.where(counted, t, 0).astype(np.int64)
        found = Exponentials(aligned_empty(scores.shape, x.dtype), np.empty(len(scores), x.dtype))
        picked = np.empty(len(scores), x.dtype)
        labels, counting = label.reshape(-1), counted.reshape(-1)

        def work(first: int, last: int) -> None:
            part = slice(first, last)
            _exponentials(scores[part], labels[part], counting[part], picked[part], found.rows[part], found.sums[part])

        share(work, len(scores), scores.shape[1])
        scale = counted.astype(x.dtype)
        if weight is not None:
            scale = scale * weight[label]
        log_p = picked.reshape(t.shape)
        if self.problem.reduce == "mean":
            scale = scale / self._divisor(counted, x)
            return -np.sum(log_p * scale), (found, label, scale)
        return -log_p * scale, (found, label, scale)

    def grad_input(self, kept: Any, gloss: HostArray) -> HostArray:  # type: ignore[override]
        """Return the gradient of x (N, C, …): (softmax(x) − 1ₜ) · scale · gloss."""
        found, label, scale = kept
        if not isinstance(found, Exponentials):
            portable: Any = super().grad_input(kept, gloss)
            return portable
        labels, shares = label.reshape(-1), (scale * gloss).reshape(-1)
        by_row, gx = (shares / found.sums)[:, None], aligned_empty(found.rows.shape, found.rows.dtype)

        def work(first: int, last: int) -> None:
            part = slice(first, last)
            np.multiply(found.rows[part], by_row[part], out=gx[part])
            gx[np.arange(first, last), labels[part]] -= shares[part]

        share(work, len(gx), gx.shape[1])
        n, c, *spatial = self.problem.x
        return np.moveaxis(gx.reshape(n, *spatial, c), -1, 1)


SMALL: Final = 2**12
"""Numbers up to which one call of a loop goes ahead of NumPy's ten: 100 rows of 10 classes take 33 µs, not 97."""


class SmallSoftmaxCrossEntropy(SoftmaxCrossEntropy):
    """One compiled call forward and one back; its exponentials, one by one, are slower than NumPy's in the long run."""

    contract = 1

    @classmethod
    def accepts(cls, problem: SoftmaxCrossEntropyProblem) -> bool | str:
        """Take the mean over rows (N, C) of few numbers."""
        if problem.dtype not in (np.float32, np.float64):
            return f"sums in float32 and float64; {problem.dtype} keeps the portable definition's roundings"
        if len(problem.x) != 2 or problem.weighted or problem.reduce != "mean":
            return "written for the mean over rows, without weights"
        if not 0 < math.prod(problem.x) <= SMALL:
            return f"{math.prod(problem.x)} numbers; for {SMALL} at most"
        return True

    def forward(self, x: HostArray, t: HostArray, weight: HostArray | None) -> tuple[HostArray, Any]:  # type: ignore[override]
        """Return the loss and what `grad_input` wants kept."""
        from kusari_numpy.compiled.softmax import cross_entropy

        ignored = self.problem.ignore_label
        rows, sums, scale = np.empty(x.shape, x.dtype), np.empty(len(x), x.dtype), np.empty(len(x), x.dtype)
        scores, labels, places = np.ascontiguousarray(x), t.astype(np.int64), np.empty(len(x), np.int64)
        loss = cross_entropy(scores, labels, ignored, self.problem.normalize, rows, sums, scale, places)
        return np.asarray(loss, x.dtype), (Exponentials(rows, sums), places, scale)

    def grad_input(self, kept: Any, gloss: HostArray) -> HostArray:  # type: ignore[override]
        """Return the gradient of x (N, C)."""
        from kusari_numpy.compiled.softmax import cross_entropy_gradient

        found, label, scale = kept
        gx = np.empty_like(found.rows)
        cross_entropy_gradient(found.rows, found.sums, label, scale, found.rows.dtype.type(gloss), gx)
        return gx


def _exponentials(
    scores: HostArray, label: HostArray, counted: HostArray, picked: HostArray, rows: HostArray, sums: HostArray
) -> None:
    """Write exp(x − max x), its sums and the label's log softmax for some rows."""
    with np.errstate(invalid="ignore"):  # infinite scores make NaN, in rows that do not count, too
        np.subtract(scores, scores.max(axis=1, keepdims=True), out=rows)
        picked[:] = rows[np.arange(len(rows)), label]
        np.exp(rows, out=rows)
        np.sum(rows, axis=1, out=sums)
        picked -= np.log(sums)
    if not counted.all():
        left_out = ~counted
        rows[left_out], sums[left_out], picked[left_out] = 0, 1, 0


def _rows(x: HostArray) -> HostArray | None:
    """Return scores (N, C, …) as rows (M, C), if memory has them so."""
    last = np.moveaxis(x, 1, -1)
    return last.reshape(-1, x.shape[1]) if last.flags.c_contiguous else None


def register(backend: Backend) -> None:
    """Register the overrides of softmax cross entropy."""
    backend.implements(SoftmaxCrossEntropy)(RowsSoftmaxCrossEntropy)
    backend.implements(SoftmaxCrossEntropy, available=compiled_available)(SmallSoftmaxCrossEntropy)
