"""Local response normalization."""

from __future__ import annotations

import operator
from typing import Any

from kusari.autograd import FunctionNode, Variable
from kusari.autograd.operands import keep_dtype
from kusari.autograd.type_check import expect, expect_floating
from kusari.autograd.variable import VariableLike, constant
from kusari.configuration import current_state
from kusari.functions.fused import FusedNode
from kusari.functions.math.wide import widened
from kusari.kernels import norm as kernels


class LocalResponseNormalization(FusedNode):
    """y = x u^−β, u = k + α Σ x² over the n channels around each."""

    def __init__(self, n: int, k: float, alpha: float, beta: float) -> None:
        self.reach = n // 2
        self.k = k
        self.alpha = alpha
        self.beta = beta

    def check_type_forward(self, in_types: Any) -> None:
        expect_floating(in_types, names=("x",))
        expect(in_types[0].ndim >= 2)

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        x = widened(self.backend, inputs[0])
        self.total = kernels.sum_neighbours(self.backend, x * x, self.reach)
        self.retain_inputs((0,))
        y = kernels.local_response(self.backend, x, self.total, self.k, self.alpha, self.beta)
        return (keep_dtype(self, y, inputs[0]),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable | None, ...]:
        inputs = self.get_retained_inputs()
        if current_state().enable_backprop:
            return self.backward_through_chain(indexes, inputs, grad_outputs)
        x, gy = (widened(self.backend, v.array) for v in (inputs[0], grad_outputs[0]))
        gx = kernels.local_response_grad(self.backend, x, self.total, gy, self.reach, self.k, self.alpha, self.beta)
        return (constant(keep_dtype(self, gx, inputs[0].array), self.device),)

    def decompose(self, inputs: tuple[Variable, ...]) -> tuple[Variable]:
        """Return y as a sum, a power and a product."""
        (x,) = inputs
        total = SumNeighbours(self.reach).apply((x * x,))[0]
        return (x * (total * self.alpha + self.k) ** -self.beta,)


class SumNeighbours(FunctionNode):
    """Σ x over the channels around each; who is whose neighbour is mutual, so that the gradient is such a sum too."""

    def __init__(self, reach: int) -> None:
        self.reach = reach

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        return (kernels.sum_neighbours(self.backend, inputs[0], self.reach),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        return (SumNeighbours(self.reach).apply(grad_outputs)[0],)


def local_response_normalization(
    x: VariableLike, n: int = 5, k: float = 2, alpha: float = 1e-4, beta: float = 0.75
) -> Variable:
    """Divide each channel by a power of the squares of the channels around it.

    y[c] = x[c] / (k + α Σ x[d]²)^β over the channels d with |d − c| ≤ ⌊n / 2⌋.

    Args:
        x: (N, C, …), floating.
        n: How many channels a sum is over; an even number counts as the next odd one.
        k: k.
        alpha: α.
        beta: β.

    Returns:
        Same shape and dtype as ``x``; 16-bit inputs are computed in float32.

    Raises:
        InvalidType: ``x`` is not floating, or has no channels.
        ValueError: ``n`` is negative.

    Source: Krizhevsky, Sutskever, Hinton, 2012, section 3.3.

    >>> local_response_normalization(np.asarray([[3.0, 4.0]]), n=3, k=0, alpha=1, beta=0.5).array.round(3)
    array([[0.6, 0.8]])
    """
    n = operator.index(n)
    if n < 0:
        raise ValueError(f"local_response_normalization(n={n}): expected 0 or more")
    return LocalResponseNormalization(n, k, alpha, beta).apply((x,))[0]
