"""BlackOut loss."""

from __future__ import annotations

import math

from kusari.autograd import Variable, as_variable
from kusari.autograd.shaping import broadcast_to, mean, reshape
from kusari.autograd.shaping import sum as sum_over
from kusari.autograd.variable import VariableLike, constant
from kusari.errors import InvalidType
from kusari.functions.array.where import where
from kusari.functions.loss.negative_sampling import scores_of
from kusari.functions.loss.reduction import check_reduce
from kusari.functions.math.exponential import exp
from kusari.functions.math.logarithm_1p import log1p
from kusari.functions.math.logsumexp import logsumexp


def black_out(
    x: VariableLike, t: VariableLike, W: VariableLike, samples: VariableLike, reduce: str = "mean"
) -> Variable:
    """Compute the BlackOut loss: a softmax over the right word and a few words that were drawn.

    −log p(t) − Σₛ log(1 − p(s)), where p is the softmax of xₙ · wᵥ over t and the words drawn.

    Args:
        x: (N, D), floating.
        t: (N,), integers: words, from 0 to V − 1.
        W: (V, D), of ``x``'s dtype: one vector per word.
        samples: (N, S), integers: the words drawn.
        reduce: ``mean``, or ``no`` for one loss per row.

    Returns:
        0-d, or (N,) for ``reduce="no"``.

    Raises:
        ValueError: Another ``reduce``.
        InvalidType: Ranks or lengths that do not fit.
        IndexError: Words out of range, or not integers; see `get_item`.

    Source: Ji, Vishwanathan, Satish, Anderson, Dubey, 2016, BlackOut: speeding up recurrent neural network language
    models with very large vocabularies, arXiv:1511.06909.

    >>> x, W = np.asarray([[1.0, 2.0]]), np.asarray([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    >>> round(black_out(x, np.asarray([2]), W, np.asarray([[0, 1]])).item(), 4)
    0.7826
    """
    check_reduce("black_out", reduce, ("mean", "no"))
    x, t, W, samples = (as_variable(one) for one in (x, t, W, samples))
    if (x.ndim, t.ndim, W.ndim, samples.ndim) != (2, 1, 2, 2):
        raise InvalidType(
            "x (N, D), t (N,), W (V, D), samples (N, S)", f"{x.shape}, {t.shape}, {W.shape}, {samples.shape}"
        )
    if x.shape[0] != t.shape[0] or x.shape[0] != samples.shape[0] or x.shape[1] != W.shape[1]:
        raise InvalidType("one length N and one length D", f"{x.shape}, {t.shape}, {W.shape}, {samples.shape}")
    words = x.xp.concat((x.xp.expand_dims(x.xp.astype(t.array, samples.array.dtype), axis=1), samples.array), axis=1)
    scores = scores_of(x, W, words)
    log_p = scores - _column(logsumexp(scores, axis=1), scores)
    loss = -log_p[:, 0] - sum_over(_log_of_rest(log_p)[:, 1:], axis=1)
    return loss if reduce == "no" else mean(loss)


def _log_of_rest(log_p: Variable) -> Variable:
    """Return log(1 − p).

    Where p is near 1, 1 − p has no digits left; but that is the largest p of its row: the others are summed instead.
    """
    xp, device = log_p.xp, log_p.device
    place = xp.arange(log_p.shape[1], device=device.native)
    largest = constant(place == xp.expand_dims(xp.argmax(log_p.array, axis=1), axis=1), device)
    never = constant(xp.full((), -math.inf, dtype=log_p.array.dtype, device=device.native), device)
    others = where(largest, never, log_p)
    return where(largest, _column(logsumexp(others, axis=1), log_p), log1p(-exp(others)))


def _column(x: Variable, like: Variable) -> Variable:
    """Return x (N,) repeated to (N, S)."""
    return broadcast_to(reshape(x, (x.shape[0], 1)), like.shape)
