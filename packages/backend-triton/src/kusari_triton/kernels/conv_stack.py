"""The convolution of MLPConvolution and its 1×1 convolutions as one launch."""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

import triton

from kusari.backend import Backend
from kusari.kernels.activation import RELU
from kusari.kernels.conv import ConvolutionProblem, MLPConvolution, MLPConvolutionProblem
from kusari.types import Array
from kusari_triton.backend import triton_backend
from kusari_triton.kernels.conv import TritonConvolution
from kusari_triton.kernels.conv_stack_device import convolve_stack
from kusari_triton.launch import Launch, Strided, element_strides
from kusari_triton.tiles import (
    FAR,
    LEAST,
    addressable,
    dot_precision,
    interpreted_blocks,
    stride_arguments,
    window_arguments,
)


class StackBlocks(NamedTuple):
    """How a stack is cut: pixels, channels of the first and third convolution at a time, and products of the first."""

    pixels: int
    first: int
    third: int
    k: int
    num_warps: int = 8
    num_stages: int = 3


# By float32 precision, "half" for both 16-bit types. What compiles without spills on sm_80 and sm_90 with Triton 3.6:
# compile_check asserts it. tf32 with half's blocks takes 278 KB of shared memory.
BLOCKS: Final = {
    "ieee": StackBlocks(32, 32, 32, 16, num_stages=2),
    "tf32": StackBlocks(64, 32, 32, 32, num_stages=2),
    "half": StackBlocks(64, 64, 64, 32),
}

WIDEST: Final = {"ieee": 64, "tf32": 256, "half": 256}
"""Most channels of the second convolution: a program holds the sums of all of them. In ieee 192 spill up to 1680 bytes,
96 up to 64."""


def why_not_stacked(problem: MLPConvolutionProblem) -> str | None:
    """Say why a problem is left to the chain of convolutions; None: it has a kernel here."""
    if not 2 <= len(problem.W) <= 3:
        return f"{len(problem.W)} convolutions: only 2 or 3 go into one kernel"
    for activation in (problem.activation, problem.output_activation):
        if activation is not None and activation != RELU:
            return f"activation {activation}: only relu or none"
    reason = TritonConvolution.accepts(
        ConvolutionProblem(problem.x, problem.W[0], problem.window, problem.dtype, precision=problem.precision)
    )
    if reason is not True:
        return str(reason)
    kind = _kind(problem)
    if problem.W[1][0] > WIDEST[kind]:
        return f"the second convolution has {problem.W[1][0]} channels: in {kind} only {WIDEST[kind]} stay on chip"
    widths = [W[0] for W in problem.W]
    if min(widths) == 0 or max(math.prod(W) for W in problem.W) >= FAR:
        return "an empty product, or filters of nearly 2³¹ elements"
    return None


def stack_launch(
    problem: MLPConvolutionProblem, *, interpreted: bool, x: Strided, W1: Strided, **arrays: Any
) -> Launch:
    """Return the launch of one forward pass.

    Args:
        problem: What is computed.
        interpreted: Cut for the interpreter.
        x: Any strides.
        W1: Any strides.
        arrays: ``W2``, ``W3``, the biases, ``hidden1``, ``hidden2`` and ``y``, dense; None where there is none.
    """
    images, channels, height, width = problem.x
    out_height, out_width = problem.window.out_shape(problem.x[2:])
    widths = [W[0] for W in problem.W] + [0] * (3 - len(problem.W))
    by_tap = channels >= LEAST
    pixels = images * out_height * out_width
    if interpreted:
        cut = interpreted_blocks(pixels, 32, channels if by_tap else math.prod(problem.W[0][1:]))
        blocks = StackBlocks(min(cut.rows, 256), 32, 32, cut.k)
    else:
        blocks = BLOCKS[_kind(problem)]
    arguments = {"x": x, "W1": W1, **arrays, "images": images, "channels": channels, "height": height, "width": width}
    arguments |= {"out_height": out_height, "out_width": out_width}
    arguments |= stride_arguments("x", x, "nchw") | stride_arguments("W1", W1, "ochw")
    arguments |= window_arguments(problem.window)
    arguments |= {f"WIDTH{index + 1}": width for index, width in enumerate(widths)}
    arguments |= {"RELU": problem.activation == RELU, "RELU_OUTPUT": problem.output_activation == RELU}
    arguments |= {"KEEP": problem.keep, "BY_TAP": by_tap}
    arguments |= {"PRECISION": dot_precision(problem.dtype, problem.precision), "BLOCK_PIXELS": blocks.pixels}
    arguments |= {"BLOCK_1": blocks.first, "BLOCK_2": max(LEAST, triton.next_power_of_2(widths[1]))}
    arguments |= {"BLOCK_3": blocks.third, "BLOCK_K": blocks.k}
    grid = (triton.cdiv(pixels, blocks.pixels), 1, 1)
    return Launch(convolve_stack, grid, arguments, blocks.num_warps, blocks.num_stages, problem)


class TritonMLPConvolution(MLPConvolution):
    """Forward in one kernel; hidden channels go to memory only where backward will read them.

    The gradients are those of the single convolutions.
    """

    contract = 2

    def __init__(self, backend: Backend, problem: MLPConvolutionProblem) -> None:
        super().__init__(backend, problem)
        self.launches: dict[Any, Any] = {}

    @classmethod
    def accepts(cls, problem: MLPConvolutionProblem) -> bool | str:
        return why_not_stacked(problem) or True

    def forward(self, x: Array, weights: tuple[Array, ...]) -> tuple[Array, Any]:
        backend, problem = self.backend, self.problem
        own = triton_backend(backend)
        outputs = [own.empty_channels_last(plan.problem.y, x) for plan in self.plans[:-1]] if problem.keep else []
        y = own.empty_channels_last(self.plans[-1].problem.y, x)
        first, *rest = weights
        arrays = {"x": addressable(backend, x), "W1": addressable(backend, first), "W3": None, "b3": None}
        arrays |= {name: self._dense(array) for name, array in zip(("b1", "W2", "b2", "W3", "b3"), rest, strict=False)}
        arrays |= dict(zip(("hidden1", "hidden2"), [*outputs, None, None], strict=False)) | {"y": y}
        own.launcher.run(
            self.launches,
            "forward",
            arrays,
            lambda: stack_launch(problem, interpreted=own.launcher.interpreted, **arrays),
        )
        return y, self.kept([*outputs, y]) if problem.keep else None

    def _dense(self, array: Array) -> Array:
        """Return the array, or a copy in C order."""
        size, strides = 1, element_strides(array)
        for length, stride in zip(reversed(array.shape), reversed(strides or ()), strict=False):
            if length != 1 and stride != size:
                break
            size *= length
        else:
            if strides is not None:
                return array
        copy: Array = self.backend.xp.reshape(self.backend.xp.reshape(array, (-1,), copy=True), array.shape)
        return copy


def register(backend: Backend) -> None:
    """Override core's stack of convolutions."""
    backend.implements(MLPConvolution)(TritonMLPConvolution)


def _kind(problem: MLPConvolutionProblem) -> str:
    return "half" if problem.dtype.itemsize == 2 else problem.precision
