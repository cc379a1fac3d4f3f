"""Squared Euclidean norm of each sample."""

from __future__ import annotations

import math
from typing import Any

from kusari.autograd import FunctionNode, Variable, type_check
from kusari.autograd.shaping import broadcast_to, reshape
from kusari.autograd.type_check import expect_floating
from kusari.autograd.variable import VariableLike
from kusari.kernels.reduction import total


class BatchL2NormSquared(FunctionNode):
    """y[n] = Σ x[n, …]²; dy[n]/dx[n, …] = 2 x[n, …]."""

    def check_type_forward(self, in_types: Any) -> None:
        expect_floating(in_types, names=("x",))
        type_check.expect(in_types[0].ndim >= 2)

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        (x,), xp = inputs, self.backend.xp
        self.retain_inputs((0,))
        rows = xp.reshape(x, (x.shape[0], math.prod(x.shape[1:])))
        return (xp.astype(total(self.backend, rows * rows, 1), x.dtype, copy=False),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        (x,), (gy,) = self.get_retained_inputs(), grad_outputs
        return (x * broadcast_to(reshape(gy * 2, (*gy.shape, *(1 for _ in x.shape[1:]))), x.shape),)


def batch_l2_norm_squared(x: VariableLike) -> Variable:
    """Compute the squared Euclidean norm of each sample.

    Args:
        x: (N, …), floating.

    Returns:
        (N,).

    Raises:
        InvalidType: ``x`` is not floating, or has fewer than two axes.

    >>> batch_l2_norm_squared(np.asarray([[3.0, 4.0], [1.0, 2.0]])).array
    array([25.,  5.])
    """
    return BatchL2NormSquared().apply((x,))[0]
