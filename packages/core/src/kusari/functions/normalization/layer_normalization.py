"""Layer normalization."""

from __future__ import annotations

from typing import Any

from kusari.autograd import Variable
from kusari.autograd.type_check import expect
from kusari.autograd.variable import VariableLike
from kusari.functions.normalization.statistics import NormalizationStep, with_parameters


class LayerNormalization(NormalizationStep):
    """y = γ x̂ + β, where each row of x̂ has mean 0 and variance 1."""

    parameter_axes = (1,)

    def __init__(self, eps: float) -> None:
        super().__init__(eps, (1,))

    def check_type_forward(self, in_types: Any) -> None:
        expect(in_types[0].ndim == 2)
        super().check_type_forward(in_types)


def layer_normalization(x: VariableLike, gamma: VariableLike, beta: VariableLike, eps: float = 1e-5) -> Variable:
    """Normalize each sample by the mean and variance of its units, then scale and shift each unit.

    y[n] = γ (x[n] − mean[n]) / √(var[n] + ε) + β.

    Args:
        x: (N, D), floating.
        gamma: γ (D,). Any floating dtype; likewise ``beta``.
        beta: β (D,).
        eps: ε.

    Returns:
        (N, D), in x's dtype; statistics of 16-bit inputs are computed in float32.

    Raises:
        InvalidType: ``x`` is not floating or not a matrix, or γ or β do not fit.

    Source: Ba, Kiros, Hinton, 2016, arXiv:1607.06450.

    >>> layer_normalization(np.asarray([[1.0, 2.0, 3.0]]), np.ones(3), np.zeros(3)).array.round(3)
    array([[-1.225,  0.   ,  1.225]])
    """
    return LayerNormalization(eps).apply(with_parameters(x, gamma, beta))[0]
