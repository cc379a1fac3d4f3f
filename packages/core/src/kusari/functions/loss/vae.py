"""Losses of variational auto-encoders: Bernoulli and Gaussian likelihoods, and a divergence."""

from __future__ import annotations

import math

from kusari.autograd import Variable, as_variable
from kusari.autograd.variable import VariableLike
from kusari.functions.activation.softplus import softplus
from kusari.functions.loss.reduction import check_reduce, reduced
from kusari.functions.math.exponential import exp

_WAYS = ("sum", "mean", "no")


def gaussian_kl_divergence(mean: VariableLike, ln_var: VariableLike, reduce: str = "sum") -> Variable:
    """Compute the divergence of a Gaussian from the standard one.

    KL(N(μ, σ²) ‖ N(0, 1)) = (μ² + σ² − log σ² − 1) / 2, elementwise.

    Args:
        mean: μ: any shape, floating.
        ln_var: log σ²: a shape that broadcasts with μ's, the same dtype.
        reduce: ``sum``, ``mean`` or ``no``.

    Returns:
        0-d, or the common shape for ``reduce="no"``.

    Raises:
        ValueError: Another ``reduce``.
        InvalidType: Not floating, or of two dtypes.

    >>> gaussian_kl_divergence(np.asarray([0.0, 2.0]), np.asarray([0.0, 0.0]), reduce="no").array
    array([0., 2.])
    """
    check_reduce("gaussian_kl_divergence", reduce, _WAYS)
    mean, ln_var = as_variable(mean), as_variable(ln_var)
    return reduced((mean * mean + exp(ln_var) - ln_var - 1) * 0.5, reduce)


def bernoulli_nll(x: VariableLike, y: VariableLike, reduce: str = "sum") -> Variable:
    """Compute the negative log-likelihood of a Bernoulli distribution, from scores.

    −x log σ(y) − (1 − x) log(1 − σ(y)) = log(1 + eʸ) − xy, elementwise.

    Args:
        x: Observed: from 0 to 1; an array of any dtype, or a Variable of ``y``'s.
        y: Scores, floating, of a shape that broadcasts with ``x``'s: σ(y) is the probability of 1.
        reduce: ``sum``, ``mean`` or ``no``.

    Returns:
        0-d, or the common shape for ``reduce="no"``.

    Raises:
        ValueError: Another ``reduce``.
        InvalidType: ``y`` is not floating, or ``x`` is a Variable of another dtype.

    >>> bernoulli_nll(np.asarray([1.0, 0.0]), np.asarray([0.0, 2.0]), reduce="no").array.round(4)
    array([0.6931, 2.1269])
    """
    check_reduce("bernoulli_nll", reduce, _WAYS)
    y = as_variable(y)
    return reduced(softplus(y) - y * x, reduce)


def gaussian_nll(x: VariableLike, mean: VariableLike, ln_var: VariableLike, reduce: str = "sum") -> Variable:
    """Compute the negative log-likelihood of a Gaussian distribution.

    −log N(x | μ, σ²) = (log 2π + log σ² + (x − μ)² / σ²) / 2, elementwise.

    Args:
        x: Observed: any shape, floating.
        mean: μ: a shape that broadcasts with ``x``'s, the same dtype.
        ln_var: log σ²: likewise.
        reduce: ``sum``, ``mean`` or ``no``.

    Returns:
        0-d, or the common shape for ``reduce="no"``.

    Raises:
        ValueError: Another ``reduce``.
        InvalidType: Not floating, or of two dtypes.

    >>> gaussian_nll(np.asarray([0.0, 1.0]), np.zeros(2), np.zeros(2), reduce="no").array.round(4)
    array([0.9189, 1.4189])
    """
    check_reduce("gaussian_nll", reduce, _WAYS)
    x, mean, ln_var = as_variable(x), as_variable(mean), as_variable(ln_var)
    distance = x - mean
    return reduced((ln_var + distance * distance * exp(-ln_var) + math.log(2 * math.pi)) * 0.5, reduce)
