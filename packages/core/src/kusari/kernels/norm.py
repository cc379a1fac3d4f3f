"""Normalization by mean and variance (of batches, layers, groups), and across neighbouring channels."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any, NamedTuple

from kusari.backend import Backend, Family, kernel
from kusari.kernels.activation import Activation
from kusari.types import Array, Shape


class NormalizationProblem(NamedTuple):
    """Everything about a normalization but its numbers."""

    x: Shape
    dtype: Any
    """The host's dtype object of x and y."""
    parameter_dtype: Any
    """That of γ, β, mean and variance, in which everything is computed: float32 where x has 16 bits."""
    axes: Shape
    """Mean and variance are over these axes of x."""
    eps: float
    strides: Shape | None = None
    """Of x, in bytes; None where the library does not tell."""
    parameter_axes: Shape | None = None
    """The axes of x that γ and β have; None: all but ``axes``, as in batch normalization."""
    activation: Activation | None = None

    @property
    def members(self) -> int:
        """Over how many numbers each mean is; 1 where there are none."""
        return max(1, math.prod(self.x[axis] for axis in self.axes))

    @property
    def kept_axes(self) -> Shape:
        """The axes that means and variances have."""
        return tuple(axis for axis in range(len(self.x)) if axis not in self.axes)


class Normalization(Family[NormalizationProblem]):
    """y = activation(γ (x − mean) / √(var + ε) + β), and its gradients.

    Means and variances (divided by the count, not by one less) have the shape of x without ``axes``. Results keep
    x's memory format.
    """

    @cached_property
    def members(self) -> int:
        """The problem's, looked up once."""
        return self.problem.members

    def forward(self, x: Array, gamma: Array, beta: Array) -> tuple[Array, Array, Array]:
        """Return y, the mean and the variance."""
        centred, mean, var = self._moments(x)
        return self._scale(centred, gamma, beta, var, x.dtype), self._squeeze(mean), self._squeeze(var)

    def statistics(self, x: Array) -> tuple[Array, Array]:
        """Return the mean and the variance alone."""
        _, mean, var = self._moments(x)
        return self._squeeze(mean), self._squeeze(var)

    def fixed(self, x: Array, gamma: Array, beta: Array, mean: Array, var: Array) -> Array:
        """Return y under a given mean and variance."""
        centred = self._widen(x) - self._align(mean, self.problem.kept_axes)
        return self._scale(centred, gamma, beta, self._align(var, self.problem.kept_axes), x.dtype)

    def backward(
        self, x: Array, gamma: Array, mean: Array, var: Array, y: Array | None, gy: Array
    ) -> tuple[Array, Array, Array]:
        """Return the gradients of x, γ and β through `forward`.

        Args:
            x: Forward's input.
            gamma: Forward's scale.
            mean: What forward returned.
            var: What forward returned.
            y: What forward returned; needed where the problem has an activation.
            gy: The output's gradient, before the activation's derivative.
        """
        xp, problem = self.backend.xp, self.problem
        g = self._widen(gy)
        if problem.activation is not None:
            assert y is not None
            g = problem.activation.backpropagate(self.backend, self._widen(y), g)
        centred = self._widen(x) - self._align(mean, problem.kept_axes)
        inverse = 1 / xp.sqrt(self._align(var, problem.kept_axes) + problem.eps)
        scale = self._align(gamma, self._parameter_axes)
        others = tuple(axis for axis in range(x.ndim) if axis not in self._parameter_axes)
        gbeta = xp.sum(g, axis=others, keepdims=True)
        if problem.parameter_axes is None:  # the two sums that gx needs are the parameters' gradients, times γ
            ggamma = xp.sum(g * centred, axis=others, keepdims=True) * inverse
            share = scale * inverse / self.members
            gx = g * (scale * inverse) - centred * (share * inverse * ggamma) - share * gbeta
        else:
            normal = centred * inverse
            ggamma = xp.sum(g * normal, axis=others, keepdims=True)
            g = g * scale
            along = xp.sum(g * normal, axis=problem.axes, keepdims=True) / self.members
            gx = (g - xp.sum(g, axis=problem.axes, keepdims=True) / self.members - normal * along) * inverse
        return xp.astype(gx, x.dtype, copy=False), xp.reshape(ggamma, gamma.shape), xp.reshape(gbeta, gamma.shape)

    @property
    def _parameter_axes(self) -> Shape:
        axes = self.problem.parameter_axes
        return self.problem.kept_axes if axes is None else axes

    def _moments(self, x: Array) -> tuple[Array, Array, Array]:
        """Return x − mean, the mean and the variance, with axes of length 1 for those that they are over."""
        x = self._widen(x)
        mean = self._mean(x)
        # Two passes: E[x²] − E[x]² loses all digits of float32 where the mean is 3000 deviations away from 0.
        centred = x - mean
        return centred, mean, self._mean(centred * centred)

    def _mean(self, x: Array) -> Array:
        """Return the mean over the axes, which stay with length 1; 0 of no numbers."""
        xp, problem = self.backend.xp, self.problem
        if any(problem.x[axis] == 0 for axis in problem.axes):
            return xp.sum(x, axis=problem.axes, keepdims=True)
        return xp.mean(x, axis=problem.axes, keepdims=True)

    def _scale(self, centred: Array, gamma: Array, beta: Array, var: Array, dtype: Any) -> Array:
        xp, problem = self.backend.xp, self.problem
        scale = self._align(gamma, self._parameter_axes) / xp.sqrt(var + problem.eps)
        y = centred * scale + self._align(beta, self._parameter_axes)
        if problem.activation is not None:
            y = problem.activation.apply(self.backend, y)
        return xp.astype(y, dtype, copy=False)

    def _widen(self, x: Array) -> Array:
        """Return x, or a gradient, in the dtype that everything is computed in."""
        return self.backend.xp.astype(x, self.backend.native_dtype(self.problem.parameter_dtype), copy=False)

    def _align(self, a: Array, axes: Shape) -> Array:
        """Return an array that has some of x's axes, with length 1 for the others."""
        lengths = iter(a.shape)
        shape = tuple(next(lengths) if axis in axes else 1 for axis in range(len(self.problem.x)))
        return self.backend.xp.reshape(a, shape)

    def _squeeze(self, a: Array) -> Array:
        return self.backend.xp.squeeze(a, axis=self.problem.axes)


@kernel
def sum_neighbours(backend: Backend, x: Array, reach: int) -> Array:
    """y[n, c, …] = Σ x[n, d, …] over the channels d that are at most ``reach`` away from c."""
    xp, channels = backend.xp, x.shape[1]
    y = xp.asarray(x, copy=True)
    for distance in range(1, min(reach, channels - 1) + 1):
        y[:, distance:, ...] += x[:, : channels - distance, ...]
        y[:, : channels - distance, ...] += x[:, distance:, ...]
    return y


@kernel
def local_response(backend: Backend, x: Array, total: Array, k: float, alpha: float, beta: float) -> Array:
    """x (k + α total)^−β; ``total``: the neighbours' sum of squares."""
    return x * backend.xp.pow(k + alpha * total, -beta)


@kernel
def local_response_grad(
    backend: Backend, x: Array, total: Array, gy: Array, reach: int, k: float, alpha: float, beta: float
) -> Array:
    """gy u^−β − 2αβ x Σ gy x u^(−β − 1) over the neighbours, with u = k + α total."""
    base = k + alpha * total
    power = gy * backend.xp.pow(base, -beta)
    return power - (2 * alpha * beta) * x * sum_neighbours(backend, power * x / base, reach)
