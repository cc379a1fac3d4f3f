"""Batch normalization by its formulas, in float64."""

from __future__ import annotations

from typing import Any

import numpy as np

from kusari.kernels.activation import RELU, TANH
from kusari.kernels.norm import NormalizationProblem


def formulas(problem: NormalizationProblem, x: Any, gamma: Any, beta: Any, gy: Any, y: Any) -> list[Any]:
    """y, mean, variance and the gradients of x, γ and β, in float64; ReLU's mask is read off ``y``."""
    axes = problem.axes
    x, gy, gamma, beta = x.astype("d"), gy.astype("d"), np.expand_dims(gamma, axes), np.expand_dims(beta, axes)
    mean, var = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    deviation = np.sqrt(var + problem.eps)
    normal = (x - mean) / deviation
    expected = normal * gamma + beta
    if problem.activation is RELU:
        expected, gy = np.maximum(expected, 0), np.where(y > 0, gy, 0)
    elif problem.activation is TANH:
        expected = np.tanh(expected)
        gy = gy * (1 - expected * expected)
    g = gy * gamma
    gx = (g - g.mean(axes, keepdims=True) - normal * (g * normal).mean(axes, keepdims=True)) / deviation
    return [expected, mean.squeeze(axes), var.squeeze(axes), gx, (gy * normal).sum(axes), gy.sum(axes)]
