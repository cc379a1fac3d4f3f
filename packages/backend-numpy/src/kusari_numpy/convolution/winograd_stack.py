"""A stack whose first convolution goes by Winograd's transforms."""

from __future__ import annotations

from typing import Any

from kusari.backend import Backend
from kusari.kernels.conv import ConvolutionProblem, MLPConvolution, MLPConvolutionProblem
from kusari.kernels.window import Window
from kusari_numpy.convolution.channels_last import HostArray
from kusari_numpy.convolution.winograd import WinogradConvolution


class WinogradMLPConvolution(MLPConvolution):
    """The first convolution on its own, all pixels of it, and the 1×1 convolutions behind it as a stack of their own.

    Its output goes to memory and back once, for which a third of its products do: of NIN's second stack, 96 to 192
    channels through 5×5 windows, they are six sevenths.
    """

    contract = 2

    def __init__(self, backend: Backend, problem: MLPConvolutionProblem) -> None:
        super().__init__(backend, problem)
        self.first, ones = self.plans[0], (1,) * len(problem.window.size)
        self.rest = MLPConvolution.plan(
            backend,
            problem._replace(
                x=self.first.problem.y,
                W=problem.W[1:],
                window=Window(ones, ones, (0,) * len(ones), ones),
                strides=None,
            ),
        )

    @classmethod
    def accepts(cls, problem: MLPConvolutionProblem) -> bool | str:
        """Take a first convolution that Winograd's transforms take, and one more."""
        if len(problem.W) < 2:
            return "one convolution, and none behind it"
        return WinogradConvolution.accepts(
            ConvolutionProblem(problem.x, problem.W[0], problem.window, problem.dtype, problem.strides)
        )

    def forward(self, x: HostArray, weights: tuple[HostArray, ...]) -> tuple[HostArray, Any]:  # type: ignore[override]
        """Return y, and what the first convolution made with what the stack behind it keeps."""
        hidden: Any = self.first.forward(x, weights[0], weights[1])
        y, kept = self.rest.forward(hidden, weights[2:])
        return y, (hidden, kept) if self.problem.keep else None  # type: ignore[return-value]

    def backward(  # type: ignore[override]
        self, kept: Any, x: HostArray, weights: tuple[HostArray, ...], gy: HostArray, wanted: tuple[bool, ...]
    ) -> tuple[HostArray | None, ...]:
        """Return the gradients of (x, *weights) that are wanted, None for the others."""
        hidden, inner = kept
        ghidden, *grads = self.rest.backward(inner, hidden, weights[2:], gy, (True, *wanted[3:]))
        assert ghidden is not None  # it is asked for
        below: Any = self.first.backward(x, weights[0], hidden, ghidden, (wanted[0], wanted[1], wanted[2]))
        return (*below, *grads)
