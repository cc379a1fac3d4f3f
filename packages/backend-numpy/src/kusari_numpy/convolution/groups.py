"""Convolution in groups: each group by the best way for a convolution of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from kusari.backend import Backend
from kusari.kernels.conv import Convolution, ConvolutionProblem
from kusari_numpy.convolution.channels_last import HostArray

FEWEST_CHANNELS = 4
"""With fewer channels in a group, as many small products cost more than one product with a batch of them."""


class GroupedConvolution(Convolution):
    """One plan for a group, run on the channels of each in turn."""

    contract = 1

    def __init__(self, backend: Backend, problem: ConvolutionProblem) -> None:
        super().__init__(backend, problem)
        (n, c, *spatial), (o, each, *window), groups = problem.x, problem.W, problem.groups
        part = problem._replace(x=(n, c // groups, *spatial), W=(o // groups, each, *window), strides=None, groups=1)
        self.part: Any = Convolution.plan(backend, part)  # it returns what this backend has: NumPy arrays

    @classmethod
    def accepts(cls, problem: ConvolutionProblem) -> bool | str:
        """Take groups of some channels of float32 or float64."""
        if problem.dtype not in (np.float32, np.float64):
            return f"BLAS has no {problem.dtype} product"
        if problem.groups == 1:
            return "one group"
        if problem.W[1] < FEWEST_CHANNELS:
            return f"{problem.W[1]} channel(s) a group are too few for products of their own"
        return True

    def forward(self, x: HostArray, W: HostArray, b: HostArray | None) -> HostArray:  # type: ignore[override]
        """Return y (N, O, *out)."""
        parts: list[HostArray] = [
            self.part.forward(x[:, seen], W[made], None if b is None else b[made]) for seen, made in self._groups()
        ]
        return np.concatenate(parts, axis=1)

    def grad_input(self, W: HostArray, gy: HostArray) -> HostArray:  # type: ignore[override]
        """Return the gradient of x."""
        parts: list[HostArray] = [self.part.grad_input(W[made], gy[:, made]) for _, made in self._groups()]
        return np.concatenate(parts, axis=1)

    def grad_weight(self, x: HostArray, gy: HostArray) -> HostArray:  # type: ignore[override]
        """Return the gradient of W."""
        parts: list[HostArray] = [self.part.grad_weight(x[:, seen], gy[:, made]) for seen, made in self._groups()]
        return np.concatenate(parts)

    def _groups(self) -> Iterator[tuple[slice, slice]]:
        """Yield the channels that each group sees, and those that it makes."""
        seen, made = self.part.problem.x[1], self.part.problem.W[0]
        for group in range(self.problem.groups):
            yield slice(group * seen, (group + 1) * seen), slice(group * made, (group + 1) * made)
