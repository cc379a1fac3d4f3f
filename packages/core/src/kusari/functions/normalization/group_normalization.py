"""Group normalization."""

from __future__ import annotations

import operator

from kusari.autograd import Variable
from kusari.autograd.shaping import reshape
from kusari.autograd.variable import VariableLike
from kusari.errors import InvalidType
from kusari.functions.normalization.statistics import NormalizationStep, with_parameters


class GroupNormalization(NormalizationStep):
    """y = γ x̂ + β for x (N, G, C / G, …), where x̂ has mean 0 and variance 1 over each sample's groups."""

    parameter_axes = (1, 2)


def group_normalization(
    x: VariableLike, groups: int, gamma: VariableLike, beta: VariableLike, eps: float = 1e-5
) -> Variable:
    """Normalize groups of channels of each sample by their mean and variance, then scale and shift each channel.

    y[n, c] = γ[c] (x[n, c] − mean[n, g]) / √(var[n, g] + ε) + β[c] for the channels c of group g; mean and variance
    are over these channels and all pixels.

    Args:
        x: (N, C, …), floating.
        groups: Into how many groups the channels are split: a divisor of C.
        gamma: γ (C,). Any floating dtype; likewise ``beta``.
        beta: β (C,).
        eps: ε.

    Returns:
        Same shape, dtype and memory format as ``x``; statistics of 16-bit inputs are computed in float32.

    Raises:
        TypeError: ``groups`` is not an integer.
        ValueError: ``groups`` does not divide C.
        InvalidType: ``x`` is not floating or has fewer than two axes, or γ or β do not fit.

    Source: Wu, He, 2018, arXiv:1803.08494.

    >>> x = np.asarray([[1.0, 3.0, 10.0, 30.0]])
    >>> group_normalization(x, 2, np.ones(4), np.zeros(4)).array.round(3)
    array([[-1.,  1., -1.,  1.]])
    """
    try:
        groups = operator.index(groups)
    except TypeError:
        raise TypeError(f"group_normalization(groups={groups!r}): expected an integer") from None
    x, gamma, beta = with_parameters(x, gamma, beta)
    if x.ndim < 2:
        raise InvalidType(
            "x.ndim >= 2", f"{x.ndim} < 2", f"group_normalization(): x of shape {x.shape} has no channels"
        )
    n, channels, *spatial = x.shape
    if groups < 1 or channels % groups:
        raise ValueError(f"group_normalization(groups={groups}): expected a divisor of {channels}, x's channels")
    for name, parameter in (("gamma", gamma), ("beta", beta)):
        if parameter.shape != (channels,):
            raise InvalidType(f"{name} of shape ({channels},), as x {x.shape} has channels", f"{parameter.shape}")
    size = channels // groups
    node = GroupNormalization(eps, tuple(range(2, x.ndim + 1)))
    grouped = (
        reshape(x, (n, groups, size, *spatial)),
        reshape(gamma, (groups, size)),
        reshape(beta, (groups, size)),
    )
    return reshape(node.apply(grouped)[0], x.shape)
