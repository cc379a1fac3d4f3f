"""Convolution one image at a time, so that what a matrix product reads is still in cache."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from kusari.kernels.conv import Convolution, ConvolutionProblem
from kusari_numpy.workspace import workspace

HostArray = np.ndarray[Any, Any]


class PerImageConvolution(Convolution):
    """For each image, unfold the windows into columns and multiply: y = W · columns.

    Against the portable definition, forward and backward on (16, 64, 28, 28) ⋆ (64, 64, 3, 3) float32, one thread:
    see ``benchmarks/convolution.py``. Results are dense and channels-first.
    """

    contract = 1

    @classmethod
    def accepts(cls, problem: ConvolutionProblem) -> bool | str:
        """Take one group of float32 or float64."""
        if problem.dtype not in (np.float32, np.float64):
            return f"BLAS has no {problem.dtype} product"
        if problem.groups != 1:
            return f"{problem.groups} groups would be as many small products per image"
        return True

    def forward(self, x: HostArray, W: HostArray, b: HostArray | None) -> HostArray:  # type: ignore[override]
        """Return y (N, O, *out)."""
        problem, activation = self.problem, self.problem.activation
        y = np.empty(problem.y, x.dtype)
        flat = y.reshape(*problem.y[:2], math.prod(problem.out_shape))
        filters = W.reshape(W.shape[0], -1)
        unfold = _Unfolding(self)
        for n in range(len(x)):
            np.matmul(filters, unfold(x[n]), out=flat[n])
            if b is not None:
                flat[n] += b[:, None]
            if activation is not None:
                activated: Any = activation.apply(self.backend, flat[n])
                flat[n] = activated
        return y

    def grad_input(self, W: HostArray, gy: HostArray) -> HostArray:  # type: ignore[override]
        """Return the gradient of x."""
        gx = np.empty(self.problem.x, gy.dtype)
        unfold = _Unfolding(self)
        filters = W.reshape(W.shape[0], -1).T
        for n in range(len(gx)):
            unfold.fold(filters, gy[n].reshape(gy.shape[1], -1), gx[n])
        return gx

    def grad_weight(self, x: HostArray, gy: HostArray) -> HostArray:  # type: ignore[override]
        """Return the gradient of W."""
        o = self.problem.W[0]
        gW = np.zeros((o, math.prod(self.problem.W[1:])), gy.dtype)
        unfold = _Unfolding(self)
        share = np.empty_like(gW)
        for n in range(len(x)):
            np.matmul(gy[n].reshape(o, -1), unfold(x[n]).T, out=share)
            gW += share
        return gW.reshape(self.problem.W)


class _Unfolding:
    """One call's scratch memory: a padded image, whose border stays zero, and its columns."""

    def __init__(self, plan: PerImageConvolution) -> None:
        problem = plan.problem
        self.trivial = problem.window.trivial
        self.channels, *self.spatial = problem.x[1:]
        self.dtype = problem.dtype
        if self.trivial:
            return
        before, after = problem.window.pad, problem.after
        self.inside = (slice(None), *(slice(b, b + n) for b, n in zip(before, self.spatial, strict=True)))
        padded = (self.channels, *(b + n + a for b, n, a in zip(before, self.spatial, after, strict=True)))
        self.image = workspace("image", padded, self.dtype)
        self.image[...] = 0
        self.taps = [(slice(None), *tap) for tap in problem.window.taps(problem.out_shape)]
        self.columns = workspace("columns", (self.channels, len(self.taps), *problem.out_shape), self.dtype)

    def __call__(self, image: HostArray) -> HostArray:
        """Return the columns (C · taps, pixels) of one image."""
        if self.trivial:
            return image.reshape(self.channels, -1)
        self.image[self.inside] = image
        for place, tap in enumerate(self.taps):
            self.columns[:, place] = self.image[tap]
        return self.columns.reshape(self.channels * len(self.taps), -1)

    def fold(self, filters: HostArray, gy: HostArray, gx: HostArray) -> None:
        """Write the input gradient of one image to ``gx``."""
        if self.trivial:
            np.matmul(filters, gy, out=gx.reshape(self.channels, -1))
            return
        np.matmul(filters, gy, out=self.columns.reshape(self.channels * len(self.taps), -1))
        self.image[...] = 0
        for place, tap in enumerate(self.taps):
            self.image[tap] += self.columns[:, place]
        gx[...] = self.image[self.inside]
