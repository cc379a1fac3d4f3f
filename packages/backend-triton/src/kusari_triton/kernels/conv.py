"""Convolution as implicit GEMMs: forward with bias and ReLU in its epilogue, and the two gradients."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Any, Final

import triton

from kusari.backend import Backend
from kusari.kernels.activation import RELU
from kusari.kernels.conv import Convolution, ConvolutionProblem
from kusari.types import Array
from kusari_triton.backend import triton_backend
from kusari_triton.kernels.conv_device import convolve
from kusari_triton.kernels.conv_gradient import (
    add_gradients_launch,
    input_gradient_launch,
    partial_gradient_launch,
    split_filters,
    why_by_definition,
)
from kusari_triton.launch import Launch, Strided, element_strides
from kusari_triton.tiles import (
    FAR,
    LEAST,
    MOST_GROUPS,
    Blocks,
    addressable,
    dot_precision,
    interpreted_blocks,
    stride_arguments,
    window_arguments,
)

_PRECISIONS: Final = ("ieee", "tf32")

_log = logging.getLogger(__name__)

# By float32 precision, "half" for both 16-bit types. What compiles without spills on sm_80 and sm_90 with Triton 3.6 in
# any memory format: compile_check asserts it. float32 in ieee, 128×128×32 with 4 warps, takes 192 bytes of stack.
BY_TAP: Final = {"ieee": Blocks(128, 64, 16), "tf32": Blocks(128, 64, 32), "half": Blocks(128, 64, 64)}
# Channel counts that 16 does not divide: every load has a mask of its own, and BY_TAP's blocks spill 16 to 664 bytes.
BY_TAP_UNEVEN: Final = {"ieee": Blocks(64, 64, 16), "tf32": Blocks(64, 64, 32), "half": Blocks(128, 64, 32)}
FLAT: Final = {"ieee": Blocks(128, 32, 16), "tf32": Blocks(128, 64, 32), "half": Blocks(128, 64, 32)}


def choose_blocks(problem: ConvolutionProblem, *, interpreted: bool) -> tuple[bool, Blocks]:
    """Return whether a problem is summed tap by tap, and how it is cut."""
    channels, out_channels = problem.W[1], problem.W[0] // problem.groups
    by_tap = channels >= LEAST
    if interpreted:
        pixels = problem.x[0] * math.prod(problem.out_shape)
        products = channels if by_tap else math.prod(problem.W[1:])
        return by_tap, interpreted_blocks(pixels, out_channels, products)
    uneven = channels % 16 or out_channels % 16
    table = (BY_TAP_UNEVEN if uneven else BY_TAP) if by_tap else FLAT
    return by_tap, table["half" if problem.dtype.itemsize == 2 else problem.precision]


class TritonConvolution(Convolution):
    """Forward in one kernel, the input's gradient in one, the filters' in two: partial sums, and their sum.

    Takes any strides, sums in float32 and in an order that only the problem decides, and returns images
    channels-last. An activation other than ReLU follows as an elementwise kernel. The gradients of groups with few
    channels, depthwise above all, are the definition's: `why_by_definition` says so, and the log of this module.
    """

    contract = 1

    def __init__(self, backend: Backend, problem: ConvolutionProblem) -> None:
        super().__init__(backend, problem)
        reason = why_by_definition(problem)
        self.gradients_here = reason is None
        self.launches: dict[Any, Any] = {}
        if reason is not None:
            _log.info("gradients of %s by definition: %s", problem, reason)

    @classmethod
    def accepts(cls, problem: ConvolutionProblem) -> bool | str:
        axes = len(problem.x) - 2
        if axes != 2:
            return f"only 2-D, this is {axes}-D"
        if not problem.dtype.isnative:
            return "not in the machine's byte order"
        if problem.dtype.name not in ("float16", "bfloat16", "float32"):
            return f"{problem.dtype.name} stays with the base: tensor cores and float32 sums would lose its digits"
        if problem.dtype.name == "float32" and problem.precision not in _PRECISIONS:
            return f"precision {problem.precision!r}: only {' and '.join(_PRECISIONS)}"
        if 0 in problem.y or 0 in problem.W:
            return "an empty product stays with the base"
        if problem.x[0] * max(math.prod(problem.x[2:]), math.prod(problem.out_shape)) >= FAR:
            return "nearly 2³¹ pixels"
        if problem.groups > MOST_GROUPS:
            return f"{problem.groups} groups: a grid has room for {MOST_GROUPS}"
        if max(math.prod(problem.x[1:]), math.prod(problem.y[1:]), math.prod(problem.W)) >= FAR:
            return "an image, or the filters, of nearly 2³¹ elements"
        return True

    def forward(self, x: Array, W: Array, b: Array | None) -> Array:
        backend, problem = self.backend, self.problem
        own = triton_backend(backend)
        y = own.empty_channels_last(problem.y, x)
        x, W = addressable(backend, x), addressable(backend, W)
        if b is not None and element_strides(b) != (1,):
            b = backend.xp.asarray(b, copy=True)
        self._run("forward", {"x": x, "W": W, "b": b, "y": y}, convolution_launch)
        activation = problem.activation
        return y if activation is None or activation == RELU else activation.apply(backend, y)

    def grad_input(self, W: Array, gy: Array) -> Array:
        if not self.gradients_here:
            return super().grad_input(W, gy)
        gx = triton_backend(self.backend).empty_channels_last(self.problem.x, gy)
        W, gy = addressable(self.backend, W), addressable(self.backend, gy)
        self._run("gradient of input", {"W": W, "gy": gy, "gx": gx}, input_gradient_launch)
        return gx

    def grad_weight(self, x: Array, gy: Array) -> Array:
        if not self.gradients_here:
            return super().grad_weight(x, gy)
        backend, problem = self.backend, self.problem
        own = triton_backend(backend)
        _, splits, _ = split_filters(problem, interpreted=own.launcher.interpreted)
        partial = own.empty((splits, math.prod(problem.W)), backend.xp.float32, gy.device)
        gW = own.empty(problem.W, gy.dtype, gy.device)
        x, gy = addressable(backend, x), addressable(backend, gy)
        self._run("gradient of filters", {"x": x, "gy": gy, "partial": partial}, partial_gradient_launch)
        self._run("sum of gradients", {"partial": partial, "gW": gW}, add_gradients_launch)
        return gW

    def _run(self, key: str, arrays: dict[str, Any], make: Callable[..., Launch]) -> None:
        launcher = triton_backend(self.backend).launcher
        launcher.run(
            self.launches, key, arrays, lambda: make(self.problem, **arrays, interpreted=launcher.interpreted)
        )  # fmt: skip


def convolution_launch(
    problem: ConvolutionProblem, x: Strided, W: Strided, b: Any, y: Strided, *, interpreted: bool
) -> Launch:
    """Return the launch of one forward pass; ``b`` is contiguous, or None."""
    by_tap, blocks = choose_blocks(problem, interpreted=interpreted)
    images, _, height, width = problem.x
    _, out_channels, out_height, out_width = problem.y
    arguments: dict[str, Any] = {"x": x, "W": W, "b": b, "y": y, "images": images, "height": height, "width": width}
    arguments |= {"channels": problem.W[1], "out_channels": out_channels // problem.groups}
    arguments |= {"out_height": out_height, "out_width": out_width}
    arguments |= stride_arguments("x", x, "nchw") | stride_arguments("W", W, "ochw") | stride_arguments("y", y, "nchw")
    arguments |= window_arguments(problem.window)
    arguments |= {"HAS_BIAS": b is not None, "RELU": problem.activation == RELU, "BY_TAP": by_tap}
    arguments |= {"PRECISION": dot_precision(problem.dtype, problem.precision)}
    arguments |= {"BLOCK_PIXELS": blocks.rows, "BLOCK_OUT": blocks.columns, "BLOCK_K": blocks.k}
    grid = (
        triton.cdiv(images * out_height * out_width, blocks.rows),
        triton.cdiv(out_channels // problem.groups, blocks.columns),
        problem.groups,
    )
    return Launch(convolve, grid, arguments, blocks.num_warps, blocks.num_stages, problem)


def register(backend: Backend) -> None:
    """Override core's convolution."""
    backend.implements(Convolution)(TritonConvolution)
