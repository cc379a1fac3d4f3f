"""Negative sampling loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kusari.autograd import Variable, as_variable
from kusari.autograd.arithmetic import matmul
from kusari.autograd.indexing import get_item
from kusari.autograd.shaping import reshape
from kusari.autograd.shaping import sum as sum_over
from kusari.autograd.type_check import expect, expect_floating
from kusari.autograd.variable import VariableLike
from kusari.errors import InvalidType
from kusari.functions.activation.softplus import softplus
from kusari.functions.arguments import refuse_keywords
from kusari.functions.loss.composed import ComposedLoss
from kusari.functions.loss.reduction import check_reduce
from kusari.functions.math.elementwise import masked
from kusari.types import Array, Shape


class NegativeSamplingFunction(ComposedLoss):
    """−log σ(xₙ · wₜ) − Σₛ log σ(−xₙ · wₛ), where t is not −1; samples (N, 1 + S) begin with t."""

    def __init__(self, samples: Array, reduce: str) -> None:
        self.samples = samples
        self.reduce = reduce

    def check_type_forward(self, in_types: Any) -> None:
        expect(in_types.size() == 3)
        x, t, W = in_types
        expect_floating((x, W), names=("x", "W"))
        expect(W.dtype == x.dtype, t.dtype.kind == "i")
        expect(x.ndim == 2, t.ndim == 1, W.ndim == 2)
        expect(x.shape[0] == t.shape[0], x.shape[1] == W.shape[1])

    def decompose(self, inputs: tuple[Variable, ...]) -> tuple[Variable]:
        """Return the loss by plain functions."""
        x, t, W = inputs
        scores = scores_of(x, W, self.samples)
        loss = sum_over(softplus(-scores[:, :1]), axis=1) + sum_over(softplus(scores[:, 1:]), axis=1)
        loss = masked(loss, t.array != -1)
        return (loss if self.reduce == "no" else sum_over(loss),)


def scores_of(x: Variable, W: Variable, samples: Array) -> Variable:
    """Return xₙ · W[samplesₙₛ] of x (N, D), W (V, D) and samples (N, S): (N, S)."""
    picked = get_item(W, samples)
    return reshape(matmul(picked, reshape(x, (*x.shape, 1))), samples.shape)


def negative_sampling(
    x: VariableLike,
    t: VariableLike,
    W: VariableLike,
    sampler: Callable[[Shape], Array],
    sample_size: int,
    reduce: str = "sum",
    *,
    return_samples: bool = False,
    **keywords: Any,
) -> Any:
    """Compute the negative sampling loss: a word against a few words that were drawn.

    −log σ(xₙ · wₜ) − Σₛ log σ(−xₙ · wₛ), over ``sample_size`` words s that ``sampler`` draws.

    Args:
        x: (N, D), floating.
        t: (N,), integers: words, from 0 to V − 1, or −1 for a row that does not count.
        W: (V, D), of ``x``'s dtype: one vector per word.
        sampler: ``sampler(shape)`` returns words, an integer array of that shape; such as `WalkerAlias.sample`.
        sample_size: S: how many words to draw for each row.
        reduce: ``sum``, or ``no`` for one loss per row.
        return_samples: Return the words too.
        **keywords: None; named in the error that they are.

    Returns:
        The loss, 0-d, or (N,) for ``reduce="no"``; with ``return_samples``, it and an array (N, 1 + S) of words:
        each row's own, then those drawn.

    Raises:
        ValueError: Another ``reduce``, a negative ``sample_size``, or samples of another shape.
        InvalidType: Ranks, lengths or dtypes that do not fit.
        TypeError: An unknown keyword.

    Source: Mikolov, Sutskever, Chen, Corrado, Dean, 2013, Distributed representations of words and phrases and their
    compositionality, arXiv:1310.4546.

    >>> x, W = np.asarray([[1.0, 2.0]]), np.asarray([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    >>> draw_zeros = lambda shape: np.zeros(shape, "int32")
    >>> round(negative_sampling(x, np.asarray([2]), W, draw_zeros, sample_size=3).item(), 4)
    2.2064
    """
    refuse_keywords("negative_sampling", keywords, {})
    check_reduce("negative_sampling", reduce, ("sum", "no"))
    x, t, W = as_variable(x), as_variable(t), as_variable(W)
    samples = _draw(sampler, t, sample_size)
    loss = NegativeSamplingFunction(samples, reduce).apply((x, t, W))[0]
    return (loss, samples) if return_samples else loss


def _draw(sampler: Callable[[Shape], Array], t: Variable, sample_size: int) -> Array:
    """Return words (N, 1 + S): t, and those that the sampler draws."""
    if sample_size < 0:
        raise ValueError(f"negative_sampling(sample_size={sample_size}): expected 0 or more")
    if t.ndim != 1:
        raise InvalidType("t.ndim == 1", f"{t.ndim} != 1")
    shape = (t.shape[0], sample_size + 1)
    drawn = t.device.send(sampler(shape))
    if drawn.shape != shape:
        raise ValueError(f"negative_sampling(): the sampler returned shape {drawn.shape}, expected {shape}")
    xp = t.xp
    return xp.concat((xp.expand_dims(xp.astype(t.array, drawn.dtype), axis=1), drawn[:, 1:]), axis=1)
