"""Sampling from a normal distribution, differentiably."""

from __future__ import annotations

from typing import Any

from kusari.autograd import FunctionNode, Variable
from kusari.autograd.type_check import expect, expect_floating
from kusari.autograd.variable import VariableLike, as_array, constant
from kusari.functions.math.exponential import exp
from kusari.functions.noise.drawing import draw_normal, given_noise
from kusari.kernels import noise as kernels


class Gaussian(FunctionNode):
    """z = mean + exp(ln_var / 2) · ε, with ε from N(0, 1)."""

    def __init__(self, eps: Any = None) -> None:
        self.eps = eps

    def check_type_forward(self, in_types: Any) -> None:
        expect_floating(in_types, names=("mean", "ln_var"))
        mean, ln_var = in_types
        expect(mean.shape == ln_var.shape, mean.dtype == ln_var.dtype)

    def forward(self, inputs: tuple[Any, Any]) -> tuple[Any]:
        mean, ln_var = inputs
        self.retain_inputs((1,))
        self.eps = draw_normal(self, mean) if self.eps is None else given_noise(self, self.eps, mean, "eps")
        return (kernels.gaussian(self.backend, mean, ln_var, self.eps),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable, ...]:
        (ln_var,), (g,) = self.get_retained_inputs(), grad_outputs
        half = 0.5 * constant(self.eps, self.device)
        return tuple([g * exp(0.5 * ln_var) * half if index else g for index in indexes])


def gaussian(mean: VariableLike, ln_var: VariableLike, *, eps: VariableLike = None, return_eps: bool = False) -> Any:
    """Sample from a normal distribution, so that gradients flow to its mean and variance.

    z = mean + exp(ln_var / 2) · ε, with ε from N(0, 1), elementwise.

    Args:
        mean: Any shape, floating.
        ln_var: The logarithm of the variance; same shape and dtype.
        eps: ε, instead of a drawn one; that shape, or one that broadcasts to it.
        return_eps: Also return ε, an array.

    Returns:
        Same shape and dtype as ``mean``; or that and ε.

    Raises:
        InvalidType: Two shapes or dtypes, or something that is not floating.

    Source: Kingma, Welling, 2014, arXiv:1312.6114.

    >>> gaussian(np.asarray([1.0, 2.0]), np.zeros(2), eps=np.asarray([-1.0, 0.5])).array
    array([0. , 2.5])
    """
    node = Gaussian(as_array(eps))
    (z,) = node.apply((mean, ln_var))
    return (z, node.eps) if return_eps else z
