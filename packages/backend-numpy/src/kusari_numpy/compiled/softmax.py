"""Softmax cross entropy of few numbers, in one call."""

from __future__ import annotations

from typing import Any

import numpy as np

from kusari_numpy.compiled.options import jit


@jit
def cross_entropy(
    scores: Any, labels: Any, ignored: int, by_count: bool, rows: Any, sums: Any, scale: Any, places: Any
) -> float:
    """Return the mean of −log softmax(scores)[n, labels[n]] over the labels that count.

    Args:
        scores: (N, C).
        labels: (N,).
        ignored: The label that does not count.
        by_count: The mean is over the labels that count, not over all.
        rows: exp(scores − max) go there, (N, C); 0 where the label does not count.
        sums: Those of rows, (N,).
        scale: 1 over how many the mean is over, (N,); 0 where the label does not count.
        places: The labels, (N,); 0 where they do not count.

    Raises:
        IndexError: A label is no class; negative ones count from the end, as NumPy's do.
    """
    count, loss = 0, 0.0
    for n in range(len(scores)):
        if labels[n] == ignored:
            rows[n, :] = 0
            sums[n], scale[n], places[n] = 1, 0, 0
            continue
        label = labels[n] + (scores.shape[1] if labels[n] < 0 else 0)
        if label < 0 or label >= scores.shape[1]:
            raise IndexError("softmax_cross_entropy(): a label lies outside the classes; config.debug tells which")
        count += 1
        places[n] = label
        largest = scores[n, 0]
        for c in range(1, scores.shape[1]):
            if scores[n, c] > largest or scores[n, c] != scores[n, c]:  # NaN stays
                largest = scores[n, c]
        total = scores.dtype.type(0)
        for c in range(scores.shape[1]):
            rows[n, c] = np.exp(scores[n, c] - largest)
            total += rows[n, c]
        sums[n] = total
        loss += np.log(total) - (scores[n, label] - largest)
    members = max(count if by_count else len(scores), 1)
    for n in range(len(scores)):
        if labels[n] != ignored:
            scale[n] = 1 / members
    return loss / members


@jit
def cross_entropy_gradient(rows: Any, sums: Any, labels: Any, scale: Any, gloss: Any, gx: Any) -> None:
    """gx[n] = (rows[n] / sums[n] − 1 at the label) · scale[n] · gloss."""
    for n in range(len(rows)):
        share = scale[n] * gloss
        by = share / sums[n]
        for c in range(rows.shape[1]):
            gx[n, c] = rows[n, c] * by
        gx[n, labels[n]] -= share
