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
from kusari.types import Array, Shape
from kusari_triton.backend import triton_backend
from kusari_triton.candidates import PRODUCTS, worthwhile
from kusari_triton.kernels.conv_depthwise import TritonDepthwiseConvolution
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
    LEAST,
    MOST_GROUPS,
    Blocks,
    addressable,
    dot_precision,
    interpreted_blocks,
    repacked,
    stride_arguments,
    why_out_of_reach,
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


def packed_axes(problem: ConvolutionProblem, *, gradient: bool) -> Shape | None:
    """Return the order in memory that a pass wants the filters' axes in, outermost first; None: as they come.

    With a tap's channels side by side, 16 bytes are copied at a time: in float16 the 3×3 forward of 64 channels takes
    72 registers instead of 126, in tf32 half the copies. Tensor cores want the axis that is summed innermost; float32
    in ieee the other one, or it spills. Where 16 does not divide the channels, nothing is won.
    """
    channels, out_channels = problem.W[1], problem.W[0] // problem.groups
    if channels % 16 or out_channels % 16:
        return None
    if gradient or (problem.dtype.itemsize == 4 and problem.precision == "ieee"):
        return (2, 3, 1, 0)
    return None if set(problem.window.size) == {1} else (0, 2, 3, 1)


class TritonConvolution(Convolution):
    """Forward in one kernel, the input's gradient in one, the filters' in two: partial sums, and their sum.

    Takes any strides, sums in float32 and in an order that only the problem decides, and returns images
    channels-last. An activation other than ReLU follows as an elementwise kernel. The gradients of groups with few
    channels are the definition's: `why_by_definition` says so, and the log of this module.
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
        if problem.dtype.isnative and problem.dtype.name not in ("float16", "bfloat16", "float32"):
            return f"{problem.dtype.name} stays with the base: tensor cores and float32 sums would lose its digits"
        if problem.dtype.name == "float32" and problem.precision not in _PRECISIONS:
            return f"precision {problem.precision!r}: only {' and '.join(_PRECISIONS)}"
        if problem.groups > MOST_GROUPS:
            return f"{problem.groups} groups: a grid has room for {MOST_GROUPS}"
        return why_out_of_reach(problem) or True

    def forward(self, x: Array, W: Array, b: Array | None) -> Array:
        backend, problem = self.backend, self.problem
        own = triton_backend(backend)
        y = own.empty_channels_last(problem.y, x)
        x, W = addressable(backend, x), self._filters(W, gradient=False)
        if b is not None and element_strides(b) != (1,):
            b = backend.xp.asarray(b, copy=True)
        size = (problem.x[0] * math.prod(problem.out_shape), problem.W[0] // problem.groups)
        self._run("forward", {"x": x, "W": W, "b": b, "y": y}, convolution_launch, size)
        activation = problem.activation
        return y if activation is None or activation == RELU else activation.apply(backend, y)

    def grad_input(self, W: Array, gy: Array) -> Array:
        if not self.gradients_here:
            return super().grad_input(W, gy)
        gx = triton_backend(self.backend).empty_channels_last(self.problem.x, gy)
        W, gy = self._filters(W, gradient=True), addressable(self.backend, gy)
        size = (self.problem.x[0] * math.prod(self.problem.x[2:]), self.problem.W[1])
        self._run("gradient of input", {"W": W, "gy": gy, "gx": gx}, input_gradient_launch, size)
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
        size = (math.prod(problem.W[1:]), problem.W[0] // problem.groups)
        self._run("gradient of filters", {"x": x, "gy": gy, "partial": partial}, partial_gradient_launch, size)
        self._run("sum of gradients", {"partial": partial, "gW": gW}, add_gradients_launch)
        return gW

    def _filters(self, W: Array, *, gradient: bool) -> Array:
        """Return W as a pass wants it in memory, packed once for each version of a parameter."""
        backend, order = self.backend, packed_axes(self.problem, gradient=gradient)
        if order is None:
            return addressable(backend, W)
        packed: Array = backend.derived(W, ("packed", order), lambda W: repacked(backend, W, order))
        return packed

    def _run(
        self, key: str, arrays: dict[str, Any], make: Callable[..., Launch], result: tuple[int, int] = (0, 0)
    ) -> None:
        """Launch; ``result``: the rows and columns of a product that may be cut in other ways, none where 0."""
        launcher, problem = triton_backend(self.backend).launcher, self.problem

        def variants(shared: int) -> list[Launch]:
            table = PRODUCTS["half" if problem.dtype.itemsize == 2 else problem.precision]
            cut = worthwhile(table, *result, problem.dtype.itemsize, shared)
            return [make(problem, **arrays, interpreted=False, blocks=blocks) for blocks in cut]

        launcher.run(
            self.launches,
            key,
            arrays,
            lambda: make(problem, **arrays, interpreted=launcher.interpreted),
            variants if any(result) else None,
        )


def convolution_launch(
    problem: ConvolutionProblem,
    x: Strided,
    W: Strided,
    b: Any,
    y: Strided,
    *,
    interpreted: bool,
    blocks: Blocks | None = None,
) -> Launch:
    """Return the launch of one forward pass; ``b`` is contiguous, or None; ``blocks`` are chosen where not given."""
    by_tap, chosen = choose_blocks(problem, interpreted=interpreted)
    blocks = blocks or chosen
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
    """Override core's convolution; depthwise is asked first."""
    backend.implements(Convolution)(TritonConvolution)
    backend.implements(Convolution)(TritonDepthwiseConvolution)
