"""Depthwise convolution and its gradients: one filter, or a few, for each channel, in one to three axes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

import triton

from kusari.backend import Backend
from kusari.kernels.activation import RELU
from kusari.kernels.conv import Convolution, ConvolutionProblem
from kusari.kernels.window import Window
from kusari.types import Array, Shape
from kusari_triton import candidates
from kusari_triton.backend import triton_backend
from kusari_triton.candidates import worthwhile
from kusari_triton.kernels.conv_depthwise_device import (
    convolve_depthwise,
    depthwise_gradient_of_input,
    partial_depthwise_gradient_of_filters,
)
from kusari_triton.kernels.conv_gradient import ADDED, split_pixels
from kusari_triton.kernels.conv_gradient_device import add_partial_gradients
from kusari_triton.launch import Launch, Strided, element_strides
from kusari_triton.tiles import (
    MOST_GROUPS,
    Blocks,
    addressable,
    interpreted_blocks,
    repacked,
    why_out_of_reach,
)

# Pixels, channels, and taps at a time: 16 sums a thread. Bound by memory, so that what counts is wide loads along
# channels and many of them under way. compile_check asserts that nothing spills on sm_80 and sm_90 with Triton 3.6;
# with 32 sums a thread the filters' gradient of 37 channels takes 72 bytes of stack.
SUMS: Final = Blocks(64, 32, 1, num_warps=4, num_stages=1)
FILTERS: Final = Blocks(16, 32, 4, num_warps=4, num_stages=1)

AXES: Final = ("D", "H", "W")


class TritonDepthwiseConvolution(Convolution):
    """Forward in one kernel, the input's gradient in one, the filters' in two: partial sums, and their sum.

    Takes any strides, multiplies and adds in float32 whatever the precision asked for, in an order that only the
    problem decides, and returns images channels-last. An activation other than ReLU follows as an elementwise kernel.
    """

    contract = 1

    def __init__(self, backend: Backend, problem: ConvolutionProblem) -> None:
        super().__init__(backend, problem)
        self.lifted = with_three_axes(problem)
        self.launches: dict[Any, Any] = {}

    @classmethod
    def accepts(cls, problem: ConvolutionProblem) -> bool | str:
        axes = len(problem.x) - 2
        if problem.groups < 2 or problem.W[1] != 1:
            return f"not depthwise: {problem.W[1]} channels a group, {problem.groups} groups"
        if not 1 <= axes <= len(AXES):
            return f"only 1-D to 3-D, this is {axes}-D"
        if problem.dtype.isnative and problem.dtype.name not in ("float16", "bfloat16", "float32"):
            return f"{problem.dtype.name} stays with the base: float32 sums would lose its digits"
        if math.prod(problem.window.stride) > MOST_GROUPS:
            return f"{math.prod(problem.window.stride)} phases of the stride: a grid has room for {MOST_GROUPS}"
        return why_out_of_reach(problem) or True

    def forward(self, x: Array, W: Array, b: Array | None) -> Array:
        backend, problem = self.backend, self.problem
        y = triton_backend(backend).empty_channels_last(problem.y, x)
        if b is not None and element_strides(b) != (1,):
            b = backend.xp.asarray(b, copy=True)
        arrays = {"x": addressable(backend, x), "W": self._filters(W), "b": b, "y": y}
        self._run("forward", arrays, depthwise_launch, candidates.SUMS)
        activation = problem.activation
        return y if activation is None or activation == RELU else activation.apply(backend, y)

    def grad_input(self, W: Array, gy: Array) -> Array:
        gx = triton_backend(self.backend).empty_channels_last(self.problem.x, gy)
        arrays = {"W": self._filters(W), "gy": addressable(self.backend, gy), "gx": gx}
        self._run("gradient of input", arrays, depthwise_input_gradient_launch, candidates.SUMS)
        return gx

    def grad_weight(self, x: Array, gy: Array) -> Array:
        backend, problem = self.backend, self.problem
        own = triton_backend(backend)
        _, splits, _ = split_depthwise_filters(problem, interpreted=own.launcher.interpreted)
        partial = own.empty((splits, math.prod(problem.W)), backend.xp.float32, gy.device)
        gW = own.empty(problem.W, gy.dtype, gy.device)
        x, gy = addressable(backend, x), addressable(backend, gy)
        arrays = {"x": x, "gy": gy, "partial": partial}
        self._run("gradient of filters", arrays, depthwise_partial_gradient_launch, candidates.FILTER_SUMS)
        self._run("sum of gradients", {"partial": partial, "gW": gW}, add_depthwise_gradients_launch)
        return gW

    def _filters(self, W: Array) -> Array:
        """Return W with channels side by side in memory, as a tile reads them; packed once a version of a parameter."""
        order = (*range(1, W.ndim), 0)
        packed: Array = self.backend.derived(W, ("packed", order), lambda W: repacked(self.backend, W, order))
        return packed

    def _run(
        self, key: str, arrays: dict[str, Any], make: Callable[..., Launch], table: Sequence[Blocks] | None = None
    ) -> None:
        """Launch; ``table``: other ways of cutting it."""
        launcher, problem = triton_backend(self.backend).launcher, self.lifted

        def variants(shared: int) -> list[Launch]:
            pixels = problem.x[0] * math.prod(problem.out_shape)
            cut = worthwhile(table or (), pixels, problem.W[0], problem.dtype.itemsize, shared)
            return [make(problem, **arrays, interpreted=False, blocks=blocks) for blocks in cut]

        launcher.run(
            self.launches,
            key,
            arrays,
            lambda: make(problem, **arrays, interpreted=launcher.interpreted),
            None if table is None else variants,
        )


def with_three_axes(problem: ConvolutionProblem) -> ConvolutionProblem:
    """Return the problem with axes of length 1 before its own.

    >>> window = Window((5,), (2,), (1,), (1,))
    >>> with_three_axes(ConvolutionProblem((2, 8, 9), (8, 1, 5), window, np.dtype("f"), groups=8)).window.pad
    (0, 0, 1)
    """
    missing = len(AXES) + 2 - len(problem.x)
    ones, zeros = (1,) * missing, (0,) * missing
    size, stride, pad, dilate = problem.window
    return problem._replace(
        x=(*problem.x[:2], *ones, *problem.x[2:]),
        W=(*problem.W[:2], *ones, *problem.W[2:]),
        window=Window(ones + size, ones + stride, zeros + pad, ones + dilate),
        strides=None,
    )


def depthwise_launch(
    problem: ConvolutionProblem,
    x: Strided,
    W: Strided,
    b: Any,
    y: Strided,
    *,
    interpreted: bool,
    blocks: Blocks | None = None,
) -> Launch:
    """Return the launch of one forward pass of a problem with three axes.

    Args:
        problem: What is computed.
        x: Any strides.
        W: Any strides.
        b: Contiguous, or None.
        y: Any strides.
        interpreted: Cut for the interpreter.
        blocks: How it is cut; chosen where not given.
    """
    pixels, channels = problem.x[0] * math.prod(problem.out_shape), problem.W[0]
    blocks = blocks or _blocks(pixels, channels, interpreted=interpreted)
    arguments: dict[str, Any] = {"x": x, "W": W, "b": b, "y": y, "out_channels": channels, **_sizes(problem)}
    arguments |= _strides("x", x) | _filter_strides(W) | _strides("y", y) | _window(problem)
    arguments |= {"HAS_BIAS": b is not None, "RELU": problem.activation == RELU}
    arguments |= {"BLOCK_PIXELS": blocks.rows, "BLOCK_OUT": blocks.columns}
    grid = (triton.cdiv(pixels, blocks.rows), triton.cdiv(channels, blocks.columns), 1)
    return Launch(convolve_depthwise, grid, arguments, blocks.num_warps, blocks.num_stages, problem)


def depthwise_input_gradient_launch(
    problem: ConvolutionProblem,
    W: Strided,
    gy: Strided,
    gx: Strided,
    *,
    interpreted: bool,
    blocks: Blocks | None = None,
) -> Launch:
    """Return the launch that fills ``gx``."""
    window, channels = problem.window, problem.x[1]
    pixels = problem.x[0] * math.prod(
        triton.cdiv(n, s) for n, s in zip(problem.x[2:], window.stride, strict=True)
    )  # fmt: skip
    blocks = blocks or _blocks(pixels, channels, interpreted=interpreted)
    arguments = {"gy": gy, "W": W, "gx": gx, "channels": channels, **_sizes(problem)}
    arguments |= _strides("gy", gy) | _filter_strides(W) | _strides("gx", gx) | _window(problem)
    # Taps of one phase are so far apart: dilate · step is the next multiple of the stride.
    steps = (s // math.gcd(s, d) for s, d in zip(window.stride, window.dilate, strict=True))
    arguments |= {f"STEP_{axis}": step for axis, step in zip(AXES, steps, strict=True)}
    arguments |= {"BLOCK_PIXELS": blocks.rows, "BLOCK_IN": blocks.columns}
    grid = (triton.cdiv(pixels, blocks.rows), triton.cdiv(channels, blocks.columns), math.prod(window.stride))
    return Launch(depthwise_gradient_of_input, grid, arguments, blocks.num_warps, blocks.num_stages, problem)


def split_depthwise_filters(problem: ConvolutionProblem, *, interpreted: bool) -> tuple[Blocks, int, int]:
    """Return the tiles of the filters' gradient, the number of splits, and the output pixels of each.

    They follow from the problem alone, never from the chip: equal problems are summed in equal order everywhere.
    """
    pixels, taps = problem.x[0] * math.prod(problem.out_shape), math.prod(problem.window.size)
    blocks = FILTERS._replace(columns=min(FILTERS.columns, triton.next_power_of_2(problem.W[0])))
    if interpreted:
        blocks = FILTERS._replace(rows=64, columns=64, k=min(32, triton.next_power_of_2(taps)))
    tiles = triton.cdiv(taps, blocks.k) * triton.cdiv(problem.W[0], blocks.columns)
    splits, each = split_pixels(pixels, tiles, math.prod(problem.W), blocks.rows, interpreted=interpreted)
    return blocks, splits, each


def depthwise_partial_gradient_launch(
    problem: ConvolutionProblem,
    x: Strided,
    gy: Strided,
    partial: Any,
    *,
    interpreted: bool,
    blocks: Blocks | None = None,
) -> Launch:
    """Return the launch that fills ``partial`` (splits, taps, O), float32 and dense; splits are one for all blocks."""
    chosen, splits, each = split_depthwise_filters(problem, interpreted=interpreted)
    blocks = blocks or chosen
    taps, channels = math.prod(problem.window.size), problem.W[0]
    arguments = {"x": x, "gy": gy, "partial": partial, "out_channels": channels, "share": each, **_sizes(problem)}
    arguments |= _strides("x", x) | _strides("gy", gy) | _window(problem)
    arguments |= {"BLOCK_TAPS": blocks.k, "BLOCK_PIXELS": blocks.rows, "BLOCK_OUT": blocks.columns}
    grid = (triton.cdiv(taps, blocks.k), triton.cdiv(channels, blocks.columns), splits)
    function = partial_depthwise_gradient_of_filters
    return Launch(function, grid, arguments, blocks.num_warps, blocks.num_stages, problem)


def add_depthwise_gradients_launch(problem: ConvolutionProblem, partial: Any, gW: Any, *, interpreted: bool) -> Launch:
    """Return the launch that adds up ``partial`` into ``gW``, dense."""
    _, splits, _ = split_depthwise_filters(problem, interpreted=interpreted)
    size = math.prod(problem.W)
    block = interpreted_blocks(size, 1, 1).rows if interpreted else ADDED
    arguments = {"partial": partial, "gW": gW, "splits": splits, "taps": math.prod(problem.window.size)}
    arguments |= {"channels": 1, "out_channels": problem.W[0], "groups": 1, "BLOCK": block}
    return Launch(add_partial_gradients, (triton.cdiv(size, block), 1, 1), arguments, 4, 1, problem)


def _blocks(pixels: int, channels: int, *, interpreted: bool) -> Blocks:
    """Return the tile of a sum over taps; few channels leave room for more pixels."""
    if interpreted:
        return interpreted_blocks(pixels, channels, 1)
    columns = min(SUMS.columns, triton.next_power_of_2(channels))
    return SUMS._replace(rows=SUMS.rows * SUMS.columns // columns, columns=columns)


def _sizes(problem: ConvolutionProblem) -> dict[str, int]:
    names = ("images", "depth", "height", "width", "out_depth", "out_height", "out_width")
    return dict(zip(names, (problem.x[0], *problem.x[2:], *problem.out_shape), strict=True))


def _window(problem: ConvolutionProblem) -> dict[str, int]:
    named = zip(("KERNEL", "STRIDE", "PAD", "DILATE"), problem.window, strict=True)
    constants = {f"{name}_{axis}": n for name, numbers in named for axis, n in zip(AXES, numbers, strict=True)}
    return constants | {"MULTIPLIER": problem.W[0] // problem.groups}


def _strides(name: str, array: Strided) -> dict[str, int]:
    """Return an image's strides as a kernel's arguments; axes that it lacks have 0."""
    images, channels, *spatial = _in_elements(array)
    lifted = (images, channels, *(0,) * (len(AXES) - len(spatial)), *spatial)
    return {f"{name}_{axis}": stride for axis, stride in zip("ncdhw", lifted, strict=True)}


def _filter_strides(W: Strided) -> dict[str, int]:
    out, _, *spatial = _in_elements(W)
    lifted = (out, *(0,) * (len(AXES) - len(spatial)), *spatial)
    return {f"W_{axis}": stride for axis, stride in zip("odhw", lifted, strict=True)}


def _in_elements(array: Strided) -> Shape:
    strides = element_strides(array)
    assert strides is not None
    return strides
