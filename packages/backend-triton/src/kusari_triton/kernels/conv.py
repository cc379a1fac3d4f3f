"""Convolution, forward: an implicit GEMM with bias and ReLU in its epilogue."""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

import triton

from kusari.backend import Backend
from kusari.kernels.activation import RELU
from kusari.kernels.conv import Convolution, ConvolutionProblem
from kusari.kernels.window import to_channels_first
from kusari.types import Array
from kusari_triton.backend import triton_backend
from kusari_triton.kernels.conv_device import convolve_by_tap, convolve_flat
from kusari_triton.launch import Launch, Strided, element_strides

_INT32: Final = 2**31
_FAR: Final = _INT32 - 2**27
"""Offsets inside an image are 32-bit numbers; padding and a tile's end may lie a little outside."""

_PRECISIONS: Final = ("ieee", "tf32")


class Blocks(NamedTuple):
    """How the product (pixels, k) · (k, out channels) is cut, and how many threads and buffers a block gets."""

    pixels: int
    out: int
    k: int
    num_warps: int = 8
    num_stages: int = 3


# By float32 precision, "half" for both 16-bit types. What compiles without spills on sm_80 and sm_90 with Triton 3.6 in
# any memory format: compile_check asserts it. float32 in ieee, 128×128×32 with 4 warps, takes 192 bytes of stack.
BY_TAP: Final = {"ieee": Blocks(128, 64, 16), "tf32": Blocks(128, 64, 32), "half": Blocks(128, 64, 64)}
# Channel counts that 16 does not divide: every load has a mask of its own, and BY_TAP's blocks spill 16 to 664 bytes.
BY_TAP_UNEVEN: Final = {"ieee": Blocks(64, 64, 16), "tf32": Blocks(64, 64, 32), "half": Blocks(128, 64, 32)}
FLAT: Final = {"ieee": Blocks(128, 32, 16), "tf32": Blocks(128, 64, 32), "half": Blocks(128, 64, 32)}
# Interpreted, a program costs 1.2 ms and a step 5 ms whatever their size; 2²⁰ elements is Triton's limit for a tile.
_INTERPRETED: Final = Blocks(2048, 256, 256)


def choose_blocks(problem: ConvolutionProblem, *, interpreted: bool) -> tuple[Any, Blocks]:
    """Return the device function for a problem, and how to cut it."""
    channels, out_channels = problem.W[1], problem.W[0] // problem.groups
    by_tap = channels >= 16
    function = convolve_by_tap if by_tap else convolve_flat
    if interpreted:
        pixels = problem.x[0] * math.prod(problem.out_shape)
        products = channels if by_tap else math.prod(problem.W[1:])
        return function, Blocks(
            _tile(pixels, _INTERPRETED.pixels), _tile(out_channels, _INTERPRETED.out), _tile(products, _INTERPRETED.k)
        )
    uneven = channels % 16 or out_channels % 16
    table = (BY_TAP_UNEVEN if uneven else BY_TAP) if by_tap else FLAT
    return function, table["half" if problem.dtype.itemsize == 2 else problem.precision]


def _tile(size: int, most: int) -> int:
    """Return the power of two that covers ``size``, between what ``tl.dot`` takes and ``most``."""
    return max(16, min(int(triton.next_power_of_2(size)), most))


class TritonConvolution(Convolution):
    """Forward in one kernel; the gradients are the definition's.

    Takes any strides, sums in float32, and returns channels-last. An activation other than ReLU follows as an
    elementwise kernel.
    """

    contract = 1

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
        if problem.y[0] * math.prod(problem.out_shape) >= _INT32:
            return "2³¹ output pixels or more"
        if max(math.prod(problem.x[1:]), math.prod(problem.y[1:]), math.prod(problem.W)) >= _FAR:
            return "an image, or the filters, of nearly 2³¹ elements"
        return True

    def forward(self, x: Array, W: Array, b: Array | None) -> Array:
        backend, problem = self.backend, self.problem
        runner = triton_backend(backend)
        n, o, *out = problem.y
        y = to_channels_first(backend, backend.xp.empty((n, *out, o), dtype=x.dtype, device=x.device))
        x, W = _addressable(backend, x), _addressable(backend, W)
        if b is not None and element_strides(b) != (1,):
            b = backend.xp.asarray(b, copy=True)
        runner.run(convolution_launch(problem, x, W, b, y, interpreted=runner.interpreted))
        activation = problem.activation
        return y if activation is None or activation == RELU else activation.apply(backend, y)


def convolution_launch(
    problem: ConvolutionProblem, x: Strided, W: Strided, b: Any, y: Strided, *, interpreted: bool
) -> Launch:
    """Return the launch of one forward pass; ``b`` is contiguous, or None."""
    function, blocks = choose_blocks(problem, interpreted=interpreted)
    images, _, height, width = problem.x
    _, out_channels, out_height, out_width = problem.y
    arguments: dict[str, Any] = {"x": x, "W": W, "b": b, "y": y, "images": images, "height": height, "width": width}
    arguments |= {"channels": problem.W[1], "out_channels": out_channels // problem.groups}
    arguments |= {"out_height": out_height, "out_width": out_width}
    for name, array, axes in (("x", x, "nchw"), ("W", W, "ochw"), ("y", y, "nchw")):
        strides = element_strides(array)
        assert strides is not None
        arguments |= {f"{name}_{axis}": stride for axis, stride in zip(axes, strides, strict=True)}
    for name, pair in zip(("KERNEL", "STRIDE", "PAD", "DILATE"), problem.window, strict=True):
        arguments |= {f"{name}_H": pair[0], f"{name}_W": pair[1]}
    arguments |= {"HAS_BIAS": b is not None, "RELU": problem.activation == RELU}
    arguments |= {"PRECISION": problem.precision if problem.dtype.itemsize == 4 else "ieee"}
    arguments |= {"BLOCK_PIXELS": blocks.pixels, "BLOCK_OUT": blocks.out, "BLOCK_K": blocks.k}
    grid = (
        triton.cdiv(images * out_height * out_width, blocks.pixels),
        triton.cdiv(out_channels // problem.groups, blocks.out),
        problem.groups,
    )
    return Launch(function, grid, arguments, blocks.num_warps, blocks.num_stages)


def register(backend: Backend) -> None:
    """Override core's convolution."""
    backend.implements(Convolution)(TritonConvolution)


def _addressable(backend: Backend, array: Array) -> Array:
    """Return the array, or a dense copy where its strides are not whole elements or reach beyond 32 bits."""
    strides = element_strides(array)
    if strides is not None:
        reach = sum((size - 1) * abs(stride) for size, stride in zip(array.shape[1:], strides[1:], strict=True))
        if reach < _FAR:
            return array
    copy: Array = backend.xp.asarray(array, copy=True)
    return copy
