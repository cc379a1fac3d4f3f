"""Batch renormalization: batch normalization corrected toward the running statistics."""

from __future__ import annotations

import warnings
from typing import Any

from kusari.autograd import Variable, as_variable
from kusari.autograd.variable import VariableLike, constant
from kusari.functions.normalization.batch_normalization import (
    BatchNormalization,
    batch_axes,
    fixed_batch_normalization,
)
from kusari.functions.normalization.statistics import with_parameters
from kusari.types import Array, Shape


class BatchRenormalization(BatchNormalization):
    """y = γ (x̂ r + d) + β: batch normalization with γr for γ and β + γd for β; r and d count as constants."""

    def __init__(
        self,
        eps: float,
        axes: Shape,
        rmax: float,
        dmax: float,
        running_mean: VariableLike,
        running_var: VariableLike,
        decay: float,
        update_statistics: bool,
    ) -> None:
        super().__init__(eps, axes, running_mean, running_var, decay)
        self.rmax = rmax
        self.dmax = dmax
        self.update_statistics = update_statistics

    @property
    def label(self) -> str:
        """The name that old programs know."""
        return "BatchRenormalizationFunction"

    def forward(self, inputs: tuple[Any, ...]) -> tuple[Any]:
        x, gamma, beta = inputs
        self.plan = self.plan_for(x, gamma)
        self.mean, self.var = self.plan.statistics(x)
        self.r, self.d = self._correction(gamma)
        if self.update_statistics:
            self.update_running(x, self.mean, self.var)
        self.retain(inputs)
        return (self.plan.fixed(x, gamma * self.r, beta + gamma * self.d, self.mean, self.var),)

    def _correction(self, gamma: Any) -> tuple[Any, Any]:
        """Return r = σ / σ_running within [1 / rmax, rmax], and d = (μ − μ_running) / σ_running within ± dmax."""
        xp = self.backend.xp
        mean, var = (xp.astype(as_variable(a).array, gamma.dtype) for a in (self.running_mean, self.running_var))
        deviation = xp.sqrt(var + self.eps)
        r = xp.clip(xp.sqrt(self.var + self.eps) / deviation, 1 / self.rmax, self.rmax)
        return r, xp.clip((self.mean - mean) / deviation, -self.dmax, self.dmax)

    def gradients(self, x: Array, gamma: Array, y: Array | None, gy: Array) -> tuple[Array, Array, Array]:
        gx, scale, gbeta = self.plan.backward(x, gamma * self.r, self.mean, self.var, y, gy)
        return gx, scale * self.r + gbeta * self.d, gbeta

    def decompose(self, inputs: tuple[Variable, ...]) -> tuple[Variable]:
        """Return y as a batch normalization with other parameters."""
        x, gamma, beta = inputs
        r, d = constant(self.r, self.device), constant(self.d, self.device)
        return (BatchNormalization(self.eps, self.axes).apply((x, gamma * r, beta + gamma * d))[0],)


def batch_renormalization(
    x: VariableLike,
    gamma: VariableLike,
    beta: VariableLike,
    rmax: float,
    dmax: float,
    eps: float = 2e-5,
    running_mean: VariableLike | None = None,
    running_var: VariableLike | None = None,
    decay: float = 0.9,
    update_statistics: bool = False,
) -> Variable:
    """Normalize a batch by its own mean and variance, corrected toward the running ones, then scale and shift.

    y = γ (r (x − mean) / σ + d) + β with σ = √(var + ε), r = σ / σ_running within [1 / rmax, rmax] and
    d = (mean − mean_running) / σ_running within ± dmax; no gradient flows through r and d.

    Args:
        x: (N, C, …), floating.
        gamma: γ, (C,) or more of x's axes behind the first; likewise ``beta`` and the running statistics.
        beta: β.
        rmax: The largest correction of the scale, at least 1; 1: none.
        dmax: The largest correction of the shift; 0: none.
        eps: ε.
        running_mean: The running mean, an array.
        running_var: The running variance.
        decay: How much of the running statistics stays when they are updated.
        update_statistics: Update them, in place, after they were used: as `batch_normalization` does.

    Returns:
        Same shape and dtype as ``x``.

    Raises:
        TypeError: A running statistic is missing.
        InvalidType: ``x`` is not floating, or γ or β do not fit.

    Source: Ioffe, 2017, arXiv:1702.03275.

    >>> x = np.asarray([[1.0], [3.0]])
    >>> y = batch_renormalization(x, np.ones(1), np.zeros(1), 3, 5, running_mean=np.ones(1), running_var=np.ones(1))
    >>> y.array.round(3)
    array([[0.],
           [2.]])
    """
    for name, given in (("running_mean", running_mean), ("running_var", running_var)):
        if given is None:
            raise TypeError(f"batch_renormalization(): {name} is required")
    assert running_mean is not None
    assert running_var is not None
    x, gamma, beta = with_parameters(x, gamma, beta)
    axes = batch_axes("batch_renormalization", x, gamma, None)
    node = BatchRenormalization(eps, axes, rmax, dmax, running_mean, running_var, decay, update_statistics)
    return node.apply((x, gamma, beta))[0]


def fixed_batch_renormalization(
    x: VariableLike,
    gamma: VariableLike,
    beta: VariableLike,
    mean: VariableLike,
    var: VariableLike,
    eps: float = 2e-5,
) -> Variable:
    """Call `fixed_batch_normalization`, which is the same; deprecated.

    >>> import warnings
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     fixed_batch_renormalization(np.ones((1, 1)), np.ones(1), np.ones(1), np.ones(1), np.ones(1)).array
    array([[1.]])
    """
    warnings.warn(
        "fixed_batch_renormalization() is deprecated; call fixed_batch_normalization(), which is the same",
        DeprecationWarning,
        stacklevel=2,
    )
    return fixed_batch_normalization(x, gamma, beta, mean, var, eps)
