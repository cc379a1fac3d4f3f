"""Linear-chain conditional random fields: loss, gradients and the best labels, by dynamic programming over time."""

from __future__ import annotations

from itertools import accumulate
from typing import Any, NamedTuple

from kusari.backend import Family
from kusari.kernels.reduction import logsumexp
from kusari.kernels.scatter import scatter_sum
from kusari.types import Array, Shape


class CRFProblem(NamedTuple):
    """Everything about a chain but its numbers."""

    sizes: Shape
    """How many sequences are left at each time, never more than before: the longest sequence comes first."""
    labels: int
    """K: how many labels there are."""
    dtype: Any
    """float32 or float64."""


class Kept(NamedTuple):
    """What the gradients need of a call."""

    passed: list[Array]
    """For each time (Bₜ, K): log Σ e^score over all labels before, for each label there."""
    total: Array
    """(B,): over all labels."""
    pair: Array
    """(ΣBₜ − B,): K · label before + label, for each time but the first."""


class LinearChainCRF(Family[CRFProblem]):
    """−log p(y | x) = log Σ e^score(y′) − score(y), with score(y) = Σₜ xₜ[yₜ] + Σₜ cost[yₜ₋₁, yₜ].

    Rows of all times lie one after the other: x is (ΣBₜ, K). Loops run over time alone.

    Source: Lafferty, McCallum, Pereira, 2001, Conditional random fields.
    """

    def forward(self, cost: Array, x: Array, y: Array) -> tuple[Array, Any]:
        """Return the loss (B,) and what `backward` wants kept.

        Args:
            cost: (K, K): of label j following label i, at [i, j].
            x: (ΣBₜ, K): scores.
            y: (ΣBₜ,), integers: labels.
        """
        xs = self.split(x)
        passed = [xs[0]]
        for scores in xs[1:]:
            before = self.backend.xp.expand_dims(passed[-1][: scores.shape[0], :], axis=2)
            passed.append(logsumexp(self.backend, before + cost, (1,)) + scores)
        total = logsumexp(self.backend, self.backend.xp.concat(self.ends(passed), axis=0), (1,))
        pair = self.pairs(y)
        return total - self._score(cost, x, y, pair), Kept(passed, total, pair)

    def backward(
        self, kept: Any, cost: Array, x: Array, y: Array, gloss: Array, wanted: tuple[bool, bool]
    ) -> tuple[Array | None, Array | None]:
        """Return the gradients of (cost, x) that are wanted, None for the other."""
        xp, k, sizes = self.backend.xp, self.problem.labels, self.problem.sizes
        passed, total, pair = kept
        xs, rest = self.split(x), xp.zeros_like(passed[-1])
        gcost, gxs = xp.zeros_like(cost), []
        for time in reversed(range(len(xs))):
            size = sizes[time]
            if time + 1 < len(xs):  # rest is of time + 1, where fewer are left
                left = sizes[time + 1]
                ways = cost + xp.expand_dims(xs[time + 1] + rest, axis=1)
                if wanted[0]:
                    at = xp.expand_dims(passed[time][:left, :], axis=2) + ways - _column(xp, total[:left], 2)
                    gcost = gcost + xp.sum(xp.exp(at) * _column(xp, gloss[:left], 2), axis=0)
                ended = xp.zeros((size - left, k), dtype=x.dtype, device=x.device)
                rest = xp.concat((logsumexp(self.backend, ways, (2,)), ended), axis=0)
            gxs.append(xp.exp(passed[time] + rest - _column(xp, total[:size], 1)) * _column(xp, gloss[:size], 1))
        row = xp.take(gloss, self.sequence(y), axis=0)
        own = xp.expand_dims(y, axis=1) == xp.arange(k, dtype=y.dtype, device=y.device)
        gx = xp.concat(gxs[::-1], axis=0)
        gx = gx - xp.where(own, _column(xp, row, 1), 0)
        met = scatter_sum(self.backend, row[sizes[0] :], pair, 0, k * k)
        return gcost - xp.reshape(met, (k, k)) if wanted[0] else None, gx if wanted[1] else None

    def best(self, cost: Array, x: Array) -> list[Array]:
        """Return the labels of the highest score: for each time (Bₜ,), int64."""
        xp, sizes = self.backend.xp, self.problem.sizes
        score: list[Array] = []
        came_from: list[Array] = []
        for scores in self.split(x):
            if score:
                ways = xp.expand_dims(score[-1][: scores.shape[0], :], axis=2) + cost
                came_from.append(xp.argmax(ways, axis=1))
                scores = scores + xp.max(ways, axis=1)
            score.append(scores)
        path = xp.argmax(score[-1], axis=1)
        paths = [path]
        for time in reversed(range(len(sizes) - 1)):
            path = xp.take_along_axis(came_from[time], xp.expand_dims(path, axis=1), axis=1)[:, 0]
            ended = xp.argmax(score[time][sizes[time + 1] :, :], axis=1)
            path = xp.concat((path, ended), axis=0)
            paths.append(path)
        return [xp.astype(path, xp.int64) for path in paths[::-1]]

    # Rows and sequences. --------------------------------------------------------------------------------------------

    def split(self, rows: Any) -> list[Any]:
        """Return rows of all times as one array (or Variable) for each time."""
        sizes = self.problem.sizes
        return [rows[end - size : end, ...] for end, size in zip(accumulate(sizes), sizes, strict=True)]

    def ends(self, rows: list[Any]) -> list[Any]:
        """Return, from one array (Bₜ, K) for each time, the rows of sequences that end there.

        The latest time comes first: joined, they are in the order of the sequences.
        """
        sizes = self.problem.sizes
        found = [one[left:, :] for one, left, size in zip(rows, (*sizes[1:], 0), sizes, strict=True) if left < size]
        return found[::-1]

    def sequence(self, like: Array) -> Array:
        """Return which sequence each row is of (ΣBₜ,), int64."""
        xp = self.backend.xp
        every = xp.arange(self.problem.sizes[0], dtype=xp.int64, device=like.device)
        return xp.concat([every[:size] for size in self.problem.sizes], axis=0)

    def pairs(self, y: Array) -> Array:
        """Return K · label before + label for each row (ΣBₜ − B,) but those of the first time, int64."""
        xp, sizes = self.backend.xp, self.problem.sizes
        ys = self.split(xp.astype(y, xp.int64))
        none = ys[0][:0]
        before = xp.concat([none, *(labels[:size] for labels, size in zip(ys[:-1], sizes[1:], strict=True))], axis=0)
        return before * self.problem.labels + xp.concat([none, *ys[1:]], axis=0)

    def _score(self, cost: Array, x: Array, y: Array, pair: Array) -> Array:
        """Return Σₜ xₜ[yₜ] + Σₜ cost[yₜ₋₁, yₜ] for each sequence (B,)."""
        xp, batch = self.backend.xp, self.problem.sizes[0]
        own = xp.take_along_axis(x, xp.expand_dims(xp.astype(y, xp.int64), axis=1), axis=1)[:, 0]
        moves = xp.take(xp.reshape(cost, (-1,)), pair, axis=0)
        sequence = self.sequence(y)
        where = xp.concat((sequence, sequence[batch:]), axis=0)
        return scatter_sum(self.backend, xp.concat((own, moves), axis=0), where, 0, batch)


def _column(xp: Any, x: Array, axes: int) -> Array:
    """Return x (B,) with axes of length 1 behind."""
    return xp.reshape(x, (-1, *(1,) * axes))
