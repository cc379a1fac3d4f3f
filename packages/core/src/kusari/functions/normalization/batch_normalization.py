"""Batch normalization, with the statistics of the batch and with given ones."""

from __future__ import annotations

import warnings
from typing import Any, Final

from kusari.autograd import Variable
from kusari.autograd.axes import reduced_axes
from kusari.autograd.shaping import cast
from kusari.autograd.variable import VariableLike
from kusari.functions.arguments import refuse_keywords
from kusari.functions.fused import ActivationLike, activation_gradient, split_activation
from kusari.functions.normalization.statistics import (
    NormalizationStep,
    update_running,
    with_parameters,
)
from kusari.kernels.activation import Activation
from kusari.types import Array, Shape

GONE: Final = {
    "train": "use using_config('train', ...), and fixed_batch_normalization() for given statistics",
    "test": "use using_config('train', ...), and fixed_batch_normalization() for given statistics",
}


class BatchNormalization(NormalizationStep):
    """y = activation(γ x̂ + β), where x̂ has mean 0 and variance 1 over the batch."""

    def __init__(
        self,
        eps: float,
        axes: Shape,
        running_mean: VariableLike | None = None,
        running_var: VariableLike | None = None,
        decay: float = 0.9,
        activation: Activation | None = None,
    ) -> None:
        super().__init__(eps, axes, activation)
        self.running_mean = running_mean
        self.running_var = running_var
        self.decay = decay

    def forward(self, inputs: tuple[Any, ...]) -> tuple[Any]:
        made = super().forward(inputs)
        self.update_running(inputs[0], self.mean, self.var)
        return made

    def update_running(self, x: Array, mean: Array, var: Array) -> None:
        """Bring the running statistics nearer to the batch's; an empty batch has none."""
        if x.size == 0:
            return
        count = self.plan.members
        if count == 1:
            warnings.warn(
                f"{self.label}: each mean is over one number only (x of shape {x.shape}, axes {self.axes}), so that "
                "y is beta; use a larger batch, or fixed_batch_normalization()",
                UserWarning,
                stacklevel=5,
            )
        update_running(self, self.running_mean, mean, self.decay)
        update_running(self, self.running_var, var * (count / max(count - 1, 1)), self.decay)  # the unbiased estimate


class FixedBatchNormalization(NormalizationStep):
    """y = activation(γ (x − mean) / √(var + ε) + β), with a given mean and variance."""

    def forward(self, inputs: tuple[Any, ...]) -> tuple[Any]:
        self.plan = self.plan_for(*inputs[:2])
        self.retain(inputs)
        return (self.plan.fixed(*inputs),)

    def backward(self, indexes: tuple[int, ...], grad_outputs: tuple[Variable]) -> tuple[Variable | None, ...]:
        (gy,), (x, gamma, _, mean, var) = grad_outputs, self.get_retained_inputs()
        if self.activation is not None:
            gy = activation_gradient(self.activation, self.get_retained_outputs()[0], gy)
        gy = cast(gy, gamma.dtype)
        inverse = (var + self.eps) ** -0.5
        scale = gamma * inverse
        made: list[Variable | None] = [None] * 5
        if 0 in indexes:
            made[0] = cast(gy * self.align(scale, x), x.dtype)
        if {2, 3} & set(indexes):
            made[2] = gbeta = gy.sum(axis=self.axes)
            made[3] = -gbeta * scale
        if {1, 4} & set(indexes):
            centred = cast(x, gamma.dtype) - self.align(mean, x)
            made[1] = ggamma = (gy * centred).sum(axis=self.axes) * inverse
            made[4] = ggamma * gamma / (var + self.eps) * -0.5
        return tuple([made[index] for index in indexes])

    def decompose(self, inputs: tuple[Variable, ...]) -> tuple[Variable]:
        """Return y by arithmetic of Variables."""
        x, gamma, beta, mean, var = inputs
        centred = cast(x, gamma.dtype) - self.align(mean, x)
        return (self.scale(x, centred, gamma, beta, self.align(var, x)),)


def batch_axes(function: str, x: Variable, gamma: Variable, axis: int | tuple[int, ...] | None) -> Shape:
    """Return the axes that means are over; None: the first, and those behind as many as ``gamma`` has."""
    if axis is None:
        return (0, *range(gamma.ndim + 1, x.ndim)) if x.ndim else ()
    return tuple(sorted(reduced_axes(function, axis, x.ndim)))


def batch_normalization(
    x: VariableLike,
    gamma: VariableLike,
    beta: VariableLike,
    *,
    eps: float = 2e-5,
    running_mean: VariableLike | None = None,
    running_var: VariableLike | None = None,
    decay: float = 0.9,
    axis: int | tuple[int, ...] | None = None,
    activation: ActivationLike = None,
    **gone: Any,
) -> Variable:
    """Normalize a batch by its own mean and variance, then scale and shift.

    y = activation(γ (x − mean) / √(var + ε) + β), each mean and variance over ``axis``. Statistics of 16-bit inputs
    are computed, and kept, in float32.

    Args:
        x: (N, C, …), floating.
        gamma: γ, of x's shape without ``axis``: (C,) for images. Any floating dtype; likewise ``beta``.
        beta: β.
        eps: ε, added to the variance.
        running_mean: An array of γ's shape that becomes decay · itself + (1 − decay) · mean, in place; or None.
        running_var: Likewise for the variance, as the unbiased estimate: times m / (m − 1) for means over m numbers.
        decay: How much of the running statistics stays.
        axis: What means are over; None: the batch axis and those that γ lacks.
        activation: A function applied to the result, in the same kernel where the backend can.
        **gone: None are taken; keywords of old programs get advice.

    Returns:
        Same shape, dtype and memory format as ``x``.

    Raises:
        InvalidType: ``x`` is not floating, or γ or β have another shape than x without ``axis``.
        ValueError: An axis twice, a running statistic of another shape, ``train=`` or ``test=``.

    Source: Ioffe, Szegedy, 2015, arXiv:1502.03167.

    >>> x = np.asarray([[1.0, 10.0], [3.0, 30.0]])
    >>> batch_normalization(x, np.ones(2), np.zeros(2)).array.round(3)
    array([[-1., -1.],
           [ 1.,  1.]])
    """
    refuse_keywords("batch_normalization", gone, GONE)
    x, gamma, beta = with_parameters(x, gamma, beta)
    axes = batch_axes("batch_normalization", x, gamma, axis)
    fused, after = split_activation(activation)
    return after(BatchNormalization(eps, axes, running_mean, running_var, decay, fused).apply((x, gamma, beta))[0])


def fixed_batch_normalization(
    x: VariableLike,
    gamma: VariableLike,
    beta: VariableLike,
    mean: VariableLike,
    var: VariableLike,
    eps: float = 2e-5,
    axis: int | tuple[int, ...] | None = None,
    *,
    activation: ActivationLike = None,
) -> Variable:
    """Normalize by a given mean and variance, then scale and shift: batch normalization after training.

    y = activation(γ (x − mean) / √(var + ε) + β).

    Args:
        x: (N, C, …), floating.
        gamma: γ, of x's shape without ``axis``: (C,) for images; likewise ``beta``, ``mean`` and ``var``.
        beta: β.
        mean: What is taken off.
        var: The variance.
        eps: ε.
        axis: The axes that γ lacks; None: the batch axis and those behind γ's.
        activation: A function applied to the result, in the same kernel where the backend can.

    Returns:
        Same shape, dtype and memory format as ``x``.

    Raises:
        InvalidType: ``x`` is not floating, or another argument has another shape than x without ``axis``.
        ValueError: An axis twice.

    >>> x = np.asarray([[1.0, 10.0], [3.0, 30.0]])
    >>> fixed_batch_normalization(x, np.ones(2), np.zeros(2), np.zeros(2), np.asarray([1.0, 100.0])).array.round(3)
    array([[1., 1.],
           [3., 3.]])
    """
    x, *parameters = with_parameters(x, gamma, beta, mean, var)
    axes = batch_axes("fixed_batch_normalization", x, parameters[0], axis)
    fused, after = split_activation(activation)
    return after(FixedBatchNormalization(eps, axes, fused).apply((x, *parameters))[0])
