"""Connectionist temporal classification: the loss and its gradient by the forward-backward algorithm."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from kusari.backend import Backend, Family
from kusari.kernels.softmax import log_softmax
from kusari.types import Array, Shape

LOG_ZERO: Final = -1e30
"""Stands for log 0. It is finite, because −∞ − (−∞) is NaN; float32 holds the sum of 10⁸ of them."""


class CTCProblem(NamedTuple):
    """Everything about a CTC loss but its numbers."""

    x: Shape
    """(T, B, V): scores of V symbols, at T times, in B sequences."""
    labels: int
    """M: the length of the longest label sequence."""
    blank: int
    """The symbol that stands for no label."""
    dtype: Any


class Lattice(NamedTuple):
    """What a path through the labels meets.

    A path runs through blank 0, label 0, blank 1, label 1, …, blank M. In each frame it stays, moves on by one, or
    moves from a label to the next one over the blank between them, if the two are not the same symbol. Two more labels
    serve as its ends: number −1, where it comes from before the first frame, and number L, beyond the last label of a
    sequence of L, where it goes to after the last frame. There it waits while frames are left that do not count. So
    lengths need no branches: they are in the scores.
    """

    label: Array
    """(T, M + 2, B): log-probabilities of labels −1 … M."""
    blank: Array
    """(T, B): those of the blanks."""
    over: Array
    """(M + 1, B), booleans: whether one may move from label k − 1 to label k directly, for k = 0 … M."""
    start: Array
    """(M + 1, B): log-probabilities before the first frame, of labels −1 … M − 1."""
    end: Array
    """(M + 1, B): those after the last frame, of labels 0 … M."""


class Places(NamedTuple):
    """Where the lattice's scores come from: made of labels and lengths alone."""

    symbol: Array
    """(M, B), integers: the label, or the blank where a sequence has ended."""
    counts: Array
    """(T, M, B), booleans: the label and the frame count."""
    frame: Array
    """(T, B), booleans: the frame counts."""
    beyond: Array
    """(T, M + 1, B): scores of labels 0 … M where they do not count: 0 where the path waits, else log 0."""
    over: Array
    """As `Lattice.over`."""
    start: Array
    """As `Lattice.start`."""
    end: Array
    """As `Lattice.end`."""


class Kept(NamedTuple):
    """What the gradient needs of a call."""

    log_p: Array
    places: Places
    lattice: Lattice
    label_after: Array
    blank_after: Array
    total: Array


class CTC(Family[CTCProblem]):
    """−log of the probability that the symbols, repetitions merged and blanks left out, are the labels.

    Loops run over time alone; sequences and labels are axes of arrays.

    Source: Graves, Fernández, Gomez, Schmidhuber, 2006, Connectionist temporal classification.
    """

    def forward(self, x: Array, t: Array, input_length: Array, label_length: Array) -> tuple[Array, Any]:
        """Return the loss (B,) and what `grad_input` wants kept.

        Args:
            x: (T, B, V).
            t: (B, M), integers: labels, anything beyond their lengths.
            input_length: (B,), integers from 0 to T.
            label_length: (B,), integers from 0 to M.

        Returns:
            ∞ for a sequence with too few frames for its labels.
        """
        xp = self.backend.xp
        log_p = log_softmax(self.backend, x, 2)
        places = self.places(t, input_length, label_length)
        lattice = self._lattice(log_p, places)
        label, blank = self._after(lattice)
        total = _log_add(xp, label[-1, -1, :], blank[-1, -1, :]) if x.shape[0] else places.end[0, :]
        loss = xp.where(total > LOG_ZERO / 2, -total, xp.inf)
        return loss, Kept(log_p, places, lattice, label, blank, total)
