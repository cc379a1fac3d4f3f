"""Connectionist temporal classification: the loss and its gradient, by the forward-backward algorithm."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from kusari.backend import Family
from kusari.kernels.softmax import log_softmax
from kusari.types import Array, Shape

LOG_ZERO: Final = -1e30
"""Stands for log 0. Finite, because −∞ − (−∞) is NaN; float32 holds the sum of 10⁸ of them."""


class CTCProblem(NamedTuple):
    """Everything about a CTC loss but its numbers."""

    x: Shape
    """(T, B, V): scores of V symbols, in T ≥ 1 frames of B sequences."""
    labels: int
    """M: the length of the longest label sequence."""
    blank: int
    """The symbol that stands for no label."""
    dtype: Any
    """float32 or float64."""


class Route(NamedTuple):
    """Which way a path may take: made of labels and lengths alone.

    A path runs through blank 0, label 0, blank 1, label 1, …, blank L, for L labels. In each frame it stays, moves on
    by one, or moves from a label to the next over the blank between, if the two are different symbols. Two more labels
    are its ends: number −1, where it waits before the first frame, and number L, where it waits after the last one.
    In frames beyond a sequence's length only waiting costs nothing, so that lengths need no branches.
    """

    symbol: Array
    """(M, B), integers: label k of each sequence; 0 beyond its length."""
    counts: Array
    """(T, M, B), booleans: neither the label nor the frame is beyond its length."""
    frame: Array
    """(T, B), booleans: the frame is not."""
    instead: Array
    """(T, M + 2, B): the scores of labels −1 … M where they do not count: 0 where a path waits, else log 0."""
    over: Array
    """(M + 1, B), booleans: there is a move from label k − 1 to label k, for k = 0 … M."""
    end: Array
    """(M + 1, B): 0 for label L of labels 0 … M, else log 0."""


class Passed(NamedTuple):
    """Log-probabilities of all ways up to each place, its own frame included."""

    label: Array
    """(T, M + 1, B)."""
    blank: Array
    """(T, M + 1, B): of the blank behind each label."""


class Kept(NamedTuple):
    """What the gradient needs of a call."""

    log_p: Array
    route: Route
    label: Array
    """(T, M + 2, B): scores of labels −1 … M."""
    blank: Array
    """(T, B): scores of the blank."""
    rest: Passed
    """From each place to the end; of labels 0 … M, and of blanks 0 … M."""
    total: Array
    """(B,): of all ways."""


class CTC(Family[CTCProblem]):
    """−log of the probability of the labels: of all paths that give them, repetitions merged and blanks left out.

    Loops run over frames alone; sequences and labels are axes of arrays, sequences last.

    Source: Graves, Fernández, Gomez, Schmidhuber, 2006, Connectionist temporal classification.
    """

    def forward(self, x: Array, t: Array, input_length: Array, label_length: Array) -> tuple[Array, Any]:
        """Return the loss (B,) and what `grad_input` wants kept.

        Args:
            x: (T, B, V).
            t: (B, M), integers: labels from 0 to V − 1; beyond a sequence's length anything.
            input_length: (B,), integers from 0 to T.
            label_length: (B,), integers from 0 to M.

        Returns:
            ∞ for a sequence whose labels need more frames than it has.
        """
        xp = self.backend.xp
        log_p = log_softmax(self.backend, x, 2)
        route = self.route(t, input_length, label_length, x)
        label, blank = self._scores(log_p, route)
        # Backwards from the end: there every sequence begins where it waits, and at label 0 all of them arrive.
        backwards, over = xp.flip(label[:, 1:, :], axis=(0, 1)), xp.flip(route.over[1:, :], axis=0)
        rest = self._sweep(backwards, xp.flip(blank, axis=0), over, xp.flip(route.end, axis=0))
        total = self._log_add(rest.label[-1, -1, :], rest.blank[-1, -1, :])
        rest = Passed(*(xp.flip(way, axis=(0, 1)) for way in rest))
        loss = xp.where(total < LOG_ZERO / 2, xp.inf, -total)
        return loss, Kept(log_p, route, label, blank, rest, total)

    def grad_input(self, kept: Any, gloss: Array) -> Array:
        """Return the gradient of x (T, B, V): (softmax(x) − how likely a path meets the symbol there) · gloss.

        0 beyond a sequence's length, and where no path exists.
        """
        xp, (log_p, route, label, blank, rest, total) = self.backend.xp, kept
        start = xp.full_like(route.end, LOG_ZERO)
        start[0, :] = 0
        passed = self._sweep(label[:, :-1, :], blank, route.over[:-1, :], start)
        none = total < LOG_ZERO / 2
        total = xp.where(none, 0, total)
        at_label = xp.exp(passed.label[:, 1:, :] + rest.label[:, :-1, :] - label[:, 1:-1, :] - total)
        at_blank = xp.exp(passed.blank + rest.blank - xp.expand_dims(blank, axis=1) - total)
        met = self._sum_by_symbol(at_label, xp.sum(at_blank, axis=1), route.symbol)
        gx = (xp.exp(log_p) - met) * xp.expand_dims(xp.where(none, 0, gloss), axis=1)
        return xp.where(xp.expand_dims(route.frame, axis=2), gx, 0)

    def route(self, t: Array, input_length: Array, label_length: Array, like: Array) -> Route:
        """Return which way a path may take; ``like`` gives the scores' dtype."""
        xp, (frames, batch, _), m = self.backend.xp, self.problem.x, self.problem.labels
        number = xp.expand_dims(xp.arange(-1, m + 1, device=t.device), axis=1)
        frame = xp.expand_dims(xp.arange(frames, device=t.device), axis=1) < input_length
        inside = (number >= 0) & (number < label_length)
        # No symbol is −1: beyond the labels, every move is one to a different symbol.
        aside = xp.full((1, batch), -1, dtype=xp.int64, device=t.device)
        symbol = xp.concat((aside, xp.astype(xp.matrix_transpose(t), xp.int64), aside), axis=0)
        symbol = xp.where(inside, symbol, -1)
        zero = xp.zeros((), dtype=like.dtype, device=like.device)
        never = xp.full_like(zero, LOG_ZERO)
        last = number == label_length
        waits = xp.expand_dims(last, axis=0) & ~xp.expand_dims(frame, axis=1)
        return Route(
            symbol=xp.maximum(symbol[1:-1, :], 0),
            counts=xp.expand_dims(inside[1:-1, :], axis=0) & xp.expand_dims(frame, axis=1),
            frame=frame,
            instead=xp.where(waits, zero, never),
            over=symbol[1:, :] != symbol[:-1, :],
            end=xp.where(last[1:, :], zero, never),
        )

    def numbers(self, symbol: Array) -> Array:
        """Return where the scores of symbols (K, B) are in a frame's B · V."""
        xp, (_, batch, classes) = self.backend.xp, self.problem.x
        return symbol + xp.arange(batch, dtype=symbol.dtype, device=symbol.device) * classes

    def _scores(self, log_p: Array, route: Route) -> tuple[Array, Array]:
        """Return the scores of labels −1 … M (T, M + 2, B) and of the blank (T, B)."""
        xp, (frames, batch, classes), m = self.backend.xp, self.problem.x, self.problem.labels
        flat = xp.reshape(log_p, (frames, batch * classes))
        picked = xp.take(flat, xp.reshape(self.numbers(route.symbol), (-1,)), axis=1)
        # −∞ for a symbol that cannot be would be NaN in a difference.
        picked = xp.maximum(xp.reshape(picked, (frames, m, batch)), LOG_ZERO)
        picked = xp.where(route.counts, picked, route.instead[:, 1:-1, :])
        label = xp.concat((route.instead[:, :1, :], picked, route.instead[:, -1:, :]), axis=1)
        blank = xp.where(route.frame, xp.maximum(log_p[:, :, self.problem.blank], LOG_ZERO), LOG_ZERO)
        return label, blank

    def _sweep(self, label: Array, blank: Array, over: Array, start: Array) -> Passed:
        """Follow all ways at once, frame by frame.

        Args:
            label: (T, K, B): scores of labels, in the order that they are met.
            blank: (T, B): scores of the blank behind each.
            over: (K − 1, B), booleans: there is a move to each label but the first from the one before.
            start: (K, B): log-probabilities of labels before the first frame.
        """
        xp = self.backend.xp
        at_label, at_blank = start, xp.full_like(start, LOG_ZERO)
        labels, blanks = [], []
        for frame in range(label.shape[0]):
            onward = self._log_add(at_blank, at_label)
            entering = xp.where(over, onward[:-1, :], at_blank[:-1, :])
            moved = self._log_add(at_label[1:, :], entering)
            at_label = xp.concat((at_label[:1, :], moved), axis=0) + label[frame, :, :]
            at_blank = onward + blank[frame, :]
            labels.append(at_label)
            blanks.append(at_blank)
        return Passed(xp.stack(labels), xp.stack(blanks))

    def _log_add(self, x: Array, y: Array) -> Array:
        """Return log(eˣ + eʸ)."""
        xp = self.backend.xp
        high = xp.maximum(x, y)
        # logaddexp() takes 5 times as long on NumPy. What log1p() would add is lost beside high.
        return high + xp.log(xp.exp(xp.minimum(x, y) - high) + 1)

    def _sum_by_symbol(self, at_label: Array, at_blank: Array, symbol: Array) -> Array:
        """Return Σ over places (T, M, B), and of blanks (T, B), with the same symbol: (T, B, V).

        Places are put in order of their symbols; sums are then differences of one running sum, which ends at 1: in
        float32 they are right to 10⁻⁷, as softmax(x) is.
        """
        xp, (frames, batch, classes) = self.backend.xp, self.problem.x
        blank = xp.full((1, batch), self.problem.blank, dtype=symbol.dtype, device=symbol.device)
        number = self.numbers(xp.concat((symbol, blank), axis=0))
        number = xp.reshape(xp.matrix_transpose(number), (-1,))
        places = xp.concat((at_label, xp.expand_dims(at_blank, axis=1)), axis=1)
        places = xp.reshape(xp.permute_dims(places, (0, 2, 1)), (frames, -1))
        order = xp.argsort(number)
        k = self.problem.labels + 1
        ranked = xp.reshape(xp.take(places, order, axis=1), (frames, batch, k))
        running = xp.cumulative_sum(ranked, axis=2, include_initial=True)
        every = xp.arange(batch * classes, dtype=number.dtype, device=number.device)
        upto = xp.searchsorted(xp.take(number, order), every, side="right")
        # Each sequence's running sum has one place more than it has labels: the 0 it begins with.
        upto = upto + xp.astype(every // classes, upto.dtype)
        ends = xp.reshape(xp.take(xp.reshape(running, (frames, -1)), upto, axis=1), (frames, batch, classes))
        return xp.concat((ends[:, :, :1], ends[:, :, 1:] - ends[:, :, :-1]), axis=2)
