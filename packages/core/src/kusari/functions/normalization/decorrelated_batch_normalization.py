"""Decorrelated batch normalization: ZCA whitening, with the statistics of the batch and with given ones."""

from __future__ import annotations

import math
import operator
from typing import Any

from kusari import dtypes
from kusari.autograd import FunctionNode, Variable, as_variable
from kusari.autograd.shaping import cast, reshape, swap_last_axes, transpose
from kusari.autograd.variable import VariableLike, constant
from kusari.errors import InvalidType
from kusari.functions.normalization.statistics import update_running, with_parameters
from kusari.kernels import linalg as kernels


class InverseSquareRoot(FunctionNode):
    """P = Σ^−½ for symmetric positive Σ; gΣ = −P Z P with Σ^½ Z + Z Σ^½ = gP."""

    def forward(self, inputs: tuple[Any]) -> tuple[Any]:
        self.retain_inputs((0,))
        self.retain_outputs((0,))
        return (kernels.inverse_square_root(self.backend, inputs[0]),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable]:
        (sigma,), (p,) = self.get_retained_inputs(), self.get_retained_outputs()
        return (-(p @ Lyapunov().apply((sigma @ p, grad_outputs[0]))[0] @ p),)


class Lyapunov(FunctionNode):
    """The Z with R Z + Z R = B, for symmetric positive R; gB is such a Z for gZ, and gR = −(gB Zᵀ + Zᵀ gB)."""

    def forward(self, inputs: tuple[Any, Any]) -> tuple[Any]:
        self.retain_inputs((0,))
        self.retain_outputs((0,))
        return (kernels.solve_lyapunov(self.backend, *inputs),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable, ...]:
        (r,), (z,) = self.get_retained_inputs(), self.get_retained_outputs()
        gb = Lyapunov().apply((r, grad_outputs[0]))[0]
        return tuple([gb if index else -(gb @ swap_last_axes(z) + swap_last_axes(z) @ gb) for index in indexes])


def decorrelated_batch_normalization(
    x: VariableLike,
    *,
    groups: int = 16,
    eps: float = 2e-5,
    running_mean: VariableLike | None = None,
    running_projection: VariableLike | None = None,
    decay: float = 0.9,
) -> Variable:
    """Whiten groups of channels of a batch: mean 0, variance 1, and no correlation within a group.

    y = Σ^−½ (x − mean) for each group, where Σ is its covariance + ε I over the batch and all pixels.

    Args:
        x: (N, C, …), floating.
        groups: Into how many groups G the channels are split: a divisor of C.
        eps: ε, added to the diagonal of the covariance.
        running_mean: An array (G, C / G) that becomes decay · itself + (1 − decay) · mean, in place; or None.
        running_projection: Likewise (G, C / G, C / G) for Σ^−½ times m / (m − 1), for means over m numbers.
        decay: How much of the running statistics stays.

    Returns:
        Same shape and dtype as ``x``; 16-bit inputs are computed in float32.

    Raises:
        InvalidType: ``x`` is not floating, has no channels, or ``groups`` does not divide them.
        ValueError: A running statistic of another shape.

    Source: Huang, Yang, Lang, Deng, 2018, arXiv:1804.08450.

    >>> x = np.random.default_rng(0).normal(size=(50, 2)) @ np.asarray([[1.0, 2.0], [0.0, 1.0]])
    >>> y = decorrelated_batch_normalization(x, groups=1).array
    >>> np.allclose(y.T @ y / 50, np.eye(2), atol=1e-3)
    True
    """
    x = as_variable(x)
    z = _grouped("decorrelated_batch_normalization", x, groups)
    count = max(z.shape[2], 1)
    mean = z.sum(axis=2, keepdims=True) / count
    centred = z - mean
    identity = z.xp.eye(z.shape[1], dtype=z.array.dtype, device=z.array.device) * eps
    covariance = centred @ swap_last_axes(centred) / count + constant(identity, z.device)
    node = InverseSquareRoot()
    (projection,) = node.apply((covariance,))
    if x.size:
        update_running(node, running_mean, mean.array[..., 0], decay)
        update_running(node, running_projection, projection.array * (count / max(count - 1, 1)), decay)
    return _ungrouped(projection @ centred, x)


def fixed_decorrelated_batch_normalization(
    x: VariableLike, mean: VariableLike, projection: VariableLike, groups: int = 16
) -> Variable:
    """Whiten groups of channels by a given mean and projection: decorrelated batch normalization after training.

    y = P (x − mean) for each group of channels.

    Args:
        x: (N, C, …), floating.
        mean: (G, C / G).
        projection: P (G, C / G, C / G).
        groups: G, a divisor of C.

    Returns:
        Same shape and dtype as ``x``; 16-bit inputs are computed in float32.

    Raises:
        InvalidType: ``x`` is not floating, has no channels, ``groups`` does not divide them, or another argument has
            another shape.

    >>> x = np.asarray([[3.0, 4.0]])
    >>> fixed_decorrelated_batch_normalization(x, np.ones((1, 2)), np.eye(2)[None] * 2, groups=1).array
    array([[4., 6.]])
    """
    x, mean, projection = with_parameters(x, mean, projection)
    z = _grouped("fixed_decorrelated_batch_normalization", x, groups)
    for name, given, expected in (
        ("mean", mean, z.shape[:2]),
        ("projection", projection, (*z.shape[:2], z.shape[1])),
    ):
        if given.shape != expected:
            raise InvalidType(f"{name} of shape {expected}, for x {x.shape} in {groups} groups", f"{given.shape}")
    return _ungrouped(projection @ (z - reshape(mean, (*mean.shape, 1))), x)


def _grouped(function: str, x: Variable, groups: int) -> Variable:
    """Return x as (G, C / G, N · pixels), in float32 where it has 16 bits."""
    groups = operator.index(groups)
    if not dtypes.is_floating(x.dtype):
        raise InvalidType("x.dtype is floating", f"{x.dtype}", f"{function}(): x of dtype {x.dtype} is not floating")
    if x.ndim < 2 or groups < 1 or x.shape[1] % groups:
        raise InvalidType(
            f"x (N, C, …) with C % {groups} == 0",
            f"{x.shape}",
            f"{function}(groups={groups}): x of shape {x.shape}; expected (N, C, …) with {groups} a divisor of C",
        )
    wide = cast(x, "float32") if x.dtype.itemsize < 4 else x
    rest = math.prod((x.shape[0], *x.shape[2:]))
    return reshape(transpose(wide, (1, 0, *range(2, x.ndim))), (groups, x.shape[1] // groups, rest))


def _ungrouped(y: Variable, x: Variable) -> Variable:
    """Return what `_grouped` made in x's own shape and dtype."""
    y = reshape(y, (x.shape[1], x.shape[0], *x.shape[2:]))
    return cast(transpose(y, (1, 0, *range(2, x.ndim))), x.dtype)
